// SPDX-License-Identifier: Apache-2.0
// Everything here relies on -ffp-contract=off and on expressions staying as written.
#include "kernels/angle.h"

#include "base/check.h"

namespace cairn::kernels {
namespace {

// --- numbers as sums of two doubles ---------------------------------------------------------
// high is the sum rounded to a double; about 2^-100 of relative error per operation.
struct Pair {
  double high;
  double low;
};

// a + b exactly (Knuth).
Pair TwoSum(double a, double b) {
  const double sum = a + b;
  const double of_b = sum - a;
  return {sum, (a - (sum - of_b)) + (b - of_b)};
}

// a * b exactly (Dekker and Veltkamp: each factor in two halves of 26 bits).
Pair TwoProduct(double a, double b) {
  const double a_shifted = 134217729.0 * a;  // 2^27 + 1
  const double b_shifted = 134217729.0 * b;
  const double a_high = a_shifted - (a_shifted - a), a_low = a - a_high;
  const double b_high = b_shifted - (b_shifted - b), b_low = b - b_high;
  const double product = a * b;
  const double rest =
      ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
  return {product, rest};
}

Pair AddPairs(Pair a, Pair b) {
  const Pair sum = TwoSum(a.high, b.high);
  const Pair low = TwoSum(a.low, b.low);
  const Pair first = TwoSum(sum.high, sum.low + low.high);
  return TwoSum(first.high, first.low + low.low);
}

Pair TimesPairs(Pair a, Pair b) {
  const Pair product = TwoProduct(a.high, b.high);
  return TwoSum(product.high, product.low + (a.high * b.low + a.low * b.high));
}

Pair DividePairs(Pair a, Pair b) {
  const double first = a.high / b.high;
  const Pair taken = TimesPairs({first, 0}, b);
  const Pair rest = AddPairs(a, {-taken.high, -taken.low});
  const double second = rest.high / b.high;
  const Pair again = TimesPairs({second, 0}, b);
  const Pair last = AddPairs(rest, {-again.high, -again.low});
  return AddPairs(TwoSum(first, second), {last.high / b.high, 0});
}

constexpr Pair kLn2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};
constexpr Pair kHalfPi = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54};
constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;

// Adding and taking away 1.5 * 2^52 leaves the nearest whole number, ties to even.
double Nearest(double x) {
  constexpr double kMagic = 6755399441055744.0;
  return (x + kMagic) - kMagic;
}

// ln x = k ln 2 + 2 artanh((m - 1) / (m + 1)), x = m 2^k, m in [0.7, 1.42).
Pair Log(double x) {
  double k = 0;
  while (x >= 1.42) {
    x = x * 0.5;
    k = k + 1;
  }
  const Pair s = DividePairs(TwoSum(x, -1), TwoSum(x, 1));
  const Pair square = TimesPairs(s, s);  // at most 0.0301
  Pair series = {0, 0};
  for (int n = 49; n >= 1; n -= 2) {  // 0.0301^25 / 51 is below 2^-131
    series = AddPairs(TimesPairs(series, square), DividePairs({1, 0}, {double(n), 0}));
  }
  const Pair of_m = TimesPairs(TimesPairs(s, series), {2, 0});
  return AddPairs(TimesPairs(kLn2, {k, 0}), of_m);
}

// e^x = 2^n e^r, |r| <= ln 2 / 2, by its series; for -700 < x <= 0.
Pair Exp(Pair x) {
  const double n = Nearest(x.high / kLn2.high);
  const Pair taken = TimesPairs(kLn2, {n, 0});
  const Pair r = AddPairs(x, {-taken.high, -taken.low});
  Pair series = {1, 0};
  for (int k = 27; k >= 1; --k) {  // 0.3466^28 / 28! is below 2^-140
    series = AddPairs({1, 0}, DividePairs(TimesPairs(series, r), {double(k), 0}));
  }
  for (double i = n; i < 0; i = i + 1) series = {series.high * 0.5, series.low * 0.5};
  return series;
}

