// SPDX-License-Identifier: Apache-2.0
// Choosing the next token from logits, in the order users know: repetition penalties, then
// temperature 0 = the largest logit, else top-k, top-p, min-p, temperature and one draw
// (docs/canonical.md, section 10).
// Threads: a Sampler belongs to one sequence's caller.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "kernels/kernels.h"

namespace cairn::engine {

struct SamplingOptions {
  float temperature = 0.8f;        // 0: greedy; 0 to 100
  int top_k = 40;                  // 0: off
  float top_p = 0.95f;             // 1: off; above 0 to 1
  float min_p = 0.05f;             // 0: off; 0 to 1
  std::uint64_t seed = 0;          // the same seed gives the same answer
  float repeat_penalty = 1.0f;     // 1: off; above 0 to 10
  float presence_penalty = 0.0f;   // -10 to 10
  float frequency_penalty = 0.0f;  // -10 to 10
  int repeat_window = 64;          // tokens before the next one that penalties look at
};

// kInvalidArgument for a value outside the ranges above, naming the option.
[[nodiscard]] Result<void> CheckSampling(const SamplingOptions& options);

class Sampler {
 public:
  // Requires options that CheckSampling accepts.
  Sampler(const SamplingOptions& options, const kernels::Kernels& kernels);

  // The token for position history.size(), given its logits and all tokens before it.
  std::int32_t Sample(std::span<const float> logits, std::span<const std::int32_t> history);

 private:
  void Penalise(std::span<const std::int32_t> history);
  std::int32_t Draw(std::uint64_t position);

  SamplingOptions options_;
  const kernels::Kernels& kernels_;
  std::vector<float> logits_;             // after penalties
  std::vector<std::int32_t> candidates_;  // ids, largest logit first
  std::vector<float> weights_;            // exp(logit - max), beside candidates_
};

}  // namespace cairn::engine
