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

inline float Sigmoid(float x) { return 1.0f / (1.0f + Exp(-x)); }

inline float Silu(float x) { return x / (1.0f + Exp(-x)); }

inline float Gelu(float x) {
  const float u = 0x1.988454p-1f * std::fma(0x1.6e4e26p-5f * x, x * x, x);
  return x / (1.0f + Exp(-2.0f * u));
}

inline float GeluErf(float x) {
  const float z = std::fabs(x) * 0x1.6a09e6p-1f;
  const float t = 1.0f / std::fma(0x1.b8p-2f, z, 1.0f);
  float p = 0x1.2e52d8p-5f;
  for (float c : {-0x1.3f02fcp-3f, 0x1.8c1f78p-3f, -0x1.6999aep-5f, 0x1.fc26fap-4f, 0x1.a2bb16p-4f,
                  0x1.f43b1ap-4f, 0x1.f04d54p-4f}) {
    p = std::fma(p, t, c);
  }
  const float far = x * ((p * t) * Exp(-(z * z)));
  return x < 0.0f ? far : x - far;
}

inline float Relu(float x) { return x < 0.0f ? 0.0f : x; }

inline float Softplus(float x) {
  const float t = Exp(-std::fabs(x));
  const float s = t / (t + 2.0f), z = s * s;
  float p = 0x1.204426p-3f;
  for (float c : {0x1.1e7746p-3f, 0x1.99d608p-3f, 0x1.5554f8p-2f, 1.0f}) p = std::fma(p, z, c);
  return std::fma(s + s, p, Relu(x));
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

inline float Activated(Activation activation, float x) {
  switch (activation) {
    case Activation::kSilu: return Silu(x);
    case Activation::kGelu: return Gelu(x);
    case Activation::kGeluErf: return GeluErf(x);
    case Activation::kRelu: return Relu(x);
    case Activation::kReluSquared: return Relu(x) * Relu(x);
    case Activation::kSoftplus: return Softplus(x);
    case Activation::kSigmoid: return Sigmoid(x);
    case Activation::kIdentity: return x;
    case Activation::kSiluClamped: break;
  }
  return 0;
}

inline float Clamp(float x, float limit) {
  return std::isnan(x) ? x : x < -limit ? -limit : x > limit ? limit : x;
}

inline float Gated(Activation activation, float g, float u) {
  if (activation != Activation::kSiluClamped) return Activated(activation, g) * u;
  if (g > 7.0f) g = 7.0f;
  return (g / (1.0f + Exp(-1.702f * g))) * (Clamp(u, 7.0f) + 1.0f);
}

// w and b may be null.
inline void LayerNorm(const float* x, const float* w, const float* b, int n, float eps, float* y) {
  float sums[16] = {}, squares[16] = {};
  for (int i = 0; i < n; ++i) sums[i % 16] += x[i];
  const float mean = Tree(sums) / static_cast<float>(n);
  for (int i = 0; i < n; ++i) {
    squares[i % 16] = std::fma(x[i] - mean, x[i] - mean, squares[i % 16]);
  }
  const float r = 1.0f / std::sqrt(Tree(squares) / static_cast<float>(n) + eps);
  for (int i = 0; i < n; ++i) {
    y[i] = (x[i] - mean) * r;
    if (w != nullptr) y[i] *= w[i];
    if (b != nullptr) y[i] += b[i];
  }
}

inline float MeanSquare(const float* x, int n) {
  float lanes[16] = {};
  for (int i = 0; i < n; ++i) lanes[i % 16] = std::fma(x[i], x[i], lanes[i % 16]);
  return Tree(lanes) / static_cast<float>(n);
}

inline void Sparsify(const float* x, int n, float deviations, float* y) {
  float sums[16] = {}, squares[16] = {};
  for (int i = 0; i < n; ++i) sums[i % 16] += x[i];
  const float mean = Tree(sums) / static_cast<float>(n);
  for (int i = 0; i < n; ++i) {
    squares[i % 16] = std::fma(x[i] - mean, x[i] - mean, squares[i % 16]);
  }
  const float deviation = std::sqrt(Tree(squares) / static_cast<float>(n));
  for (int i = 0; i < n; ++i) y[i] = Relu(std::fma(-deviations, deviation, x[i] - mean));
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

// One channel of `taps` rows, oldest first.
inline float Convolved(const float* x, const float* w, const float* bias, int taps) {
  float sum = 0;
  for (int j = 0; j < taps; ++j) sum = std::fma(w[j], x[j], sum);
  return bias != nullptr ? sum + *bias : sum;
}

// One row of one channel, whose state has `size` values.
inline float Walked(float x, float dt, const float* rate, const float* b, const float* c,
                    float skip, int size, float* state) {
  const float u = x * dt;
  float y = 0;
  for (int n = 0; n < size; ++n) {
    state[n] = std::fma(state[n], Exp(dt * rate[n]), b[n] * u);
    y = std::fma(state[n], c[n], y);
  }
  return std::fma(skip, x, y);
}

// The same by the delta rule, with the state's `share` of the row.
inline float WalkedByDelta(float x, float dt, float rate, float share, const float* b,
                           const float* c, int size, float* state) {
  const float decay = Exp(dt * rate);
  float known = 0, y = 0;
  for (int n = 0; n < size; ++n) {
    state[n] *= decay;
    known = std::fma(state[n], b[n], known);
  }
  const float u = (x - known) * share;
  for (int n = 0; n < size; ++n) {
    state[n] = std::fma(b[n], u, state[n]);
    y = std::fma(state[n], c[n], y);
  }
  return y;
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
