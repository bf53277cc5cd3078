// SPDX-License-Identifier: Apache-2.0
// Sums, differences, products and quotients in the written order; compiled with
// -ffp-contract=off for the baseline instruction set, so no two of them are ever fused.
#include "kernels/angle.h"

#include <bit>

namespace cairn::kernels {
namespace {

constexpr double kLn2 = 0x1.62e42fefa39efp-1;

// ln 2 and pi / 2 in pieces of 33 bits, so that n times a piece is exact for n < 2^20.
constexpr double kLn2High = 0x1.62e42fee00000p-1;
constexpr double kLn2Low = 0x1.a39ef35793c76p-33;
constexpr double kHalfPi1 = 0x1.921fb54400000p+0;
constexpr double kHalfPi2 = 0x1.0b4611a600000p-34;
constexpr double kHalfPi3 = 0x1.3198a2e037073p-69;
constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;

double PowerOfTwo(int n) {  // -1022 <= n <= 1023
  return std::bit_cast<double>(static_cast<std::uint64_t>(n + 1023) << 52);
}

}  // namespace

// x = m * 2^e with m in [sqrt(1/2), sqrt(2)); log m = 2 atanh((m - 1) / (m + 1)).
double LogOf(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  int e = static_cast<int>(bits >> 52 & 0x7ff) - 1023;
  double m = std::bit_cast<double>((bits & 0xfffffffffffffu) | 0x3ff0000000000000u);
  if (m > 1.4142135623730951) {
    m = m / 2;
    e = e + 1;
  }
  const double s = (m - 1) / (m + 1);
  const double z = s * s;
  double sum = 0;
  for (int k = 23; k >= 1; k -= 2) sum = sum * z + 1.0 / k;
  return e * kLn2 + 2 * (s * sum);
}

double ExpOf(double x) {
  const double scaled = x / kLn2;
  const int n = static_cast<int>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
  const double r = (x - n * kLn2High) - n * kLn2Low;
  double sum = 1;
  for (int k = 18; k >= 1; --k) sum = 1 + r * sum / k;
  return sum * PowerOfTwo(n);
}

SineCosine SineCosineOf(double x) {
  const auto n = static_cast<std::int64_t>(x * kTwoOverPi + 0.5);
  const auto quarter = static_cast<double>(n);
  const double r = ((x - quarter * kHalfPi1) - quarter * kHalfPi2) - quarter * kHalfPi3;
  const double z = r * r;
  // Taylor's series; |r| <= pi / 4, so the first term left out is below 2^-54.
  double sine = 1;
  for (int k = 18; k >= 2; k -= 2) sine = 1 - z * sine / (k * (k + 1));
  sine = r * sine;
  double cosine = 1;
  for (int k = 17; k >= 1; k -= 2) cosine = 1 - z * cosine / (k * (k + 1));
  switch (n & 3) {
    case 0: return {sine, cosine};
    case 1: return {cosine, -sine};
    case 2: return {-sine, -cosine};
    default: return {-cosine, sine};
  }
}

RotaryAngles::RotaryAngles(double base, int n_rot, double position_scale)
    : position_scale_(position_scale) {
  const double log_base = LogOf(base);
  for (int i = 0; i < n_rot / 2; ++i) {
    frequencies_.push_back(ExpOf(-(2.0 * i / n_rot) * log_base));
  }
}

void RotaryAngles::Fill(std::int64_t position, float* cos, float* sin) const {
  const double scaled = static_cast<double>(position) * position_scale_;
  for (std::size_t i = 0; i < frequencies_.size(); ++i) {
    const SineCosine angle = SineCosineOf(scaled * frequencies_[i]);
    cos[i] = static_cast<float>(angle.cosine);
    sin[i] = static_cast<float>(angle.sine);
  }
}

}  // namespace cairn::kernels
