// SPDX-License-Identifier: Apache-2.0
// The row operations in scalars, written from docs/canonical.md (sections 4, 5, 7, 8) and from
// nothing else. For tests only.
// Threads: pure functions.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "kernels/kernels.h"

namespace cairn::kernels::ref {

// Joins 16 running sums.
inline float Tree(float (&lanes)[16]) {
  for (int half : {8, 4, 2, 1}) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

inline float Exp(float x) {
  if (std::isnan(x)) return x;
  if (x < -87.0f) return 0.0f;
  if (x > 88.0f) x = 88.0f;
  const float n = std::nearbyint(x * 0x1.715476p+0f);
  float r = std::fma(n, -0x1.63p-1f, x);
  r = std::fma(n, 0x1.bd0106p-13f, r);
  float p = 0x1.6ac6b2p-10f;
  for (float c : {0x1.123de0p-7f, 0x1.555858p-5f, 0x1.55548cp-3f, 0x1.fffffcp-2f, 1.0f, 1.0f}) {
    p = std::fma(p, r, c);
  }
  return p * std::ldexp(1.0f, static_cast<int>(n));
}

inline float Silu(float x) { return x / (1.0f + Exp(-x)); }

inline float Gelu(float x) {
  const float u = 0x1.988454p-1f * std::fma(0x1.6e4e26p-5f * x, x * x, x);
  return x / (1.0f + Exp(-2.0f * u));
}

inline float Tanh(float x) {
  const float t = Exp(-2.0f * std::fabs(x));
  return std::copysign((1.0f - t) / (1.0f + t), x);
}

inline float Softcap(float x, float cap) { return cap * Tanh(x / cap); }

inline void RmsNorm(const float* x, const float* w, int n, float eps, float* y) {
  float lanes[16] = {};
  for (int i = 0; i < n; ++i) lanes[i % 16] = std::fma(x[i], x[i], lanes[i % 16]);
  const float r = 1.0f / std::sqrt(Tree(lanes) / static_cast<float>(n) + eps);
  for (int i = 0; i < n; ++i) y[i] = (x[i] * r) * w[i];
}

inline void Rotate(RotaryPairs pairs, const float* cos, const float* sin, int n_rot, float* x) {
  for (int i = 0; i < n_rot / 2; ++i) {
    float& first = pairs == RotaryPairs::kNeighbours ? x[2 * i] : x[i];
    float& second = pairs == RotaryPairs::kNeighbours ? x[2 * i + 1] : x[n_rot / 2 + i];
    const float a = first, b = second;
    first = std::fma(-b, sin[i], a * cos[i]);
    second = std::fma(b, cos[i], a * sin[i]);
  }
}

inline int Argmax(const float* x, int n) {
  int best = 0;
  float most = -std::numeric_limits<float>::infinity();
  bool any = false;
  for (int i = 0; i < n; ++i) {
    if (std::isnan(x[i])) continue;
    if (!any || x[i] > most) {
      best = i;
      most = x[i];
      any = true;
    }
  }
  return best;
}

}  // namespace cairn::kernels::ref
