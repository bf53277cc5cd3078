// SPDX-License-Identifier: Apache-2.0
// How likely the model held a token (docs/canonical.md, section 10): from its own logits, before
// bias, penalties, temperature and whatever else chooses.
// Threads: a LikelihoodMeter belongs to one sequence's caller. Cost: a pass over the vocabulary for
//   the exponentials and one for the likeliest.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernels.h"

namespace cairn::engine {

inline constexpr int kMostTopLikelihoods = 128;

struct TokenLikelihood {
  std::int32_t token = 0;
  float log_probability = 0;  // natural; 0 or below
  bool operator==(const TokenLikelihood&) const = default;
};

// A token of an answer, and the likeliest ones in its place.
struct TokenLikelihoods {
  TokenLikelihood chosen;
  std::vector<TokenLikelihood> top;  // likeliest first, ties by lower id
  bool operator==(const TokenLikelihoods&) const = default;
};

class LikelihoodMeter {
 public:
  explicit LikelihoodMeter(const kernels::Kernels& kernels) : kernels_(kernels) {}

  // Of `token` and the `top` likeliest. Logits are finite, at least one; `top` at most
  // kMostTopLikelihoods.
  TokenLikelihoods Of(std::span<const float> logits, std::int32_t token, int top);

 private:
  const kernels::Kernels& kernels_;
  std::vector<float> weights_;
};

}  // namespace cairn::engine
