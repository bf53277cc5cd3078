// SPDX-License-Identifier: Apache-2.0
// cairn perplexity: how well a model foresees a text.
#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <chrono>

#include "apps/command.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/perplexity_score.h"
#include "apps/text.h"
#include "apps/trace_file.h"

namespace cairn::apps {
namespace {

struct PerplexityOptions {
  std::string model;
  std::string file;
  std::int64_t context = 512;
  int threads = 0;
  kernels::KvFormat kv = kernels::KvFormat::kF16;
  std::size_t kv_memory = 0;
  kv::KvBackend kv_backend = kv::KvBackend::kArena;
  bool pinned = false;
  std::string trace;
  bool json = false;
};

Result<void> Perplexity(const PerplexityOptions& o, Console& console) {
  const std::string text = OR_RETURN(o.file == "-" ? ReadStandardInput() : ReadTextFile(o.file));
  const auto trace = OR_RETURN(TraceFile::Create(o.trace));
  const auto engine = OR_RETURN(OpenEngine(o.model,
                                           {.threads = o.threads,
                                            .kv = o.kv,
                                            .kv_memory = o.kv_memory,
                                            .kv_backend = o.kv_backend,
                                            .context = o.context,
                                            .pinned = o.pinned,
                                            .observer = trace->observer()},
                                           console));
  const auto start = std::chrono::steady_clock::now();
  const auto score = ScoreText(*engine, text, o.file, static_cast<std::size_t>(o.context),
                               [&](std::size_t done, std::size_t windows, double perplexity) {
                                 console.Progress(fmt::format("window {} of {}: perplexity {:.4f}",
                                                              done, windows, perplexity));
                               });
  console.EndProgress();
  if (!score) return std::unexpected(score.error());
  OR_RETURN(trace->Finish(console));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (o.json) {
    console.WriteJson(boost::json::object{{"perplexity", score->perplexity},
                                          {"error", score->error},
                                          {"tokens", score->tokens},
                                          {"windows", score->windows},
                                          {"scored", score->scored},
                                          {"context", o.context},
                                          {"seconds", seconds}});
  } else {
    console.Write(fmt::format(
        "perplexity {:.4f} +- {:.4f}  ({} windows of {} tokens, {} scored, "
        "{:.1f} s)\n",
        score->perplexity, score->error, score->windows, o.context, score->scored, seconds));
  }
  return {};
}

}  // namespace

void AddPerplexity(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<PerplexityOptions>();
  CLI::App* command = NewCommand(app, kMeasure, "perplexity", "How well a model foresees a text",
                                 "cairn perplexity smollm2 book.txt\n"
                                 "cairn perplexity gemma3 book.txt --context 1024 --json");
  AddModel(*command, o->model);
  command->add_option("FILE", o->file, "The text; - is standard input")->type_name("")->required();
  AddJson(*command, o->json);
  command->add_option("--context", o->context, "Tokens of a window; the second half is scored")
      ->type_name("N")
      ->capture_default_str()
      ->check(WholeNumber(4, kMostContextTokens));
  AddKv(*command, o->kv);
  AddKvMemory(*command, o->kv_memory);
  AddKvBackend(*command, o->kv_backend);
  AddTrace(*command, o->trace);
  AddThreads(*command, o->threads);
  AddPin(*command, o->pinned);
  OnChosen(*command, chosen, o, Perplexity);
}

}  // namespace cairn::apps
