// SPDX-License-Identifier: Apache-2.0
#include "engine/likelihood.h"

#include <algorithm>

#include "kernels/angle.h"

namespace cairn::engine {
namespace {

// The `count` largest logits, largest first, ties by lower id. Few are wanted of many: most logits
// are compared once, with the last of those that are kept.
std::vector<std::int32_t> Largest(std::span<const float> logits, std::size_t count) {
  std::vector<std::int32_t> kept;
  if (count == 0) return kept;
  const auto at = [&](std::int32_t id) { return logits[static_cast<std::size_t>(id)]; };
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (kept.size() == count) {
      if (logits[i] <= at(kept.back())) continue;
      kept.pop_back();
    }
    const auto place = std::ranges::find_if(kept, [&](auto id) { return at(id) < logits[i]; });
    kept.insert(place, static_cast<std::int32_t>(i));
  }
  return kept;
}

}  // namespace

TokenLikelihoods LikelihoodMeter::Of(std::span<const float> logits, std::int32_t token, int top) {
  const int n = static_cast<int>(logits.size());
  const float largest = logits[static_cast<std::size_t>(kernels_.argmax(logits.data(), n))];
  weights_.resize(logits.size());
  kernels_.exp_shifted(logits.data(), largest, n, weights_.data());
  double sum = 0;  // at least 1: the largest's own
  for (const float weight : weights_) sum += weight;
  const double log_sum = kernels::NaturalLogarithm(sum);
  const auto of = [&](std::int32_t id) -> TokenLikelihood {
    const double over = static_cast<double>(logits[static_cast<std::size_t>(id)]) - largest;
    return {id, static_cast<float>(over - log_sum)};
  };
  TokenLikelihoods result{.chosen = of(token), .top = {}};
  const auto count = std::min(logits.size(), static_cast<std::size_t>(top));
  for (const std::int32_t id : Largest(logits, count)) result.top.push_back(of(id));
  return result;
}

}  // namespace cairn::engine
