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

template <Activation kAct>
CAIRN_INLINE VF Activated(VF x) {
  if constexpr (kAct == Activation::kSilu) return Silu(x);
  if constexpr (kAct == Activation::kGelu) return Gelu(x);
  if constexpr (kAct == Activation::kGeluErf) return GeluErf(x);
  if constexpr (kAct == Activation::kRelu) return Relu(x);
  if constexpr (kAct == Activation::kReluSquared) return ReluSquared(x);
  if constexpr (kAct == Activation::kSoftplus) return Softplus(x);
  if constexpr (kAct == Activation::kSigmoid) return Sigmoid(x);
  if constexpr (kAct == Activation::kIdentity) return x;
}

template <Activation kAct>
void GateRowOf(const float* g, const float* u, int n, float* y) {
  Map(
      g, u, n, y,
      [](VF a, VF b) __attribute__((always_inline)) { return Mul(Activated<kAct>(a), b); });
}

template <Activation kAct>
void ActivateRowOf(const float* x, int n, float* y) {
  Map(
      x, x, n, y, [](VF v, VF) __attribute__((always_inline)) { return Activated<kAct>(v); });
}

// f(v) for every vector of x, with the running sums that it belongs to; what a last vector lacks is
// `rest`.
template <typename F>
CAIRN_INLINE void ForSums(const float* x, int n, float rest, F f) {
  int i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int p = 0; p < kParts; ++p) f(p, Load(x + i + p * kLanes));
  }
  for (int p = 0; i + p * kLanes < n; ++p) {
    const int left = n - i - p * kLanes < kLanes ? n - i - p * kLanes : kLanes;
    alignas(64) float last[kLanes];
    Store(last, Set1(rest));
    StoreFirst(last, LoadFirst(x + i + p * kLanes, left), left);
    f(p, Load(last));
  }
}

// The mean of a row, and that of the squares of what is left without it.
struct Moments {
  float mean, square;
};
Moments MomentsOf(const float* x, int n) {
  VF sums[kParts];
  for (VF& sum : sums) sum = Zero();
  ForSums(
      x, n, 0, [&](int p, VF v) __attribute__((always_inline)) { sums[p] = Add(sums[p], v); });
  const float mean = SumTree(sums) / static_cast<float>(n);
  for (VF& sum : sums) sum = Zero();
  ForSums(
      x, n, mean, [&](int p, VF v) __attribute__((always_inline)) {
        const VF c = Sub(v, Set1(mean));
        sums[p] = Fma(c, c, sums[p]);
      });
  return {mean, SumTree(sums) / static_cast<float>(n)};
}

}  // namespace

void LayerNorm(const float* x, const float* w, const float* b, int n, float eps, float* y) {
  const auto [mean, square] = MomentsOf(x, n);
  const float r = 1.0f / __builtin_sqrtf(square + eps);
  Map(
      x, w != nullptr ? w : x, n, y,
      [&, m = Set1(mean) ](VF v, VF weight) __attribute__((always_inline)) {
        const VF c = Mul(Sub(v, m), Set1(r));
        return w != nullptr ? Mul(c, weight) : c;
      });
  if (b != nullptr) AddRows(y, b, n, y);
}

void Sparsify(const float* x, int n, float deviations, float* y) {
  const auto [mean, square] = MomentsOf(x, n);
  const VF m = Set1(mean), deviation = Set1(__builtin_sqrtf(square)), cut = Set1(-deviations);
  Map(
      x, x, n, y, [=](VF v, VF) __attribute__((always_inline)) {
        return Relu(Fma(cut, deviation, Sub(v, m)));
      });
}

float MeanSquare(const float* x, int n) {
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
  return SumTree(sums) / static_cast<float>(n);
}

void RmsNorm(const float* x, const float* w, int n, float eps, float* y) {
  const float r = 1.0f / __builtin_sqrtf(MeanSquare(x, n) + eps);
  if (w == nullptr) return ScaleRow(x, r, n, y);
  Map(
      x, w, n, y, [r](VF v, VF weight) __attribute__((always_inline)) {
        return Mul(Mul(v, Set1(r)), weight);
      });
}

void AddRows(const float* a, const float* b, int n, float* y) {
  Map(
      a, b, n, y, [](VF u, VF v) __attribute__((always_inline)) { return Add(u, v); });
}

void AddScaledRow(const float* x, float s, int n, float* y) {
  Map(
      x, y, n,
      y, [s](VF v, VF sum) __attribute__((always_inline)) { return Fma(v, Set1(s), sum); });
}

void ClampRow(const float* x, float limit, int n, float* y) {
  Map(
      x, x, n, y, [limit](VF v, VF) __attribute__((always_inline)) { return Clamp(v, limit); });
}

void ScaleRow(const float* x, float s, int n, float* y) {
  Map(
      x, x, n, y, [s](VF v, VF) __attribute__((always_inline)) { return Mul(v, Set1(s)); });
}

void GateRow(Activation act, const float* g, const float* u, int n, float* y) {
  switch (act) {
    case Activation::kSilu: return GateRowOf<Activation::kSilu>(g, u, n, y);
    case Activation::kGelu: return GateRowOf<Activation::kGelu>(g, u, n, y);
    case Activation::kGeluErf: return GateRowOf<Activation::kGeluErf>(g, u, n, y);
    case Activation::kRelu: return GateRowOf<Activation::kRelu>(g, u, n, y);
    case Activation::kReluSquared: return GateRowOf<Activation::kReluSquared>(g, u, n, y);
    case Activation::kSoftplus: return GateRowOf<Activation::kSoftplus>(g, u, n, y);
    case Activation::kSigmoid: return GateRowOf<Activation::kSigmoid>(g, u, n, y);
    case Activation::kIdentity: return GateRowOf<Activation::kIdentity>(g, u, n, y);
    case Activation::kSiluClamped:
      return Map(
          g, u, n, y,
          [](VF a, VF b) __attribute__((always_inline)) { return ClampedSiluGate(a, b); });
  }
}

void ActivateRow(Activation act, const float* x, int n, float* y) {
  switch (act) {
    case Activation::kSilu: return ActivateRowOf<Activation::kSilu>(x, n, y);
    case Activation::kGelu: return ActivateRowOf<Activation::kGelu>(x, n, y);
    case Activation::kGeluErf: return ActivateRowOf<Activation::kGeluErf>(x, n, y);
    case Activation::kRelu: return ActivateRowOf<Activation::kRelu>(x, n, y);
    case Activation::kReluSquared: return ActivateRowOf<Activation::kReluSquared>(x, n, y);
    case Activation::kSoftplus: return ActivateRowOf<Activation::kSoftplus>(x, n, y);
    case Activation::kSigmoid: return ActivateRowOf<Activation::kSigmoid>(x, n, y);
    case Activation::kIdentity: return ActivateRowOf<Activation::kIdentity>(x, n, y);
    case Activation::kSiluClamped: return;  // of gates alone; the builder refuses it
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
