// SPDX-License-Identifier: Apache-2.0
// Row operations between the matmuls: norms, sums, gates, rotation, exp, argmax.
#include "kernels/isa/functions.h"
#include "kernels/isa/math-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

// y[i] = f(a[i], b[i]) for i < n, whole vectors first.
template <typename F>
CAIRN_INLINE void Map(const float* a, const float* b, int n, float* y, F f) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) Store(y + i, f(Load(a + i), Load(b + i)));
  if (i < n) StoreFirst(y + i, f(LoadFirst(a + i, n - i), LoadFirst(b + i, n - i)), n - i);
}

}  // namespace

void RmsNorm(const float* x, const float* w, int n, float eps, float* y) {
  VF sums[kParts];
  for (VF& sum : sums) sum = Zero();
  int i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int p = 0; p < kParts; ++p) {
      const VF v = Load(x + i + p * kLanes);
      sums[p] = Fma(v, v, sums[p]);
    }
  }
  for (int p = 0; i + p * kLanes < n; ++p) {
    const int left = n - i - p * kLanes;
    const VF v = LoadFirst(x + i + p * kLanes, left < kLanes ? left : kLanes);
    sums[p] = Fma(v, v, sums[p]);
  }
  const float mean = SumTree(sums) / static_cast<float>(n);
  const float r = 1.0f / __builtin_sqrtf(mean + eps);
  Map(
      x, w, n, y, [r](VF v, VF weight) __attribute__((always_inline)) {
        return Mul(Mul(v, Set1(r)), weight);
      });
}

void AddRows(const float* a, const float* b, int n, float* y) {
  Map(
      a, b, n, y, [](VF u, VF v) __attribute__((always_inline)) { return Add(u, v); });
}

void ScaleRow(const float* x, float s, int n, float* y) {
  Map(
      x, x, n, y, [s](VF v, VF) __attribute__((always_inline)) { return Mul(v, Set1(s)); });
}

void GateRow(Activation act, const float* g, const float* u, int n, float* y) {
  if (act == Activation::kSilu) {
    Map(
        g, u, n, y, [](VF a, VF b) __attribute__((always_inline)) { return Mul(Silu(a), b); });
  } else {
    Map(
        g, u, n, y, [](VF a, VF b) __attribute__((always_inline)) { return Mul(Gelu(a), b); });
  }
}

void SoftcapRow(const float* x, float cap, int n, float* y) {
  Map(
      x, x, n, y, [cap](VF v, VF) __attribute__((always_inline)) {
        return Mul(Set1(cap), Tanh(Div(v, Set1(cap))));
      });
}

void Rotate(RotaryPairs pairs, const float* cos, const float* sin, int n_rot, float* x) {
  const int half = n_rot / 2;
  if (pairs == RotaryPairs::kNeighbours) {
    for (int i = 0; i < half; ++i) {
      const float a = x[2 * i], b = x[2 * i + 1];
      x[2 * i] = __builtin_fmaf(-b, sin[i], a * cos[i]);
      x[2 * i + 1] = __builtin_fmaf(b, cos[i], a * sin[i]);
    }
    return;
  }
  int i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    const VF a = Load(x + i), b = Load(x + half + i), c = Load(cos + i), s = Load(sin + i);
    Store(x + i, Fma(Neg(b), s, Mul(a, c)));
    Store(x + half + i, Fma(b, c, Mul(a, s)));
  }
  for (; i < half; ++i) {
    const float a = x[i], b = x[half + i];
    x[i] = __builtin_fmaf(-b, sin[i], a * cos[i]);
    x[half + i] = __builtin_fmaf(b, cos[i], a * sin[i]);
  }
}

void ExpShifted(const float* x, float shift, int n, float* y) {
  Map(
      x, x, n,
      y, [shift](VF v, VF) __attribute__((always_inline)) { return Exp(Sub(v, Set1(shift))); });
}

int Argmax(const float* x, int n) {
  // First the largest value, then its first place: two passes without a branch per value.
  VF most = Set1(-__builtin_inff());
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) most = Max(Load(x + i), most);
  float best = ReduceMax(most);
  for (; i < n; ++i) best = x[i] > best ? x[i] : best;
  for (int j = 0; j < n; ++j) {
    if (x[j] == best) return j;
  }
  return 0;
}

}  // namespace cairn::kernels::CAIRN_ISA
