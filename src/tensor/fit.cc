// SPDX-License-Identifier: Apache-2.0
#include "tensor/fit.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

namespace cairn::tensor {
namespace {

// Tries around the scale that reaches the outermost value: in tenths of a step of the codes.
constexpr int kTries = 10;
constexpr float kTry = 0.1f;
constexpr int kRefinements = 4;
constexpr int kLanes = 4;  // sums run side by side, so that the compiler may keep them in a vector

float Joined(const float (&lanes)[kLanes]) { return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]); }

// The value that is furthest from zero, with its sign.
float Furthest(const Weighted& v) {
  float furthest = 0;
  for (int i = 0; i < v.n; ++i) {
    if (std::fabs(v.x[i]) > std::fabs(furthest)) furthest = v.x[i];
  }
  return furthest;
}

// Of x = scale q, with the codes that `inverse` gives: sums of w x q and w q q.
struct Moments {
  float xq, qq;
};
Moments MomentsOf(const Weighted& v, CodeRange range, float inverse) {
  float xq[kLanes] = {}, qq[kLanes] = {};
  for (int i = 0; i < v.n; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float q = NearestCode(v.x[i + l] * inverse, range);
      const float wq = v.w[i + l] * q;
      xq[l] += wq * v.x[i + l];
      qq[l] += wq * q;
    }
  }
  return {Joined(xq), Joined(qq)};
}

// Repeats codes and least squares until nothing is gained. `error` belongs to `scale`.
float Refined(const Weighted& v, CodeRange range, float scale, float error) {
  for (int i = 0; i < kRefinements && scale != 0; ++i) {
    const Moments m = MomentsOf(v, range, 1 / scale);
    if (m.qq <= 0) break;
    const float next = m.xq / m.qq;
    const float next_error = CodeError(v, range, next, 0, nullptr);
    if (!(next_error < error)) break;
    scale = next;
    error = next_error;
  }
  return scale;
}

}  // namespace

float CodeError(const Weighted& v, CodeRange range, float scale, float offset, float* codes) {
  const float inverse = scale != 0 ? 1 / scale : 0;
  const bool usable = std::isfinite(inverse);
  float sum[kLanes] = {};
  for (int i = 0; i < v.n; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float x = v.x[i + l] - offset;
      const float q = usable ? NearestCode(x * inverse, range) : NearestCode(0, range);
      const float rest = x - scale * q;
      sum[l] += v.w[i + l] * rest * rest;
      if (codes != nullptr) codes[i + l] = q;
    }
  }
  return Joined(sum);
}

float FitScale(const Weighted& v, CodeRange range) {
  const float furthest = Furthest(v);
  if (furthest == 0) return 0;
  float best = 0, best_gain = -1;
  // The outermost value may become the lowest code or the highest.
  for (const int end : {range.lo, range.hi}) {
    for (int t = -kTries; t <= kTries; ++t) {
      const float reach = static_cast<float>(end) + kTry * static_cast<float>(t);
      if (std::fabs(reach) < 0.5f) continue;
      const float inverse = reach / furthest;
      if (!std::isfinite(inverse)) continue;
      const Moments m = MomentsOf(v, range, inverse);
      if (m.qq <= 0) continue;
      const float gain = m.xq * m.xq / m.qq;  // what the least squares take from the error
      if (gain <= best_gain) continue;
      best_gain = gain;
      best = m.xq / m.qq;
    }
  }
  const float plain = furthest / static_cast<float>(range.lo);
  const float error = CodeError(v, range, best, 0, nullptr);
  const float plain_error = CodeError(v, range, plain, 0, nullptr);
  return plain_error < error ? Refined(v, range, plain, plain_error)
                             : Refined(v, range, best, error);
}

// --- codes that are looked up ---------------------------------------------------------------

namespace {

std::uint8_t NearestEntry(std::span<const std::int8_t, 16> table, float v) {
  const auto after = std::ranges::lower_bound(table, v, {}, [](std::int8_t t) { return float(t); });
  if (after == table.begin()) return 0;
  const auto at = static_cast<std::uint8_t>(after - table.begin());
  if (after == table.end()) return 15;
  return v - static_cast<float>(table[at - 1u]) <= static_cast<float>(table[at]) - v
             ? static_cast<std::uint8_t>(at - 1)
             : at;
}

// The least-squares scale of the codes that `inverse` gives; 0 where there is none.
float TableScale(const Weighted& v, std::span<const std::int8_t, 16> table, float inverse) {
  float xq = 0, qq = 0;
  for (int i = 0; i < v.n; ++i) {
    const auto q = static_cast<float>(table[NearestEntry(table, v.x[i] * inverse)]);
    xq += v.w[i] * q * v.x[i];
    qq += v.w[i] * q * q;
  }
  return qq > 0 ? xq / qq : 0;
}

}  // namespace

