// SPDX-License-Identifier: Apache-2.0
// Choosing the next token from logits, in the order users know: bias, repetition penalties, then
// temperature 0 = the largest logit, else top-k, top-p, min-p, temperature and one draw
// (docs/canonical.md, section 10).
// Threads: a Sampler belongs to one sequence's caller. Owns: copies of the logits; borrows the
//   kernels. Cost: with top-k one pass over the vocabulary and work on a few thousand candidates;
//   without, a pass for each of copying, exp and selection. Nothing but the candidates that a draw
//   looks at is sorted.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/error.h"
#include "kernels/kernels.h"

namespace cairn::engine {

// Added to a token's logit before anything else looks at it; -kBan takes the token out.
struct TokenBias {
  std::int32_t token = 0;
  float bias = 0;
};
inline constexpr float kBan = std::numeric_limits<float>::max();
inline constexpr std::size_t kMostBiases = 4096;

struct SamplingOptions {
  float temperature = 0.8f;        // 0: greedy; 0 to 100
  int top_k = 40;                  // 0: off
  float top_p = 0.95f;             // 1: off; above 0 to 1
  float min_p = 0.05f;             // 0: off; 0 to 1
  std::uint64_t seed = 0;          // the same seed gives the same answer
  std::uint64_t choice = 0;        // which of several answers with that seed
  float repeat_penalty = 1.0f;     // 1: off; above 0 to 10
  float presence_penalty = 0.0f;   // -10 to 10
  float frequency_penalty = 0.0f;  // -10 to 10
  // Tokens before the next one that all three penalties look at, the prompt's included; 0: none.
  // Repetition divides positive logits and multiplies the others; presence is subtracted once,
  // frequency for each time the token came.
  int repeat_window = 64;
  std::vector<TokenBias> bias;  // of at most kMostBiases tokens, each once
};

// kInvalidArgument for a value outside the ranges above, naming the option.
[[nodiscard]] Result<void> CheckSampling(const SamplingOptions& options);

class Sampler {
 public:
  // Requires options that CheckSampling accepts.
  Sampler(const SamplingOptions& options, const kernels::Kernels& kernels);

  // The token for position history.size(), given its logits (finite, at least one) and all tokens
  // before it. The same options, logits, history and position give the same token.
  std::int32_t Sample(std::span<const float> logits, std::span<const std::int32_t> history);

 private:
  void Bias();
  void Penalise(std::span<const std::int32_t> history);
  std::int32_t Draw(std::span<const float> logits, std::uint64_t position);
  // The candidates, by id: of `logits` those that can be among the `count` largest.
  void TakeCandidates(std::span<const float> logits, std::size_t count);
  // Makes the first `count` of order_ final.
  void Rank(std::size_t count);
  // Drops all candidates but the first `count` in rank; those that stay are in that order.
  void Keep(std::size_t count);
  // weights_ = exp((logit - largest) / temperature).
  void Weigh(float temperature);
  // Candidates that top-p and min-p leave.
  std::size_t Survivors();
  float WeightOf(std::size_t rank) {
    Rank(rank + 1);
    return weights_[static_cast<std::size_t>(order_[rank])];
  }

  SamplingOptions options_;
  const kernels::Kernels& kernels_;
  std::vector<float> penalised_;  // all logits, where there are biases or penalties
  std::vector<float> maxima_;     // of blocks of the logits
  // By candidate: by id at first, what is left by rank once an option has cut the list.
  std::vector<float> logits_;
  std::vector<std::int32_t> ids_;
  std::vector<float> weights_;
  // Candidates, largest logit first, ties by lower id. Only the first ranked_ are in their places:
  // the tail of a vocabulary is sorted only where a draw goes that far.
  std::vector<std::int32_t> order_;
  std::size_t ranked_ = 0;
};

}  // namespace cairn::engine
