// SPDX-License-Identifier: Apache-2.0
// exp and the activation functions (canonical.md, section 7), lane by lane.
#pragma once

#include "kernels/isa/lanes-inl.h"

namespace cairn::kernels::CAIRN_ISA {

// exp: 0 below kExpCutoff. The polynomial is the minimax one of degree 6 on |r| <= ln 2 / 2; the
// result is within 2 units in the last place (rows_test.cc).
inline constexpr float kExpCutoff = -87.0f;
inline constexpr float kExpMost = 88.0f;
inline constexpr float kLog2e = 1.44269504088896341f;
inline constexpr float kMinusLn2High = -0.693359375f;       // exact in 9 bits: n * it is exact
inline constexpr float kMinusLn2Low = 2.12194440054690581e-4f;

CAIRN_INLINE VF Exp(VF x) {
  const VF bounded = Max(Min(x, Set1(kExpMost)), Set1(kExpCutoff));
  const VI n = RoundToInt(Mul(bounded, Set1(kLog2e)));
  const VF nf = ToFloat(n);
  VF r = Fma(nf, Set1(kMinusLn2High), bounded);
  r = Fma(nf, Set1(kMinusLn2Low), r);
  VF p = Set1(1.0f / 720);
  p = Fma(p, r, Set1(1.0f / 120));
  p = Fma(p, r, Set1(1.0f / 24));
  p = Fma(p, r, Set1(1.0f / 6));
  p = Fma(p, r, Set1(0.5f));
  p = Fma(p, r, Set1(1.0f));
  p = Fma(p, r, Set1(1.0f));
  const VF power = FloatOfBits(ShiftLeft<23>(AddI(n, Set1I(127))));
  return IfLess(x, Set1(kExpCutoff), Zero(), Mul(p, power));
}

CAIRN_INLINE VF Silu(VF x) {
  return Div(x, Add(Set1(1.0f), Exp(Neg(x))));
}

CAIRN_INLINE VF Gelu(VF x) {
  const VF cubic = Fma(Mul(Set1(0.044715f), x), Mul(x, x), x);
  const VF u = Mul(Set1(0.7978845608f), cubic);
  return Div(x, Add(Set1(1.0f), Exp(Mul(Set1(-2.0f), u))));
}

CAIRN_INLINE VF Tanh(VF x) {
  const VI sign = AndI(BitsOf(x), Set1I(static_cast<int32_t>(0x80000000u)));
  const VF magnitude = FloatOfBits(AndI(BitsOf(x), Set1I(0x7fffffff)));
  const VF t = Exp(Mul(Set1(-2.0f), magnitude));
  const VF y = Div(Sub(Set1(1.0f), t), Add(Set1(1.0f), t));
  return FloatOfBits(OrI(BitsOf(y), sign));
}

}  // namespace cairn::kernels::CAIRN_ISA
