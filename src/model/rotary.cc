// SPDX-License-Identifier: Apache-2.0
#include "model/rotary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/printable.h"
#include "kernels/angle.h"
#include "tensor/dequantise.h"

namespace cairn::model {
namespace {

constexpr double kMostFactor = 0x1p20;  // as kernels/angle.h
// Of divisors: files say 1e30 for pairs that do not rotate (Gemma 4).
constexpr double kMostDivisor = 1e31;

// The divisors of the frequencies in a tensor, as factors.
Result<std::vector<double>> ReadFactors(const Gguf& gguf, std::string_view name, int pairs) {
  const GgufTensor* tensor = gguf.FindTensor(name);
  if (tensor == nullptr || tensor->rows() != 1 || tensor->cols() != pairs) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("tensor '{}' must have a factor for each of {} pairs", name, pairs));
  }
  std::vector<float> divisors(static_cast<std::size_t>(pairs));
  OR_RETURN(tensor::Dequantise(tensor->format, tensor->bytes, divisors));
  std::vector<double> factors;
  for (const double divisor : divisors) {
    if (!(divisor >= 1 / kMostFactor && divisor <= kMostDivisor)) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("tensor '{}' has a factor of {}", name, divisor));
    }
    factors.push_back(1 / divisor);
  }
  return factors;
}

// Positions that the model was trained with before its context was extended.
Result<int> TrainedContext(const HyperParameters& h) {
  const int context = OR_RETURN(h.Int("context_length", 1, kMostContext));
  return h.IntOr("rope.scaling.original_context_length", context, 1, kMostContext);
}

Result<void> ReadYarn(const HyperParameters& h, bool whole, program::RotateAttributes& rope) {
  const double factor = OR_RETURN(h.Number("rope.scaling.factor", 1, kMostFactor));
  const double trained = OR_RETURN(TrainedContext(h));
  const double fast = OR_RETURN(h.NumberOr("rope.scaling.yarn_beta_fast", 32, 1e-3, 1e6));
  const double slow = OR_RETURN(h.NumberOr("rope.scaling.yarn_beta_slow", 1, 1e-3, 1e6));
  const double attention = OR_RETURN(h.NumberOr("rope.scaling.attn_factor", 1, 1e-3, 1e3));
  constexpr double kTwoPi = 6.283185307179586;
  const auto corrected = [&](double beta) {
    const double turns = kernels::NaturalLogarithm(std::max(trained / (beta * kTwoPi), 0x1p-40));
    return rope.n_rot * turns / (2 * kernels::NaturalLogarithm(rope.base));
  };
  double low = corrected(fast), high = corrected(slow);
  if (whole) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0);
  high = std::min(high, rope.n_rot - 1.0);
  for (int i = 0; i < rope.n_rot / 2; ++i) {
    const double ramp = std::clamp((i - low) / std::max(0.001, high - low), 0.0, 1.0);
    rope.factors.push_back((1 / factor) * ramp + (1 - ramp));
  }
  rope.magnitude = attention * (1 + 0.1 * kernels::NaturalLogarithm(factor));
  return {};
}

Result<void> ReadLongRope(const Gguf& gguf, const HyperParameters& h,
                          program::RotateAttributes& rope) {
  const int context = OR_RETURN(h.Int("context_length", 1, kMostContext));
  const bool extended = context > OR_RETURN(TrainedContext(h));
  rope.factors = OR_RETURN(ReadFactors(
      gguf, extended ? "rope_factors_long.weight" : "rope_factors_short.weight", rope.n_rot / 2));
  rope.magnitude = OR_RETURN(h.NumberOr("rope.scaling.attn_factor", 1, 1e-3, 1e3));
  return {};
}

}  // namespace

Result<program::RotateAttributes> ReadRotary(const Gguf& gguf, const HyperParameters& h,
                                             int head_dim, const RotaryDefaults& defaults) {
  program::RotateAttributes rope{
      .pairs = defaults.pairs,
      .head_dim = head_dim,
      .n_rot = OR_RETURN(h.IntOr("rope.dimension_count", head_dim, 2, head_dim)),
      .base = OR_RETURN(RotaryBase(h, "rope.freq_base", defaults.base)),
      .position_scale = 1,
      .factors = {},
      .magnitude = 1};
  if (rope.n_rot % 2 != 0) {
    return Fail(ErrorCode::kCorrupt, fmt::format("the rotary dimension {} is odd", rope.n_rot));
  }
  std::string_view type = "none";
  if (h.Has("rope.scaling.type")) type = OR_RETURN(gguf.GetString(h.Name("rope.scaling.type")));
  if (type == "linear") {
    rope.position_scale = OR_RETURN(PositionScale(gguf, h));
  } else if (type == "yarn") {
    OR_RETURN(ReadYarn(h, defaults.whole_corrections, rope));
  } else if (gguf.FindTensor("rope_factors_long.weight") != nullptr || type == "longrope") {
    OR_RETURN(ReadLongRope(gguf, h, rope));
  } else if (type != "none") {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("position scaling '{}' is not supported, only none, linear, yarn and "
                            "longrope",
                            Printable(type)));
  }
  if (gguf.FindTensor("rope_freqs.weight") == nullptr) return rope;
  const std::vector<double> listed =
      OR_RETURN(ReadFactors(gguf, "rope_freqs.weight", rope.n_rot / 2));
  if (rope.factors.empty()) {
    rope.factors = listed;
  } else {
    return Fail(ErrorCode::kUnsupported, "two kinds of position scaling at once");
  }
  return rope;
}

}  // namespace cairn::model
