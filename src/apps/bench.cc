// SPDX-License-Identifier: Apache-2.0
// cairn bench: tokens per second beside what the machine could do at most.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <functional>

#include "apps/bench_limits.h"
#include "apps/by_stage.h"
#include "apps/command.h"
#include "apps/load_cost.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/peaks.h"
#include "apps/text.h"
#include "apps/trace_file.h"

namespace cairn::apps {
namespace {

struct BenchOptions {
  std::string model;
  std::string prefill = "128,512";
  std::int64_t decode = 128;
  std::string batches = "1,8";
  std::int64_t depth = 128;
  std::int64_t rounds = 5;
  int threads = 0;
  kernels::KvFormat kv = kernels::KvFormat::kF16;
  std::size_t kv_memory = 0;
  kv::KvBackend kv_backend = kv::KvBackend::kArena;
  bool pinned = false;
  bool json = false;
  bool by_stage = false;
  std::string trace;
};

// One line of the report: how to run it once, and what came out.
struct Case {
  std::string name;         // "prefill", "decode"
  std::int64_t tokens = 0;  // per sequence
  std::int64_t batch = 1;
  std::int64_t depth = 0;          // tokens before the first that is measured
  std::vector<double> rates = {};  // tokens/s of each round, all sequences together
};

struct Spread {
  double median, least, most;
};
Spread SpreadOf(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t n = values.size();
  return {(values[(n - 1) / 2] + values[n / 2]) / 2, values.front(), values.back()};
}

// Ordinary ids, the same in every run: the work does not depend on them.
std::vector<std::int32_t> SomeTokens(std::int64_t count, int vocabulary) {
  std::vector<std::int32_t> tokens;
  std::uint64_t state = 12345;
  for (std::int64_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    tokens.push_back(static_cast<std::int32_t>((state >> 33) % static_cast<unsigned>(vocabulary)));
  }
  return tokens;
}

double SecondsOf(const std::function<Result<void>()>& work, Result<void>& result) {
  const auto start = std::chrono::steady_clock::now();
  result = work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

class Bench {
 public:
  explicit Bench(engine::Engine& engine) : engine_(engine) {}

  // Tokens per second of one round.
  [[nodiscard]] Result<double> Prefill(const Case& c) {
    sequences_.clear();
    sequences_.push_back(engine_.NewSequence());
    const auto tokens = SomeTokens(c.tokens, engine_.model().tokenizer().size());
    Result<void> result;
    const double seconds = SecondsOf(
        [&] { return engine_.Prefill(sequences_[0], tokens, 1, [](int, int, auto) {}); }, result);
    OR_RETURN(result);
    return static_cast<double>(c.tokens) / seconds;
  }

  [[nodiscard]] Result<double> Decode(const Case& c) {
    OR_RETURN(FillTo(c));
    const auto tokens = SomeTokens(c.tokens, engine_.model().tokenizer().size());
    Result<void> result;
    const double seconds = SecondsOf([&] { return Steps(tokens); }, result);
    OR_RETURN(result);
    return static_cast<double>(c.tokens * c.batch) / seconds;
  }

 private:
  // `batch` sequences of `depth` tokens; what earlier rounds computed is kept.
  [[nodiscard]] Result<void> FillTo(const Case& c) {
    if (static_cast<std::int64_t>(sequences_.size()) != c.batch) sequences_.clear();
    while (static_cast<std::int64_t>(sequences_.size()) < c.batch) {
      sequences_.push_back(engine_.NewSequence());
    }
    const auto tokens = SomeTokens(c.depth, engine_.model().tokenizer().size());
    for (engine::Sequence& sequence : sequences_) {
      sequence.Truncate(sequence.tiles().UsableSize(std::min(sequence.size(), c.depth)));
      const auto rest = std::span(tokens).subspan(static_cast<std::size_t>(sequence.size()));
      OR_RETURN(engine_.Prefill(sequence, rest, 1, [](int, int, auto) {}));
    }
    return {};
  }

  // One token of every sequence per step.
  [[nodiscard]] Result<void> Steps(std::span<const std::int32_t> tokens) {
    std::vector<engine::StepEntry> entries(sequences_.size());
    for (std::size_t t = 0; t < tokens.size(); ++t) {
      for (std::size_t s = 0; s < sequences_.size(); ++s) {
        entries[s] = {.sequence = &sequences_[s], .tokens = tokens.subspan(t, 1), .sampled = 1};
      }
      OR_RETURN(engine_.Step(entries, [](int, int, auto) {}));
      for (engine::StepEntry& entry : entries) {
        if (entry.failure) return std::unexpected(*entry.failure);
      }
    }
    return {};
  }

  engine::Engine& engine_;
  std::vector<engine::Sequence> sequences_;
};

std::vector<Case> Cases(const BenchOptions& o) {
  std::vector<Case> cases;
  for (const std::int64_t tokens : ParseWholeNumbers(o.prefill)) {
    cases.push_back({.name = "prefill", .tokens = tokens});
  }
  for (const std::int64_t batch : ParseWholeNumbers(o.batches)) {
    cases.push_back({.name = "decode", .tokens = o.decode, .batch = batch, .depth = o.depth});
  }
  return cases;
}

// Rounds go over all cases one after the other, so that a busy moment hits every case.
Result<void> Measure(std::vector<Case>& cases, const BenchOptions& o, engine::Engine& engine,
                     ByStage& by_stage, Console& console) {
  std::vector<Bench> benches;
  benches.reserve(cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i) benches.emplace_back(engine);
  for (std::int64_t round = 0; round <= o.rounds; ++round) {
    for (std::size_t i = 0; i < cases.size(); ++i) {
      Case& c = cases[i];
      console.Progress(fmt::format("round {} of {}: {} {}", round, o.rounds, c.name, c.tokens));
      if (round > 0) by_stage.Count(i);
      const double rate =
          OR_RETURN(c.name == "prefill" ? benches[i].Prefill(c) : benches[i].Decode(c));
      if (round > 0) c.rates.push_back(rate);  // the first one warms up
    }
  }
  console.EndProgress();
  return {};
}

// What a case reached of its limit: prefill of the int8 peak, decode of the read bandwidth.
struct Reached {
  double share = 0;
  double weight_bytes = 0, kv_bytes = 0;  // of a step of decode
};
Reached ReachedBy(const Case& c, double rate, const Peaks& peaks, const engine::Engine& engine) {
  if (c.name == "prefill") {
    const double tops = rate * OperationsPerToken(engine.model().program()) / 1e12;
    return {.share = tops / peaks.int8_tops};
  }
  Reached reached;
  reached.weight_bytes = static_cast<double>(engine.weight_bytes_per_step(c.batch));
  reached.kv_bytes = static_cast<double>(c.batch) * KvBytesPerStep(engine, c.depth, c.tokens);
  const double steps_per_s = rate / static_cast<double>(c.batch);
  reached.share =
      (reached.weight_bytes + reached.kv_bytes) * steps_per_s / 1e9 / peaks.bandwidth_gb_s;
  return reached;
}

// "62 % of the int8 peak", "91 % of the bandwidth"
std::string ShareOf(const Case& c, double rate, const Peaks& peaks, const engine::Engine& engine) {
  return fmt::format("{:3.0f} % of the {}", 100 * ReachedBy(c, rate, peaks, engine).share,
                     c.name == "prefill" ? "int8 peak" : "bandwidth");
}

void Print(const std::vector<Case>& cases, const Peaks& peaks, const LoadCost& load,
           const engine::Engine& engine, const ByStage* by_stage, Console& console) {
  console.Write(fmt::format("{} | {} | {} threads | KV {} | reads {:.1f} GB/s | int8 {:.2f} TOPS\n",
                            engine.model().path(), kernels::IsaName(engine.isa()), engine.threads(),
                            kernels::KvFormatName(engine.kv_format()), peaks.bandwidth_gb_s,
                            peaks.int8_tops));
  console.Write(Line(load) + "\n");
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    const Spread spread = SpreadOf(c.rates);
    const std::string what = c.name == "prefill" ? fmt::format("prefill {:6} tokens", c.tokens)
                                                 : fmt::format("decode  {:6} tokens x {} after {}",
                                                               c.tokens, c.batch, c.depth);
    console.Write(fmt::format("{:36} {:9.1f} tokens/s  [{:.1f} {:.1f}]  {}\n", what, spread.median,
                              spread.least, spread.most, ShareOf(c, spread.median, peaks, engine)));
    if (by_stage != nullptr) console.Write(by_stage->Table(i, peaks));
  }
}

boost::json::value ToValue(const std::vector<Case>& cases, const Peaks& peaks, const LoadCost& load,
                           const engine::Engine& engine, const ByStage* by_stage) {
  boost::json::array results;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    const Spread spread = SpreadOf(c.rates);
    results.push_back(boost::json::object{
        {"name", c.name},
        {"tokens", c.tokens},
        {"batch", c.batch},
        {"depth", c.depth},
        {"rounds", c.rates.size()},
        {"tokens_per_s",
         {{"median", spread.median}, {"min", spread.least}, {"max", spread.most}}}});
    boost::json::object& result = results.back().as_object();
    const Reached reached = ReachedBy(c, spread.median, peaks, engine);
    if (c.name == "prefill") {
      result["int8_share"] = reached.share;
    } else {
      result["bandwidth_share"] = reached.share;
      result["weight_bytes_per_step"] = reached.weight_bytes;
      result["kv_bytes_per_step"] = reached.kv_bytes;
    }
    if (by_stage != nullptr) result["stages"] = by_stage->ToValue(i);
  }
  return boost::json::object{{"bandwidth_gb_s", peaks.bandwidth_gb_s},
                             {"int8_tops", peaks.int8_tops},
                             {"isa", kernels::IsaName(engine.isa())},
                             {"threads", engine.threads()},
                             {"kv", kernels::KvFormatName(engine.kv_format())},
                             {"model", engine.model().path()},
                             {"load", ToObject(load)},
                             {"results", std::move(results)}};
}

Result<void> Run(const BenchOptions& o, Console& console) {
  std::vector<Case> cases = Cases(o);
  std::int64_t context = 1;
  std::int64_t batch = 1;
  for (const Case& c : cases) {
    context = std::max(context, c.depth + c.tokens);
    batch = std::max(batch, c.batch);
  }
  const kernels::Kernels& kernels = kernels::KernelsFor(OR_RETURN(ChosenIsa()));
  ByStage by_stage(cases.size());
  const auto trace = OR_RETURN(TraceFile::Create(o.trace));
  const auto started = std::chrono::steady_clock::now();
  auto opened = OpenEngine(o.model,
                           {.threads = o.threads,
                            .kv = o.kv,
                            .kv_memory = o.kv_memory,
                            .kv_backend = o.kv_backend,
                            .context = context,
                            .step_sequences = static_cast<int>(batch),
                            .pinned = o.pinned,
                            .observer = o.by_stage ? &by_stage : trace->observer()},
                           console);
  if (!opened && opened.error().code == ErrorCode::kLimit) {
    return std::unexpected(std::move(opened).error().Within("-p, or -d and -n together"));
  }
  const auto engine = OR_RETURN(std::move(opened));
  const LoadCost load = OR_RETURN(LoadCostOf(*engine, started));  // before anything else is held
  Peaks peaks;
  {
    parallel::WorkerTeam team(engine->threads());
    peaks = OR_RETURN(MeasurePeaks(kernels, team));
  }
  OR_RETURN(Measure(cases, o, *engine, by_stage, console));
  OR_RETURN(trace->Finish(console));
  const ByStage* stages = o.by_stage ? &by_stage : nullptr;
  if (o.json) {
    console.WriteJson(ToValue(cases, peaks, load, *engine, stages));
  } else {
    Print(cases, peaks, load, *engine, stages, console);
  }
  return {};
}

}  // namespace

