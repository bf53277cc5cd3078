// SPDX-License-Identifier: Apache-2.0
// 64-bit ARM with the dot products of ARMv8.2: the canonical vector is four registers. See
// lanes-inl.h.
//
// Max and Min compare and select: FMAX and FMAXNM treat what is not a number otherwise than x86.
#pragma once

#include <arm_neon.h>

namespace cairn::kernels::CAIRN_ISA {

inline constexpr int kLanes = 4;
using VF = float32x4_t;
using VI = int32x4_t;
using VB = uint8x16_t;

CAIRN_INLINE VF Set1(float x) { return vdupq_n_f32(x); }
CAIRN_INLINE VF Zero() { return Set1(0); }
CAIRN_INLINE VF Load(const float* p) { return vld1q_f32(p); }
CAIRN_INLINE void Store(float* p, VF v) { vst1q_f32(p, v); }
CAIRN_INLINE VF Add(VF a, VF b) { return vaddq_f32(a, b); }
CAIRN_INLINE VF Sub(VF a, VF b) { return vsubq_f32(a, b); }
CAIRN_INLINE VF Mul(VF a, VF b) { return vmulq_f32(a, b); }
CAIRN_INLINE VF Div(VF a, VF b) { return vdivq_f32(a, b); }
CAIRN_INLINE VF Fma(VF a, VF b, VF c) { return vfmaq_f32(c, a, b); }
CAIRN_INLINE VF IfLess(VF a, VF b, VF x, VF y) { return vbslq_f32(vcltq_f32(a, b), x, y); }
CAIRN_INLINE VF Max(VF a, VF b) { return IfLess(b, a, a, b); }
CAIRN_INLINE VF Min(VF a, VF b) { return IfLess(a, b, a, b); }

CAIRN_INLINE VI Set1I(int32_t x) { return vdupq_n_s32(x); }
CAIRN_INLINE VI ZeroI() { return Set1I(0); }
CAIRN_INLINE VI LoadI(const int32_t* p) { return vld1q_s32(p); }
CAIRN_INLINE void StoreI(int32_t* p, VI v) { vst1q_s32(p, v); }
CAIRN_INLINE VI AddI(VI a, VI b) { return vaddq_s32(a, b); }
CAIRN_INLINE VI AndI(VI a, VI b) { return vandq_s32(a, b); }
CAIRN_INLINE VB AndI(VB a, VB b) { return vandq_u8(a, b); }
CAIRN_INLINE VI OrI(VI a, VI b) { return vorrq_s32(a, b); }
CAIRN_INLINE VB OrI(VB a, VB b) { return vorrq_u8(a, b); }
template <int kBits>
CAIRN_INLINE VI ShiftLeft(VI a) {
  return vshlq_n_s32(a, kBits);
}
template <int kBits>
CAIRN_INLINE VI ShiftRight(VI a) {
  return vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), kBits));
}
template <int kBits>
CAIRN_INLINE VI ShiftRightSigned(VI a) {
  return vshrq_n_s32(a, kBits);
}
// Of bytes: what crosses from one to the next elsewhere is masked off by those who call.
template <int kBits>
CAIRN_INLINE VB ShiftLeft(VB a) {
  return vshlq_n_u8(a, kBits);
}
template <int kBits>
CAIRN_INLINE VB ShiftRight(VB a) {
  return vshrq_n_u8(a, kBits);
}
CAIRN_INLINE VI BitsOf(VF a) { return vreinterpretq_s32_f32(a); }
CAIRN_INLINE VF FloatOfBits(VI a) { return vreinterpretq_f32_s32(a); }
CAIRN_INLINE VI MaxI(VI a, VI b) { return vmaxq_s32(a, b); }
CAIRN_INLINE int32_t ReduceMaxI(VI a) { return vmaxvq_s32(a); }
CAIRN_INLINE int32_t ReduceAddI(VI a) { return vaddvq_s32(a); }
CAIRN_INLINE float ReduceMax(VF a) {
  VF m = Max(a, vextq_f32(a, a, 2));
  m = Max(m, vextq_f32(m, m, 1));
  return vgetq_lane_f32(m, 0);
}
CAIRN_INLINE void StoreBytes(uint8_t* p, VI v) {
  const uint16x4_t words = vmovn_u32(vreinterpretq_u32_s32(v));
  const uint32_t bytes =
      vget_lane_u32(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))), 0);
  __builtin_memcpy(p, &bytes, 4);
}
// The low byte of each lane; values must fit u8.
CAIRN_INLINE void StoreUnsignedBytes(uint8_t* p, VI v) { StoreBytes(p, v); }
// The sum of lanes that fit int8.
CAIRN_INLINE int32_t SumOfBytes(VI v) { return ReduceAddI(v); }
CAIRN_INLINE VI RoundToInt(VF a) { return vcvtnq_s32_f32(a); }
CAIRN_INLINE VF ToFloat(VI a) { return vcvtq_f32_s32(a); }

