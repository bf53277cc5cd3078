// SPDX-License-Identifier: Apache-2.0
// State-space layers (canonical.md, section 6b): convolutions over a few rows, and the walk of a
// state through rows. Lanes are channels, so that every channel has its own chain of sums.
#include "kernels/isa/functions.h"
#include "kernels/isa/math-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

// Vectors of channels that walk together: enough chains to hide the latency of a sum.
constexpr int kTogether = 4;

// One row of a head, channels [0, kVectors * kLanes) of the pointers. `channels`: of the head.
template <int kVectors>
CAIRN_INLINE void WalkChannels(const ScanView& v, const float* x, float dt, VF decay,
                               const float* b, const float* c, float* state, float* out) {
  VF u[kVectors], y[kVectors];
  for (int i = 0; i < kVectors; ++i) {
    u[i] = Mul(Load(x + i * kLanes), Set1(dt));
    y[i] = Zero();
  }
  for (int n = 0; n < v.size; ++n, state += v.channels) {
    const VF bn = Set1(b[n]), cn = Set1(c[n]);
    for (int i = 0; i < kVectors; ++i) {
      const VF s = Fma(Load(state + i * kLanes), decay, Mul(bn, u[i]));
      Store(state + i * kLanes, s);
      y[i] = Fma(s, cn, y[i]);
    }
  }
  const VF skip = Set1(v.skip[0]);
  for (int i = 0; i < kVectors; ++i) {
    Store(out + i * kLanes, Fma(skip, Load(x + i * kLanes), y[i]));
  }
}

void WalkHead(const ScanView& v, int rows, float* state) {
  for (int r = 0; r < rows; ++r) {
    const float *x = v.x.row(r), *b = v.b.row(r), *c = v.c.row(r);
    const float dt = v.dt.row(r)[0];
    const VF decay = Set1(First(Exp(Mul(Set1(dt), Set1(v.rate[0])))));
    float* out = v.out.row(r);
    int at = 0;
    for (; at + kTogether * kLanes <= v.channels; at += kTogether * kLanes) {
      WalkChannels<kTogether>(v, x + at, dt, decay, b, c, state + at, out + at);
    }
    for (; at < v.channels; at += kLanes) {
      WalkChannels<1>(v, x + at, dt, decay, b, c, state + at, out + at);
    }
  }
}

// The same by the delta rule: the state first says what it knows of the row, and learns a share of
// what it does not.
template <int kVectors>
CAIRN_INLINE void LearnChannels(const ScanView& v, const float* x, VF share, VF decay,
                                const float* b, const float* c, float* state, float* out) {
  VF u[kVectors], y[kVectors];
  for (int i = 0; i < kVectors; ++i) u[i] = y[i] = Zero();
  float* s = state;
  for (int n = 0; n < v.size; ++n, s += v.channels) {
    const VF bn = Set1(b[n]);
    for (int i = 0; i < kVectors; ++i) {
      const VF kept = Mul(Load(s + i * kLanes), decay);
      Store(s + i * kLanes, kept);
      u[i] = Fma(kept, bn, u[i]);
    }
  }
  for (int i = 0; i < kVectors; ++i) u[i] = Mul(Sub(Load(x + i * kLanes), u[i]), share);
  s = state;
  for (int n = 0; n < v.size; ++n, s += v.channels) {
    const VF bn = Set1(b[n]), cn = Set1(c[n]);
    for (int i = 0; i < kVectors; ++i) {
      const VF learnt = Fma(bn, u[i], Load(s + i * kLanes));
      Store(s + i * kLanes, learnt);
      y[i] = Fma(learnt, cn, y[i]);
    }
  }
  for (int i = 0; i < kVectors; ++i) Store(out + i * kLanes, y[i]);
}

void WalkByDelta(const ScanView& v, int rows, float* state) {
  for (int r = 0; r < rows; ++r) {
    const float *x = v.x.row(r), *b = v.b.row(r), *c = v.c.row(r);
    const VF share = Set1(v.share.row(r)[0]);
    const VF decay = Set1(First(Exp(Mul(Set1(v.dt.row(r)[0]), Set1(v.rate[0])))));
    float* out = v.out.row(r);
    int at = 0;
    for (; at + kTogether * kLanes <= v.channels; at += kTogether * kLanes) {
      LearnChannels<kTogether>(v, x + at, share, decay, b, c, state + at, out + at);
    }
    for (; at < v.channels; at += kLanes) {
      LearnChannels<1>(v, x + at, share, decay, b, c, state + at, out + at);
    }
  }
}

// Each channel has a time step and rates of its own.
void WalkApart(const ScanView& v, int rows, float* state) {
  for (int r = 0; r < rows; ++r) {
    const float *b = v.b.row(r), *c = v.c.row(r);
    for (int at = 0; at < v.channels; at += kLanes) {
      const VF x = Load(v.x.row(r) + at), dt = Load(v.dt.row(r) + at);
      const VF u = Mul(x, dt);
      VF y = Zero();
      float* s = state + at;
      const float* rate = v.rate + at;
      for (int n = 0; n < v.size; ++n, s += v.channels, rate += v.rate_stride) {
        const VF next = Fma(Load(s), Exp(Mul(dt, Load(rate))), Mul(Set1(b[n]), u));
        Store(s, next);
        y = Fma(next, Set1(c[n]), y);
      }
      Store(v.out.row(r) + at, Fma(Load(v.skip + at), x, y));
    }
  }
}

}  // namespace

void Convolve(const float* const* x, const float* w, std::ptrdiff_t stride, const float* bias,
              int taps, int n, float* y) {
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    VF sum = Zero();
    for (int j = 0; j < taps; ++j) sum = Fma(Load(w + j * stride + i), Load(x[j] + i), sum);
    Store(y + i, bias != nullptr ? Add(sum, Load(bias + i)) : sum);
  }
  if (i == n) return;
  VF sum = Zero();
  for (int j = 0; j < taps; ++j) {
    sum = Fma(LoadFirst(w + j * stride + i, n - i), LoadFirst(x[j] + i, n - i), sum);
  }
  StoreFirst(y + i, bias != nullptr ? Add(sum, LoadFirst(bias + i, n - i)) : sum, n - i);
}

void Scan(const ScanView& view, int rows, const float* from, float* state) {
  const auto bytes =
      sizeof(float) * static_cast<size_t>(view.size) * static_cast<size_t>(view.channels);
  if (from == nullptr) {
    __builtin_memset(state, 0, bytes);
  } else if (from != state) {
    __builtin_memcpy(state, from, bytes);
  }
  if (view.share.data != nullptr) return WalkByDelta(view, rows, state);
  view.apart ? WalkApart(view, rows, state) : WalkHead(view, rows, state);
}

}  // namespace cairn::kernels::CAIRN_ISA
