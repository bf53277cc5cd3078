// SPDX-License-Identifier: Apache-2.0
// cairn perplexity: how well a model foresees a text, by the protocol of llama.cpp's tool: windows
// of N tokens without overlap, what does not fill a window at the end is left out; where the model
// wants a BOS it takes the place of the first token of every window; of each window the tokens
// after its middle are scored: N - N/2 - 1 of them.
#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <chrono>
#include <cmath>

#include "apps/command.h"
#include "apps/open.h"
#include "apps/options.h"
#include "apps/text.h"
#include "apps/trace_file.h"
#include "kernels/kernels.h"

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

// Sums -log p over the tokens that are scored.
class Scorer {
 public:
  explicit Scorer(const kernels::Kernels& kernels) : kernels_(kernels) {}

  void Score(std::span<const float> logits, std::int32_t token) {
    const int n = static_cast<int>(logits.size());
    const float largest = logits[static_cast<std::size_t>(kernels_.argmax(logits.data(), n))];
    exps_.resize(logits.size() + 15);
    kernels_.exp_shifted(logits.data(), largest, n, exps_.data());
    double sum = 0;
    for (int i = 0; i < n; ++i) sum += exps_[static_cast<std::size_t>(i)];
    const double loss = std::log(sum) + largest - logits[static_cast<std::size_t>(token)];
    total_ += loss;
    squares_ += loss * loss;
    ++count_;
  }
  std::int64_t count() const { return count_; }
  double perplexity() const { return std::exp(mean()); }
  // Standard error of the perplexity, as llama.cpp gives it.
  double error() const {
    const double n = static_cast<double>(count_);
    const double variance = squares_ / n - mean() * mean();
    return count_ < 2 || variance <= 0 ? 0 : std::sqrt(variance / (n - 1)) * perplexity();
  }

 private:
  double mean() const { return total_ / static_cast<double>(count_); }

  const kernels::Kernels& kernels_;
  std::vector<float> exps_;
  double total_ = 0;
  double squares_ = 0;
  std::int64_t count_ = 0;
};

Result<void> ScoreWindow(engine::Engine& engine, engine::Sequence& sequence,
                         std::span<const std::int32_t> text, Scorer& scorer) {
  std::vector<std::int32_t> window(text.begin(), text.end());
  const model::Vocabulary& vocabulary = engine.model().tokenizer().vocabulary();
  if (vocabulary.add_bos && vocabulary.bos) window[0] = *vocabulary.bos;
  const std::size_t first = window.size() / 2;
  sequence.Truncate(0);
  // The last token is only foreseen, never read.
  return engine.Prefill(sequence, std::span(window).first(window.size() - 1),
                        static_cast<std::int64_t>(window.size() - 1 - first),
                        [&](int, int, std::span<const float> logits) {
                          const auto position = first + static_cast<std::size_t>(scorer.count()) %
                                                            (window.size() - 1 - first);
                          scorer.Score(logits, window[position + 1]);
                        });
}

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
  const auto tokens = OR_RETURN(engine->model().tokenizer().Encode(text, true));
  const auto window = static_cast<std::size_t>(o.context);
  if (tokens.size() < 2 * window) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has {} tokens, and at least two windows of {} are needed; take a "
                            "longer text or a smaller --context",
                            o.file, tokens.size(), window));
  }
  engine::Sequence sequence = engine->NewSequence();
  Scorer scorer(kernels::KernelsFor(engine->isa()));
  const std::size_t windows = tokens.size() / window;
  const auto start = std::chrono::steady_clock::now();
  for (std::size_t w = 0; w < windows; ++w) {
    OR_RETURN(
        ScoreWindow(*engine, sequence, std::span(tokens).subspan(w * window, window), scorer));
    console.Progress(
        fmt::format("window {} of {}: perplexity {:.4f}", w + 1, windows, scorer.perplexity()));
  }
  console.EndProgress();
  OR_RETURN(trace->Finish(console));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (o.json) {
    console.WriteJson(boost::json::object{{"perplexity", scorer.perplexity()},
                                          {"error", scorer.error()},
                                          {"tokens", tokens.size()},
                                          {"windows", windows},
                                          {"scored", scorer.count()},
                                          {"context", o.context},
                                          {"seconds", seconds}});
  } else {
    console.Write(fmt::format(
        "perplexity {:.4f} +- {:.4f}  ({} windows of {} tokens, {} scored, "
        "{:.1f} s)\n",
        scorer.perplexity(), scorer.error(), windows, o.context, scorer.count(), seconds));
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
