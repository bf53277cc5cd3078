// SPDX-License-Identifier: Apache-2.0
// exp and the activation functions (canonical.md, section 7), lane by lane.
#pragma once

#include "kernels/isa/lanes-inl.h"

namespace cairn::kernels::CAIRN_ISA {

// exp. e^r on |r| <= ln 2 / 2 is 1 + r + r^2 * (...): the minimax polynomial of degree 6 for the
// relative error under the condition that exp(0) is exactly 1, its coefficients rounded to f32 from
// the lowest power up with the others fitted again after each. It is within 2^-28 of e^r; with the
// rounding of Horner's rule the result is within 2 units in the last place (rows_test.cc).
inline constexpr float kExpCutoff = -87.0f;
inline constexpr float kExpMost = 88.0f;
inline constexpr float kLog2e = 0x1.715476p+0f;
inline constexpr float kMinusLn2High = -0x1.63p-1f;  // 9 bits: n times it is exact
inline constexpr float kMinusLn2Low = 0x1.bd0106p-13f;
inline constexpr float kExp2 = 0x1.fffffcp-2f;
inline constexpr float kExp3 = 0x1.55548cp-3f;
inline constexpr float kExp4 = 0x1.555858p-5f;
inline constexpr float kExp5 = 0x1.123de0p-7f;
inline constexpr float kExp6 = 0x1.6ac6b2p-10f;

// exp(x) for x in [kExpCutoff, kExpMost] or not a number. Outside, some value.
CAIRN_INLINE VF ExpBounded(VF bounded) {
  const VI n = RoundToInt(Mul(bounded, Set1(kLog2e)));
  const VF nf = ToFloat(n);
  VF r = Fma(nf, Set1(kMinusLn2High), bounded);
  r = Fma(nf, Set1(kMinusLn2Low), r);
  VF p = Set1(kExp6);
  p = Fma(p, r, Set1(kExp5));
  p = Fma(p, r, Set1(kExp4));
  p = Fma(p, r, Set1(kExp3));
  p = Fma(p, r, Set1(kExp2));
  p = Fma(p, r, Set1(1.0f));
  p = Fma(p, r, Set1(1.0f));
  const VF power = FloatOfBits(ShiftLeft<23>(AddI(n, Set1I(127))));
  return Mul(p, power);
}

CAIRN_INLINE VF Exp(VF x) {
  // With x as second operand Min and Max let a value that is not a number through.
  const VF bounded = Max(Set1(kExpCutoff), Min(Set1(kExpMost), x));
  return IfLess(x, Set1(kExpCutoff), Zero(), ExpBounded(bounded));
}

// Exp for x <= 0 or not a number: the same bytes without the bounds, whose cases are left out here
// or end as 0.
CAIRN_INLINE VF ExpOfNegative(VF x) { return IfLess(x, Set1(kExpCutoff), Zero(), ExpBounded(x)); }

CAIRN_INLINE VF Sigmoid(VF x) { return Div(Set1(1.0f), Add(Set1(1.0f), Exp(Neg(x)))); }

CAIRN_INLINE VF Silu(VF x) { return Div(x, Add(Set1(1.0f), Exp(Neg(x)))); }

CAIRN_INLINE VF Gelu(VF x) {
  const VF cubic = Fma(Mul(Set1(0x1.6e4e26p-5f), x), Mul(x, x), x);
  const VF u = Mul(Set1(0x1.988454p-1f), cubic);
  return Div(x, Add(Set1(1.0f), Exp(Mul(Set1(-2.0f), u))));
}

// x times the normal distribution's share below x, with that of the far side h = erfc(|x| / sqrt 2)
// / 2 as exp(-x^2 / 2) times a polynomial in t = 1 / (1 + p |x| / sqrt 2), which is within 2^-23 of
// it (relative) up to where exp is cut off: minimax, fitted as exp's above.
CAIRN_INLINE VF GeluErf(VF x) {
  const VF magnitude = FloatOfBits(AndI(BitsOf(x), Set1I(0x7fffffff)));
  const VF z = Mul(magnitude, Set1(0x1.6a09e6p-1f));
  const VF t = Div(Set1(1.0f), Fma(Set1(0x1.b8p-2f), z, Set1(1.0f)));
  VF p = Set1(0x1.2e52d8p-5f);
  p = Fma(p, t, Set1(-0x1.3f02fcp-3f));
  p = Fma(p, t, Set1(0x1.8c1f78p-3f));
  p = Fma(p, t, Set1(-0x1.6999aep-5f));
  p = Fma(p, t, Set1(0x1.fc26fap-4f));
  p = Fma(p, t, Set1(0x1.a2bb16p-4f));
  p = Fma(p, t, Set1(0x1.f43b1ap-4f));
  p = Fma(p, t, Set1(0x1.f04d54p-4f));
  const VF h = Mul(Mul(p, t), Exp(Neg(Mul(z, z))));
  const VF far = Mul(x, h);
  return IfLess(x, Zero(), far, Sub(x, far));
}

CAIRN_INLINE VF Relu(VF x) { return IfLess(x, Zero(), Zero(), x); }
CAIRN_INLINE VF ReluSquared(VF x) {
  const VF y = Relu(x);
  return Mul(y, y);
}

// ln(1 + e^x). With t = e^-|x| and s = t / (t + 2), ln(1 + t) is 2 s times a polynomial in s^2,
// which is within 2^-27 of it (relative): minimax, fitted as exp's above.
CAIRN_INLINE VF Softplus(VF x) {
  const VF t = Exp(FloatOfBits(OrI(BitsOf(x), Set1I(static_cast<int32_t>(0x80000000u)))));
  const VF s = Div(t, Add(t, Set1(2.0f)));
  const VF z = Mul(s, s);
  VF p = Set1(0x1.204426p-3f);
  p = Fma(p, z, Set1(0x1.1e7746p-3f));
  p = Fma(p, z, Set1(0x1.99d608p-3f));
  p = Fma(p, z, Set1(0x1.5554f8p-2f));
  p = Fma(p, z, Set1(1.0f));
  return Fma(Add(s, s), p, Relu(x));
}

// x within [-limit, limit]; a value that is not a number stays so.
CAIRN_INLINE VF Clamp(VF x, float limit) { return Max(Set1(-limit), Min(Set1(limit), x)); }

CAIRN_INLINE VF ClampedSiluGate(VF g, VF u) {
  g = Min(Set1(7.0f), g);
  u = Clamp(u, 7.0f);
  const VF silu = Div(g, Add(Set1(1.0f), Exp(Mul(Set1(-1.702f), g))));
  return Mul(silu, Add(u, Set1(1.0f)));
}

CAIRN_INLINE VF Tanh(VF x) {
  const VI sign = AndI(BitsOf(x), Set1I(static_cast<int32_t>(0x80000000u)));
  const VF magnitude = FloatOfBits(AndI(BitsOf(x), Set1I(0x7fffffff)));
  const VF t = Exp(Mul(Set1(-2.0f), magnitude));
  const VF y = Div(Sub(Set1(1.0f), t), Add(Set1(1.0f), t));
  return FloatOfBits(OrI(BitsOf(y), sign));
}

}  // namespace cairn::kernels::CAIRN_ISA