float TableError(const Weighted& v, std::span<const std::int8_t, 16> table, float scale,
                 std::uint8_t* codes) {
  const float inverse = scale != 0 ? 1 / scale : 0;
  float sum = 0;
  for (int i = 0; i < v.n; ++i) {
    const std::uint8_t code = NearestEntry(table, std::isfinite(inverse) ? v.x[i] * inverse : 0.0f);
    const float rest = v.x[i] - scale * static_cast<float>(table[code]);
    sum += v.w[i] * rest * rest;
    if (codes != nullptr) codes[i] = code;
  }
  return sum;
}

float FitTable(const Weighted& v, std::span<const std::int8_t, 16> table) {
  const float furthest = Furthest(v);
  if (furthest == 0) return 0;
  float best = furthest / static_cast<float>(table[0]);
  float error = TableError(v, table, best, nullptr);
  const auto keep = [&](float scale) {
    if (scale == 0) return;
    const float its = TableError(v, table, scale, nullptr);
    if (its >= error) return;
    error = its;
    best = scale;
  };
  for (const std::size_t end : {std::size_t{0}, std::size_t{15}}) {
    for (int t = -kTries; t <= kTries; ++t) {
      const float reach = static_cast<float>(table[end]) * (1 + 0.015f * static_cast<float>(t));
      const float inverse = reach / furthest;
      if (std::isfinite(inverse)) keep(TableScale(v, table, inverse));
    }
  }
  for (int i = 0; i < kRefinements; ++i) keep(TableScale(v, table, 1 / best));
  return best;
}

// --- scale and offset -----------------------------------------------------------------------

namespace {

// Least squares of x = scale q + offset for the codes that a scale and an offset give. The first
// values are taken from `low`, so that sums stay short.
Affine LeastSquares(const Weighted& v, int hi, bool below, float inverse, float offset) {
  const CodeRange range{0, hi};
  float w[kLanes] = {}, q1[kLanes] = {}, q2[kLanes] = {}, x1[kLanes] = {}, xq[kLanes] = {};
  for (int i = 0; i < v.n; i += kLanes) {
    for (int l = 0; l < kLanes; ++l) {
      const float x = v.x[i + l] - offset;
      const float q = NearestCode(x * inverse, range);
      const float wq = v.w[i + l] * q;
      w[l] += v.w[i + l];
      q1[l] += wq;
      q2[l] += wq * q;
      x1[l] += v.w[i + l] * x;
      xq[l] += wq * x;
    }
  }
  const double sw = Joined(w), sq = Joined(q1), sqq = Joined(q2), sx = Joined(x1), sxq = Joined(xq);
  const double determinant = sw * sqq - sq * sq;
  if (determinant > 1e-12 * sw * sqq) {
    const double scale = (sw * sxq - sx * sq) / determinant;
    const double own = (sqq * sx - sq * sxq) / determinant + offset;
    if (scale > 0 && (!below || own <= 0)) {
      return {static_cast<float>(scale), static_cast<float>(own)};
    }
  }
  if (!below || sqq <= 0) return {0, offset};
  // The offset would be above 0: without one, x = scale q.
  const double scale = (sxq + offset * sq) / sqq;
  return {static_cast<float>(std::max(scale, 0.0)), 0};
}

}  // namespace

Affine FitAffine(const Weighted& v, int hi, bool below) {
  float low = v.x[0], high = v.x[0];
  for (int i = 1; i < v.n; ++i) {
    low = std::min(low, v.x[i]);
    high = std::max(high, v.x[i]);
  }
  if (below) low = std::min(low, 0.0f);
  const CodeRange range{0, hi};
  Affine best{(high - low) / static_cast<float>(hi), low};
  if (!(best.scale > 0) || !std::isfinite(1 / best.scale)) return {0, low};
  float error = CodeError(v, range, best.scale, best.offset, nullptr);
  const auto keep = [&](Affine affine) {
    const float its = CodeError(v, range, affine.scale, affine.offset, nullptr);
    if (!(its < error)) return false;
    error = its;
    best = affine;
    return true;
  };
  for (int t = -kTries; t <= kTries; ++t) {
    const float reach = static_cast<float>(hi) + kTry * static_cast<float>(t);
    if (reach < 0.5f) continue;
    keep(LeastSquares(v, hi, below, reach / (high - low), low));
  }
  for (int i = 0; i < kRefinements && best.scale > 0; ++i) {
    if (!keep(LeastSquares(v, hi, below, 1 / best.scale, best.offset))) break;
  }
  return best;
}

}  // namespace cairn::tensor
