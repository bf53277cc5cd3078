// SPDX-License-Identifier: Apache-2.0
// AVX-512 (F, BW, DQ, VL, VNNI): the canonical vector is one register. See lanes-inl.h.
#pragma once

#include <immintrin.h>

namespace cairn::kernels::CAIRN_ISA {

inline constexpr int kLanes = 16;
using VF = __m512;
using VI = __m512i;
using VB = __m512i;

CAIRN_INLINE VF Zero() { return _mm512_setzero_ps(); }
CAIRN_INLINE VF Set1(float x) { return _mm512_set1_ps(x); }
CAIRN_INLINE VF Load(const float* p) { return _mm512_loadu_ps(p); }
CAIRN_INLINE void Store(float* p, VF v) { _mm512_storeu_ps(p, v); }
CAIRN_INLINE VF Add(VF a, VF b) { return _mm512_add_ps(a, b); }
CAIRN_INLINE VF Sub(VF a, VF b) { return _mm512_sub_ps(a, b); }
CAIRN_INLINE VF Mul(VF a, VF b) { return _mm512_mul_ps(a, b); }
CAIRN_INLINE VF Div(VF a, VF b) { return _mm512_div_ps(a, b); }
CAIRN_INLINE VF Fma(VF a, VF b, VF c) { return _mm512_fmadd_ps(a, b, c); }
CAIRN_INLINE VF Max(VF a, VF b) { return _mm512_max_ps(a, b); }  // a > b ? a : b
CAIRN_INLINE VF Min(VF a, VF b) { return _mm512_min_ps(a, b); }  // a < b ? a : b
// a < b ? x : y
CAIRN_INLINE VF IfLess(VF a, VF b, VF x, VF y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}

CAIRN_INLINE VI ZeroI() { return _mm512_setzero_si512(); }
CAIRN_INLINE VI Set1I(int32_t x) { return _mm512_set1_epi32(x); }
CAIRN_INLINE VI LoadI(const int32_t* p) { return _mm512_loadu_si512(p); }
CAIRN_INLINE void StoreI(int32_t* p, VI v) { _mm512_storeu_si512(p, v); }
CAIRN_INLINE VI AddI(VI a, VI b) { return _mm512_add_epi32(a, b); }
CAIRN_INLINE VI AndI(VI a, VI b) { return _mm512_and_si512(a, b); }
CAIRN_INLINE VI OrI(VI a, VI b) { return _mm512_or_si512(a, b); }
template <int kBits>
CAIRN_INLINE VI ShiftLeft(VI a) {
  return _mm512_slli_epi32(a, kBits);
}
template <int kBits>
CAIRN_INLINE VI ShiftRight(VI a) {
  return _mm512_srli_epi32(a, kBits);
}
template <int kBits>
CAIRN_INLINE VI ShiftRightSigned(VI a) {
  return _mm512_srai_epi32(a, kBits);
}
CAIRN_INLINE VI BitsOf(VF a) { return _mm512_castps_si512(a); }
CAIRN_INLINE VF FloatOfBits(VI a) { return _mm512_castsi512_ps(a); }
CAIRN_INLINE VI MaxI(VI a, VI b) { return _mm512_max_epi32(a, b); }
CAIRN_INLINE int32_t ReduceMaxI(VI a) { return _mm512_reduce_max_epi32(a); }
CAIRN_INLINE int32_t ReduceAddI(VI a) { return _mm512_reduce_add_epi32(a); }
CAIRN_INLINE float ReduceMax(VF a) { return _mm512_reduce_max_ps(a); }
// The low byte of each lane; values must fit int8.
CAIRN_INLINE void StoreBytes(uint8_t* p, VI v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(v));
}
// The low byte of each lane; values must fit u8.
CAIRN_INLINE void StoreUnsignedBytes(uint8_t* p, VI v) { StoreBytes(p, v); }
// The sum of lanes that fit int8.
CAIRN_INLINE int32_t SumOfBytes(VI v) {
  const __m128i biased = _mm_xor_si128(_mm512_cvtepi32_epi8(v), _mm_set1_epi8('\x80'));
  const __m128i sums = _mm_sad_epu8(biased, _mm_setzero_si128());
  return _mm_cvtsi128_si32(sums) + _mm_extract_epi32(sums, 2) - kLanes * 128;
}
// To nearest even; |a| < 2^22.
CAIRN_INLINE VI RoundToInt(VF a) { return _mm512_cvtps_epi32(a); }
CAIRN_INLINE VF ToFloat(VI a) { return _mm512_cvtepi32_ps(a); }

CAIRN_INLINE VF LoadHalf(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
CAIRN_INLINE VF BoundHalf(VF v) {  // finite values only: infinities must not become numbers
  const VF magnitude = FloatOfBits(AndI(BitsOf(v), Set1I(0x7fffffff)));
  const VF bounded = Max(Set1(-65504.0f), Min(Set1(65504.0f), v));
  return IfLess(magnitude, Set1(__builtin_inff()), bounded, v);
}
// To nearest even; finite values saturate at +-65504, others stay as they are.
CAIRN_INLINE void StoreHalf(uint16_t* p, VF v) {
  const VF bounded = BoundHalf(v);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p),
                      _mm512_cvtps_ph(bounded, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
CAIRN_INLINE VF LoadBf16(const uint16_t* p) {
  return FloatOfBits(_mm512_slli_epi32(
      _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))), 16));
}
CAIRN_INLINE VI LoadU8I(const uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
CAIRN_INLINE VF LoadS8(const int8_t* p) {
  return ToFloat(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}

CAIRN_INLINE VB LoadB(const uint8_t* p) { return _mm512_loadu_si512(p); }
CAIRN_INLINE VB BytesOf(VI v) { return v; }
// 16 bytes, for each 16 lanes of bytes the same.
CAIRN_INLINE VB LoadTable(const uint8_t* p) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
// Entries of each 16 bytes of `table` at the places of the same 16 bytes of `codes`, all < 16.
CAIRN_INLINE VB LookUp(VB table, VB codes) { return _mm512_shuffle_epi8(table, codes); }
CAIRN_INLINE VB Set1B(uint8_t x) { return _mm512_set1_epi8(static_cast<char>(x)); }
CAIRN_INLINE VB AddB(VB a, VB b) { return _mm512_add_epi8(a, b); }
CAIRN_INLINE void StoreB(uint8_t* p, VB v) { _mm512_storeu_si512(p, v); }

// Exact sums of four products of u8 weights and s8 activations per lane, added to acc. The four
// activations are the same for all lanes. Weights of up to 8 bits are taken as value + 128 where
// kWide (see matmul-inl.h); the correction starts the accumulator.
inline constexpr bool kBiasWide = true;
template <bool kWide>
CAIRN_INLINE VI Dot(VI acc, VB weights, const uint8_t* quad) {
  // GCC 12 copies the accumulators of the intrinsic in and out of the instruction.
  __asm__("vpdpbusd %2%{1to16%}, %1, %0"
          : "+v"(acc)
          : "v"(weights), "m"(*reinterpret_cast<const int32_t(*)>(quad)));
  return acc;
}
// The same with the signs the other way round: u8 that are the same for all lanes, s8 by lane.
CAIRN_INLINE VI DotUnsigned(VI acc, const uint8_t* quad, VB values) {
  int32_t four;
  __builtin_memcpy(&four, quad, 4);
  __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(_mm512_set1_epi32(four)), "v"(values));
  return acc;
}

}  // namespace cairn::kernels::CAIRN_ISA
