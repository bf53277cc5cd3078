// SPDX-License-Identifier: Apache-2.0
// Cosines and sines of the rotary embedding (docs/canonical.md, section 5).
//
// The angle of pair i at position p is p * position_scale * base^(-2i / n_rot) * factor_i. A
// frequency that
// is rounded to binary64 would be wrong by 2^-31 rad at position 2^22, so frequencies are held as
// sums of two doubles. Only + - * / and comparisons are used, each rounded as IEEE says and in the
// written order: the tables are the same on every machine, which no library's cos promises.
// Cost: the constructor a few microseconds per pair, Fill about 20 ns per pair.
// Threads: immutable after construction; Fill and Exact may run on many threads at once. The
// thread's rounding must be to nearest (kernels::FloatEnvironment).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace cairn::kernels {

class RotaryAngles {
 public:
  // base in [2, 2^40], n_rot even and in [2, 2^16], position_scale > 0: positions are
  // multiplied by it (linear scaling by 8 is 0.125). `factors`: of the n_rot / 2 frequencies, in
  // (0, 2^20], or empty for ones. `magnitude`, in (0, 2^20]: of every cosine and sine. The caller
  // checks what comes from a file; a breach aborts.
  RotaryAngles(double base, int n_rot, double position_scale, std::span<const double> factors = {},
               double magnitude = 1);

  // cos[i], sin[i] for the n_rot / 2 pairs at `position`, in [0, 2^40].
  void Fill(std::int64_t position, float* cos, float* sin) const;

  struct CosSin {
    double cos;
    double sin;
  };
  // What Fill multiplies by the magnitude and rounds: within 2^-45 of the real values for positions
  // up to 2^22.
  CosSin Exact(std::int64_t position, int pair) const;

  int pairs() const { return static_cast<int>(frequencies_.size()); }

 private:
  struct Frequency {  // high + low
    double high;
    double low;
  };
  double position_scale_;
  double magnitude_;
  std::vector<Frequency> frequencies_;
};

// ln x for x in [2^-40, 2^80], within 2^-50 (relative) of the real value, by the same arithmetic.
double NaturalLogarithm(double x);

}  // namespace cairn::kernels