void AddBench(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<BenchOptions>();
  CLI::App* command =
      NewCommand(app, kMeasure, "bench", "Tokens per second beside the limits of this machine",
                 "cairn bench smollm2\n"
                 "cairn bench smollm2 -p 512 -b 1,2,4,8,16 -d 1024 -t 2 --json");
  AddModel(*command, o->model);
  const auto add = [&](const char* name, auto& value, const char* help, const char* type,
                       const CLI::Validator& check) {
    command->add_option(name, value, help)->type_name(type)->capture_default_str()->check(check);
  };
  add("-p,--prefill", o->prefill, "Lengths of prompts, one sequence", "N,N",
      WholeNumbers(1, 1 << 20));
  add("-n,--max-tokens", o->decode, "Tokens of an answer", "N", WholeNumber(1, 1 << 20));
  add("-b,--batch", o->batches, "Numbers of sequences answered at once", "N,N",
      WholeNumbers(1, 512));
  add("-d,--depth", o->depth, "Tokens before the answer", "N", WholeNumber(0, 1 << 20));
  add("--rounds", o->rounds, "Rounds measured, after one that warms up", "N", WholeNumber(1, 1000));
  AddJson(*command, o->json);
  AddKv(*command, o->kv);
  AddKvMemory(*command, o->kv_memory);
  AddKvBackend(*command, o->kv_backend);
  CLI::Option* trace = AddTrace(*command, o->trace);
  command
      ->add_flag("--by-stage", o->by_stage,
                 "Time, bytes and operations of each stage; the rates above it suffer a little")
      ->excludes(trace);
  AddThreads(*command, o->threads);
  AddPin(*command, o->pinned);
  OnChosen(*command, chosen, o, Run);
}

}  // namespace cairn::apps
