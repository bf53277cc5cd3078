// SPDX-License-Identifier: Apache-2.0
#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "base/checked.h"
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

// So many candidates are ranked at first; most draws end among them.
constexpr std::size_t kFirstRanks = 64;

// A block of logits has one maximum. Lanes: compilers make a vector of them.
constexpr std::size_t kBlock = 128, kLanes = 16;

float MaxOf(std::span<const float> block) {
  std::array<float, kLanes> most;
  most.fill(block[0]);
  std::size_t i = 0;
  for (; i + kLanes <= block.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      most[lane] = block[i + lane] > most[lane] ? block[i + lane] : most[lane];
    }
  }
  for (; i < block.size(); ++i) most[0] = std::max(most[0], block[i]);
  return *std::ranges::max_element(most);
}

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
  OR_RETURN(require(o.repeat_window >= 0, "repeat window", "0 or more"));
  const bool finite =
      std::ranges::all_of(o.bias, [](const TokenBias& entry) { return std::isfinite(entry.bias); });
  return require(finite && o.bias.size() <= kMostBiases, "logit bias", "of at most 4096 tokens");
}

Sampler::Sampler(const SamplingOptions& options, const kernels::Kernels& kernels)
    : options_(options), kernels_(kernels) {}

void Sampler::Bias() {
  for (const TokenBias& entry : options_.bias) {
    const auto index = static_cast<std::size_t>(entry.token);
    if (index >= penalised_.size()) continue;
    penalised_[index] = std::clamp(penalised_[index] + entry.bias, -kBan, kBan);
  }
}

void Sampler::Penalise(std::span<const std::int32_t> history) {
  constexpr float kMost = std::numeric_limits<float>::max();
  const auto window = std::min(history.size(), static_cast<std::size_t>(options_.repeat_window));
  std::unordered_map<std::int32_t, int> counts;
  for (const std::int32_t token : history.last(window)) ++counts[token];
  for (const auto& [token, count] : counts) {
    const auto index = static_cast<std::size_t>(token);
    if (index >= penalised_.size()) continue;
    float& logit = penalised_[index];
    logit = logit > 0 ? logit / options_.repeat_penalty : logit * options_.repeat_penalty;
    logit -= options_.presence_penalty + static_cast<float>(count) * options_.frequency_penalty;
    logit = std::clamp(logit, -kMost, kMost);  // a tiny repeat penalty overflows
  }
}

std::int32_t Sampler::Sample(std::span<const float> logits, std::span<const std::int32_t> history) {
  const bool penalties = options_.repeat_penalty != 1 || options_.presence_penalty != 0 ||
                         options_.frequency_penalty != 0;
  if (penalties || !options_.bias.empty()) {
    penalised_.assign(logits.begin(), logits.end());
    Bias();
    if (penalties) Penalise(history);
    logits = penalised_;
  }
  if (options_.temperature == 0) {
    return kernels_.argmax(logits.data(), static_cast<int>(logits.size()));
  }
  return Draw(logits, history.size());
}

void Sampler::TakeCandidates(std::span<const float> logits, std::size_t count) {
  const std::size_t n = logits.size();
  const std::size_t blocks = DivideUp(n, kBlock);
  if (count > blocks) {
    logits_.assign(logits.begin(), logits.end());
    ids_.resize(n);
    std::iota(ids_.begin(), ids_.end(), 0);
    return;
  }
  const auto block = [&](std::size_t b) {
    return logits.subspan(b * kBlock, std::min(kBlock, n - b * kBlock));
  };
  maxima_.clear();
  for (std::size_t b = 0; b < blocks; ++b) maxima_.push_back(MaxOf(block(b)));
  // `count` maxima are not below this, so as many logits are not.
  std::vector<float> sorted = maxima_;
  const auto place = sorted.begin() + static_cast<std::ptrdiff_t>(count - 1);
  std::ranges::nth_element(sorted, place, std::greater<>());
  const float least = *place;
  logits_.clear();
  ids_.clear();
  for (std::size_t b = 0; b < blocks; ++b) {
    if (maxima_[b] < least) continue;
    std::size_t id = b * kBlock;
    for (const float logit : block(b)) {
      if (logit >= least) {
        logits_.push_back(logit);
        ids_.push_back(static_cast<std::int32_t>(id));
      }
      ++id;
    }
  }
}