CAIRN_INLINE VF LoadHalf(const uint16_t* p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
CAIRN_INLINE VF BoundHalf(VF v) {  // finite values only: infinities must not become numbers
  const VF bounded = Max(Set1(-65504.0f), Min(Set1(65504.0f), v));
  return IfLess(vabsq_f32(v), Set1(__builtin_inff()), bounded, v);
}
CAIRN_INLINE void StoreHalf(uint16_t* p, VF v) {
  vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(BoundHalf(v))));
}
CAIRN_INLINE VF LoadBf16(const uint16_t* p) {
  return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
// Four bytes in the low half of a register whose other bytes are 0.
CAIRN_INLINE uint8x8_t LoadFour(const void* p) {
  uint32_t four;
  __builtin_memcpy(&four, p, 4);
  return vcreate_u8(four);
}
CAIRN_INLINE VI LoadU8I(const uint8_t* p) {
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(LoadFour(p)))));
}
CAIRN_INLINE VF LoadS8(const int8_t* p) {
  return ToFloat(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(LoadFour(p))))));
}

CAIRN_INLINE VB LoadB(const uint8_t* p) { return vld1q_u8(p); }
CAIRN_INLINE VB BytesOf(VI v) { return vreinterpretq_u8_s32(v); }
CAIRN_INLINE VB LoadTable(const uint8_t* p) { return LoadB(p); }
CAIRN_INLINE VB LookUp(VB table, VB codes) { return vqtbl1q_u8(table, codes); }
CAIRN_INLINE VB Set1B(uint8_t x) { return vdupq_n_u8(x); }

// SDOT wants both sides signed. Weights of up to 7 bits are; wide ones (8 bits, stored + 128)
// become so when their top bit is turned. The activations come by element, so that their load is
// one of four bytes and needs no broadcast.
inline constexpr bool kBiasWide = false;
template <bool kWide>
CAIRN_INLINE VI Dot(VI acc, VB weights, const uint8_t* quad) {
  if constexpr (kWide) weights = veorq_u8(weights, Set1B(0x80));
  return vdotq_lane_s32(acc, vreinterpretq_s8_u8(weights), vreinterpret_s8_u8(LoadFour(quad)), 0);
}

// The same with the signs the other way round: u8 that are the same for all lanes, s8 by lane. The
// u8 are taken as u8 - 128; 128 times the sum of the values makes up for it, which the compiler
// computes once for all quads that meet the same values.
CAIRN_INLINE VI DotUnsigned(VI acc, const uint8_t* quad, VB values) {
  const int8x16_t signed_values = vreinterpretq_s8_u8(values);
  const VI sums = vdotq_s32(ZeroI(), signed_values, vdupq_n_s8(1));
  const int8x8_t weights = vreinterpret_s8_u8(veor_u8(LoadFour(quad), vdup_n_u8(0x80)));
  return AddI(vdotq_lane_s32(acc, signed_values, weights, 0), ShiftLeft<7>(sums));
}

}  // namespace cairn::kernels::CAIRN_ISA
