// SPDX-License-Identifier: Apache-2.0
// Cosines and sines of rotary embeddings (canonical.md, section 5), in binary64 and without a
// library call, so that they are the same on every machine and with every C library.
// Threads: RotaryAngles is immutable after construction.
#pragma once

#include <cstdint>
#include <vector>

namespace cairn::kernels {

class RotaryAngles {
 public:
  // base > 0, n_rot even. Positions are multiplied by position_scale.
  RotaryAngles(double base, int n_rot, double position_scale);

  // cos[i] and sin[i] of position * position_scale * base^(-2i / n_rot), i < n_rot / 2, rounded
  // once to f32. Requires 0 <= position < 2^30. Cost: about 20 ns per pair.
  void Fill(std::int64_t position, float* cos, float* sin) const;

  int pairs() const { return static_cast<int>(frequencies_.size()); }

 private:
  std::vector<double> frequencies_;
  double position_scale_;
};

// For tests. log(x) for x > 0; exp(x) for |x| < 700; sine and cosine of 0 <= x < 2^30. Absolute
// error of the latter below 2^-48 (angle_test.cc).
double LogOf(double x);
double ExpOf(double x);
struct SineCosine {
  double sine, cosine;
};
SineCosine SineCosineOf(double x);

}  // namespace cairn::kernels
