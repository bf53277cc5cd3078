// SPDX-License-Identifier: Apache-2.0
// The search for codes and scales of a few values: what all quantised formats are made with.
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <span>

namespace cairn::tensor {

inline constexpr int kMostFitted = 32;  // values of a sub-block

// Values and their weights, at most kMostFitted of each.
struct Weighted {
  const float* x;
  const float* w;
  int n;
};

// Whole numbers that a code may stand for, [lo, hi].
struct CodeRange {
  int lo, hi;
};

// The nearest code to v; v below 2^22.
inline float NearestCode(float v, CodeRange range) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves no fraction
  const float clamped = v < static_cast<float>(range.lo)   ? static_cast<float>(range.lo)
                        : v > static_cast<float>(range.hi) ? static_cast<float>(range.hi)
                                                           : v;
  return (clamped + kRound) - kRound;
}

// Sum of w (x - (scale q + offset))^2 with the nearest codes, which are written to `codes` where
// that is not null.
float CodeError(const Weighted& values, CodeRange range, float scale, float offset, float* codes);

// The scale with the least error of x = scale q.
float FitScale(const Weighted& values, CodeRange range);

// The same for codes that are looked up: x = scale * table[code], `table` ascending, 16 of them.
float FitTable(const Weighted& values, std::span<const std::int8_t, 16> table);
float TableError(const Weighted& values, std::span<const std::int8_t, 16> table, float scale,
                 std::uint8_t* codes);

// Scale and offset with the least error of x = scale q + offset, codes [0, hi], scale at least 0;
// with `below` the offset is at most 0.
struct Affine {
  float scale, offset;
};
Affine FitAffine(const Weighted& values, int hi, bool below);

}  // namespace cairn::tensor