void Sampler::Rank(std::size_t count) {
  if (count <= ranked_) return;
  const std::size_t to = std::min(order_.size(), std::max({count, 8 * ranked_, kFirstRanks}));
  const auto first = order_.begin() + static_cast<std::ptrdiff_t>(ranked_);
  const auto last = order_.begin() + static_cast<std::ptrdiff_t>(to);
  const ByLogit by_logit{logits_};
  if (to - ranked_ <= 2 * kFirstRanks) {  // a small heap beats two passes of partitioning
    std::partial_sort(first, last, order_.end(), by_logit);
  } else {
    std::nth_element(first, last, order_.end(), by_logit);
    std::sort(first, last, by_logit);
  }
  ranked_ = to;
}

void Sampler::Keep(std::size_t count) {
  Rank(count);
  std::vector<float> logits(count);
  std::vector<std::int32_t> ids(count);
  for (std::size_t r = 0; r < count; ++r) {
    const auto candidate = static_cast<std::size_t>(order_[r]);
    logits[r] = logits_[candidate];
    ids[r] = ids_[candidate];
  }
  logits_ = std::move(logits);
  ids_ = std::move(ids);
  order_.resize(count);
  std::iota(order_.begin(), order_.end(), 0);
  ranked_ = count;
}

void Sampler::Weigh(float temperature) {
  Rank(1);
  const float most = logits_[static_cast<std::size_t>(order_[0])];
  const int n = static_cast<int>(logits_.size());
  weights_.resize(logits_.size());
  if (temperature == 1) {
    kernels_.exp_shifted(logits_.data(), most, n, weights_.data());
    return;
  }
  for (std::size_t i = 0; i < logits_.size(); ++i) {
    weights_[i] = (logits_[i] - most) / temperature;
  }
  kernels_.exp_shifted(weights_.data(), 0, n, weights_.data());
}

std::size_t Sampler::Survivors() {
  const std::size_t n = order_.size();
  const bool cuts_mass = options_.top_p < 1;
  if (!cuts_mass && options_.min_p == 0) return n;
  const double enough = options_.top_p * std::accumulate(weights_.begin(), weights_.end(), 0.0);
  double sum = 0;
  for (std::size_t r = 0; r < n; ++r) {
    const float weight = WeightOf(r);
    if (r > 0 && weight < options_.min_p) return r;
    sum += weight;
    if (cuts_mass && sum >= enough) return r + 1;
  }
  return n;
}

std::int32_t Sampler::Draw(std::span<const float> logits, std::uint64_t position) {
  const auto top_k = static_cast<std::size_t>(options_.top_k);
  const std::size_t most = top_k > 0 ? std::min(top_k, logits.size()) : logits.size();
  TakeCandidates(logits, most);
  order_.resize(logits_.size());
  std::iota(order_.begin(), order_.end(), 0);
  ranked_ = 0;
  if (most < logits.size()) Keep(most);
  Weigh(1);
  const std::size_t survivors = Survivors();
  const bool cut = survivors < order_.size();
  if (cut) Keep(survivors);
  if (cut || options_.temperature != 1) Weigh(options_.temperature);
  const double total = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  const double target = CounterRandom(options_.seed).Uniform(position, options_.choice) * total;
  double sum = 0;
  for (std::size_t r = 0; r < order_.size(); ++r) {
    sum += WeightOf(r);
    if (target < sum) return ids_[static_cast<std::size_t>(order_[r])];
  }
  // The total, summed in another order, may be a rounding above the last sum.
  return ids_[static_cast<std::size_t>(order_[0])];
}

}  // namespace cairn::engine
