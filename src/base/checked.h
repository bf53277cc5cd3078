// SPDX-License-Identifier: Apache-2.0
// Arithmetic on sizes that come from outside. Every product and sum is checked before use.
// Threads: free functions without state.
#pragma once

#include <concepts>
#include <optional>

namespace cairn {

// a + b, or nothing where it does not fit.
template <std::integral T>
[[nodiscard]] constexpr std::optional<T> CheckedAdd(T a, T b) {
  T sum;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

// a * b, or nothing where it does not fit.
template <std::integral T>
[[nodiscard]] constexpr std::optional<T> CheckedMul(T a, T b) {
  T product;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// `value` rounded up to a multiple of `step` (> 0), or nothing where it does not fit.
template <std::unsigned_integral T>
[[nodiscard]] constexpr std::optional<T> CheckedRoundUp(T value, T step) {
  const T rest = value % step;
  if (rest == 0) return value;
  return CheckedAdd<T>(value, step - rest);
}

// For sizes that are known to be small. `step` > 0.
template <std::integral T>
[[nodiscard]] constexpr T RoundUp(T value, T step) {
  return (value + step - 1) / step * step;
}

template <std::integral T>
[[nodiscard]] constexpr T DivideUp(T value, T step) {
  return (value + step - 1) / step;
}

}  // namespace cairn