// --- sine and cosine on |r| <= pi / 4 -------------------------------------------------------
// The series to r^17 and r^16: their next terms are below 2^-62. With the rounding of double that
// leaves an error of about 2^-53.
double Sine(double r) {
  const double s = r * r;
  double p = 0x1.952c77030ad4ap-49;  // 1 / 17!
  p = p * s - 0x1.ae7f3e733b81fp-41;
  p = p * s + 0x1.6124613a86d09p-33;
  p = p * s - 0x1.ae64567f544e4p-26;
  p = p * s + 0x1.71de3a556c734p-19;
  p = p * s - 0x1.a01a01a01a01ap-13;
  p = p * s + 0x1.1111111111111p-7;
  p = p * s - 0x1.5555555555555p-3;
  return r + (r * s) * p;
}

double Cosine(double r) {
  const double s = r * r;
  double p = 0x1.ae7f3e733b81fp-45;  // 1 / 16!
  p = p * s - 0x1.93974a8c07c9dp-37;
  p = p * s + 0x1.1eed8eff8d898p-29;
  p = p * s - 0x1.27e4fb7789f5cp-22;
  p = p * s + 0x1.a01a01a01a01ap-16;
  p = p * s - 0x1.6c16c16c16c17p-10;
  p = p * s + 0x1.5555555555555p-5;
  p = p * s - 0.5;
  return 1.0 + s * p;
}

// Of an angle in [0, 2^40] given as a sum.
RotaryAngles::CosSin CosSinOf(Pair angle) {
  const double turns = Nearest(angle.high * kTwoOverPi);  // quarter turns
  const Pair taken = TwoProduct(turns, kHalfPi.high);
  // angle.high and taken.high are within a factor of 2 of each other, or taken is 0: exact.
  const double near = angle.high - taken.high;
  const double r = near + ((angle.low - taken.low) - turns * kHalfPi.low);
  const double sine = Sine(r), cosine = Cosine(r);
  switch (static_cast<std::int64_t>(turns) & 3) {
    case 0: return {cosine, sine};
    case 1: return {-sine, cosine};
    case 2: return {-cosine, -sine};
    default: return {sine, -cosine};
  }
}

}  // namespace

double NaturalLogarithm(double x) {
  CAIRN_CHECK(x >= 0x1p-40 && x <= 0x1p80);
  if (x < 1) return -Log(1 / x).high;
  return Log(x).high;
}

RotaryAngles::RotaryAngles(double base, int n_rot, double position_scale,
                           std::span<const double> factors, double magnitude)
    : position_scale_(position_scale), magnitude_(magnitude) {
  CAIRN_CHECK(base >= 2 && base <= 0x1p40);
  CAIRN_CHECK(n_rot >= 2 && n_rot <= 65536 && n_rot % 2 == 0);
  CAIRN_CHECK(position_scale > 0);
  CAIRN_CHECK(magnitude > 0 && magnitude <= 0x1p20);
  CAIRN_CHECK(factors.empty() || static_cast<int>(factors.size()) == n_rot / 2);
  const Pair log_base = Log(base);
  for (int i = 0; i < n_rot / 2; ++i) {
    const Pair power = DividePairs({-2.0 * i, 0}, {double(n_rot), 0});
    Pair frequency = Exp(TimesPairs(power, log_base));
    if (!factors.empty()) {
      const double factor = factors[static_cast<std::size_t>(i)];
      CAIRN_CHECK(factor > 0 && factor <= 0x1p20);
      frequency = TimesPairs(frequency, {factor, 0});
    }
    frequencies_.push_back({frequency.high, frequency.low});
  }
}

RotaryAngles::CosSin RotaryAngles::Exact(std::int64_t position, int pair) const {
  const double p = static_cast<double>(position) * position_scale_;
  const Frequency f = frequencies_[static_cast<std::size_t>(pair)];
  const Pair product = TwoProduct(p, f.high);
  return CosSinOf({product.high, product.low + p * f.low});
}

void RotaryAngles::Fill(std::int64_t position, float* cos, float* sin) const {
  for (int i = 0; i < pairs(); ++i) {
    const CosSin exact = Exact(position, i);
    cos[i] = static_cast<float>(exact.cos * magnitude_);
    sin[i] = static_cast<float>(exact.sin * magnitude_);
  }
}

}  // namespace cairn::kernels
