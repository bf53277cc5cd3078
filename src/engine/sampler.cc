// SPDX-License-Identifier: Apache-2.0
#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "base/random.h"

namespace cairn::engine {
namespace {

// The order of candidates: largest logit first, ties by lower id.
struct ByLogit {
  const std::vector<float>& logits;
  bool operator()(std::int32_t a, std::int32_t b) const {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  }
};

}  // namespace

Result<void> CheckSampling(const SamplingOptions& o) {
  const auto require = [](bool good, const char* name, const char* range) -> Result<void> {
    if (good) return {};
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{} must be {}", name, range));
  };
  OR_RETURN(require(o.temperature >= 0 && o.temperature <= 100, "temperature", "0 to 100"));
  OR_RETURN(require(o.top_k >= 0, "top-k", "0 or more"));
  OR_RETURN(require(o.top_p > 0 && o.top_p <= 1, "top-p", "above 0, at most 1"));
  OR_RETURN(require(o.min_p >= 0 && o.min_p <= 1, "min-p", "0 to 1"));
  OR_RETURN(require(o.repeat_penalty > 0 && o.repeat_penalty <= 10, "repeat penalty",
                    "above 0, at most 10"));
  OR_RETURN(require(std::abs(o.presence_penalty) <= 10, "presence penalty", "-10 to 10"));
  OR_RETURN(require(std::abs(o.frequency_penalty) <= 10, "frequency penalty", "-10 to 10"));
  return require(o.repeat_window >= 0, "repeat window", "0 or more");
}

Sampler::Sampler(const SamplingOptions& options, const kernels::Kernels& kernels)
    : options_(options), kernels_(kernels) {}

void Sampler::Penalise(std::span<const std::int32_t> history) {
  const auto window = std::min(history.size(), static_cast<std::size_t>(options_.repeat_window));
  std::unordered_map<std::int32_t, int> counts;
  for (const std::int32_t token : history.last(window)) ++counts[token];
  for (const auto& [token, count] : counts) {
    float& logit = logits_[static_cast<std::size_t>(token)];
    logit = logit > 0 ? logit / options_.repeat_penalty : logit * options_.repeat_penalty;
    logit -= options_.presence_penalty + static_cast<float>(count) * options_.frequency_penalty;
  }
}

std::int32_t Sampler::Sample(std::span<const float> logits, std::span<const std::int32_t> history) {
  const bool penalties = options_.repeat_penalty != 1 || options_.presence_penalty != 0 ||
                         options_.frequency_penalty != 0;
  const int n = static_cast<int>(logits.size());
  if (options_.temperature == 0 && !penalties) return kernels_.argmax(logits.data(), n);
  logits_.assign(logits.begin(), logits.end());
  if (penalties) Penalise(history);
  if (options_.temperature == 0) return kernels_.argmax(logits_.data(), n);
  return Draw(history.size());
}

std::int32_t Sampler::Draw(std::uint64_t position) {
  const std::size_t n = logits_.size();
  candidates_.resize(n);
  std::iota(candidates_.begin(), candidates_.end(), 0);
  const ByLogit order{logits_};
  std::size_t kept = options_.top_k > 0 ? std::min(n, static_cast<std::size_t>(options_.top_k)) : n;
  // All of them are needed only when nothing cuts the tail.
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(kept),
                    candidates_.end(), order);
  const float most = logits_[static_cast<std::size_t>(candidates_[0])];
  weights_.resize(kept);
  for (std::size_t i = 0; i < kept; ++i) {
    weights_[i] = logits_[static_cast<std::size_t>(candidates_[i])];
  }
  kernels_.exp_shifted(weights_.data(), most, static_cast<int>(kept), weights_.data());
  if (options_.top_p < 1) {
    const double total = std::accumulate(weights_.begin(), weights_.end(), 0.0);
    double sum = 0;
    for (std::size_t i = 0; i < kept; ++i) {
      sum += weights_[i];
      if (sum >= options_.top_p * total) {
        kept = i + 1;
        break;
      }
    }
  }
  // weights_[0] is 1: the largest.
  while (kept > 1 && weights_[kept - 1] < options_.min_p) --kept;
  if (options_.temperature != 1) {
    for (std::size_t i = 0; i < kept; ++i) {
      weights_[i] =
          (logits_[static_cast<std::size_t>(candidates_[i])] - most) / options_.temperature;
    }
    kernels_.exp_shifted(weights_.data(), 0, static_cast<int>(kept), weights_.data());
  }
  double total = 0;
  for (std::size_t i = 0; i < kept; ++i) total += weights_[i];
  const double target = CounterRandom(options_.seed).Uniform(position, 0) * total;
  double sum = 0;
  for (std::size_t i = 0; i + 1 < kept; ++i) {
    sum += weights_[i];
    if (target < sum) return candidates_[i];
  }
  return candidates_[kept - 1];
}

}  // namespace cairn::engine
