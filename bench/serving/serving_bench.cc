// SPDX-License-Identifier: Apache-2.0
// Cairn's side of scripts/bench-serving: engine::Answers in this process, no network.
//
// Usage: serving_bench play MODEL TRACE [--clients N | --rate R] [--requests N] [--no-propose]
//        serving_bench decode MODEL [--sequences N,...] [--depth N] [--tokens N]
//        serving_bench waiting|hit|pace MODEL
//        serving_bench memory MODEL TRACE [--requests N]
// Each with [--threads N] [--kv f16|q8] [--kv-memory SIZE] [--json]. Prints its figures.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "apps/json.h"
#include "apps/open.h"
#include "apps/options.h"
#include "player.h"
#include "scenarios.h"

namespace cairn::bench {
namespace {

constexpr int kRunning = 32;
constexpr std::int64_t kPrompt = 2000;  // of the prompts in `hit` and `pace`

struct Options {
  std::string model, trace;
  PlayOptions play;
  std::size_t requests = 0;  // of the trace; 0: all
  bool no_propose = false;
  std::vector<int> sequences{8, 32};
  std::int64_t depth = 128, tokens = 64;
  int threads = 0;
  kernels::KvFormat kv = kernels::KvFormat::kF16;
  std::size_t kv_memory = std::size_t{2} << 30;
  bool json = false;
};

Result<std::vector<TraceRequest>> TraceOf(const Options& o) {
  auto trace = OR_RETURN(ReadTrace(o.trace));
  if (o.requests > 0 && o.requests < trace.size()) trace.resize(o.requests);
  return trace;
}

Result<boost::json::object> PlayTrace(engine::Engine& engine, const Options& o) {
  const auto trace = OR_RETURN(TraceOf(o));
  engine::Answers answers(engine, {.sequences = kRunning, .propose = !o.no_propose});
  // As a server warms up before it answers: the step's buffers are touched.
  const auto warm = SomeTokens(engine.step_rows(), engine.vocabulary(), 1);
  OR_RETURN(answers.Generate(warm, {.max_tokens = 8, .ignore_end = true}, {}));
  return Figures(OR_RETURN(Play(answers, trace, o.play)));
}

Result<boost::json::object> DecodeAll(engine::Engine& engine, const Options& o) {
  boost::json::object figures;
  for (const int n : o.sequences) {
    figures[std::to_string(n)] = OR_RETURN(MeasureDecode(engine, n, o.depth, o.tokens));
  }
  return figures;
}

Result<boost::json::object> Run(const std::string& scenario, const Options& o) {
  const auto model = OR_RETURN(model::Model::Load(o.model, {.threads = o.threads}));
  const auto engine = OR_RETURN(engine::Engine::Create(
      model, {.threads = o.threads,
              .isa = OR_RETURN(apps::ChosenIsa()),
              .kv = o.kv,
              .context = std::min<std::int64_t>(model->context_length(), 8192),
              .kv_memory_bytes = o.kv_memory,
              .step_sequences = kRunning}));
  if (scenario == "decode") return DecodeAll(*engine, o);
  if (scenario == "waiting") return MeasureWaiting(*engine, 1000);
  if (scenario == "hit") return MeasureHit(*engine, kPrompt);
  if (scenario == "pace") return MeasurePace(*engine, kPrompt);
  if (scenario == "memory") return MeasureMemory(*engine, OR_RETURN(TraceOf(o)));
  return PlayTrace(*engine, o);
}

void Print(const boost::json::object& figures, const std::string& indent) {
  for (const auto& [key, value] : figures) {
    if (value.is_object()) {
      fmt::print("{}{}\n", indent, std::string_view(key));
      Print(value.as_object(), indent + "  ");
    } else {
      fmt::print("{}{:<24} {}\n", indent, std::string_view(key), apps::ToJson(value));
    }
  }
}

void AddScenarios(CLI::App& app, Options& o) {
  app.require_subcommand(1);
  for (const char* name : {"play", "decode", "waiting", "hit", "pace", "memory"}) {
    CLI::App* command = app.add_subcommand(name);
    command->add_option("MODEL", o.model)->required();
    if (name == std::string("play") || name == std::string("memory")) {
      command->add_option("TRACE", o.trace)->required();
      command->add_option("--requests", o.requests);
    }
    if (name == std::string("play")) {
      command->add_option("--clients", o.play.clients)->check(CLI::Range(1, kRunning));
      command->add_option("--rate", o.play.rate)->check(CLI::Range(0.001, 1e6));
      command->add_flag("--no-propose", o.no_propose);
    }
    if (name == std::string("decode")) {
      command->add_option("--sequences", o.sequences)
          ->delimiter(',')
          ->check(CLI::Range(1, kRunning));
      command->add_option("--depth", o.depth)->check(CLI::Range(1, 4096));
      command->add_option("--tokens", o.tokens)->check(CLI::Range(1, 4096));
    }
    apps::AddThreads(*command, o.threads);
    apps::AddKv(*command, o.kv);
    apps::AddKvMemory(*command, o.kv_memory);
    command->add_flag("--json", o.json);
  }
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  cairn::bench::Options options;
  CLI::App app("Serving through engine::Answers");
  cairn::bench::AddScenarios(app, options);
  CLI11_PARSE(app, argc, argv);
  const auto figures = cairn::bench::Run(app.get_subcommands().front()->get_name(), options);
  if (!figures) {
    fmt::print(stderr, "serving_bench: {}\n", figures.error().message);
    return 1;
  }
  if (options.json) {
    fmt::print("{}\n", cairn::apps::ToJson(*figures));
  } else {
    cairn::bench::Print(*figures, "");
  }
  return 0;
}
