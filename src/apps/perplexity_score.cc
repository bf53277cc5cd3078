// SPDX-License-Identifier: Apache-2.0
#include "apps/perplexity_score.h"

#include <fmt/format.h>

#include <cmath>
#include <span>
#include <vector>

#include "kernels/kernels.h"

namespace cairn::apps {
namespace {

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

}  // namespace

Result<PerplexityScore> ScoreText(
    engine::Engine& engine, const std::string& text, const std::string& name, std::size_t window,
    const std::function<void(std::size_t done, std::size_t windows, double perplexity)>& told) {
  const auto tokens = OR_RETURN(engine.model().tokenizer().Encode(text, true));
  if (tokens.size() < 2 * window) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} has {} tokens, and at least two windows of {} are needed; take a "
                            "longer text or a smaller --context",
                            name, tokens.size(), window));
  }
  engine::Sequence sequence = engine.NewSequence();
  Scorer scorer(kernels::KernelsFor(engine.isa()));
  const std::size_t windows = tokens.size() / window;
  for (std::size_t w = 0; w < windows; ++w) {
    OR_RETURN(ScoreWindow(engine, sequence, std::span(tokens).subspan(w * window, window), scorer));
    if (told) told(w + 1, windows, scorer.perplexity());
  }
  return PerplexityScore{.perplexity = scorer.perplexity(),
                         .error = scorer.error(),
                         .tokens = tokens.size(),
                         .windows = windows,
                         .scored = scorer.count()};
}

}  // namespace cairn::apps
