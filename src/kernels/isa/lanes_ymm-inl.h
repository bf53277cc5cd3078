// SPDX-License-Identifier: Apache-2.0
// AVX2 with FMA and F16C: the canonical vector is two registers. What multiplies bytes is in
// lanes_avx2-inl.h and lanes_avx_vnni-inl.h. See lanes-inl.h.
#pragma once

#include <immintrin.h>

namespace cairn::kernels::CAIRN_ISA {

inline constexpr int kLanes = 8;
using VF = __m256;
using VI = __m256i;
using VB = __m256i;

CAIRN_INLINE VF Zero() { return _mm256_setzero_ps(); }
CAIRN_INLINE VF Set1(float x) { return _mm256_set1_ps(x); }
CAIRN_INLINE VF Load(const float* p) { return _mm256_loadu_ps(p); }
CAIRN_INLINE void Store(float* p, VF v) { _mm256_storeu_ps(p, v); }
CAIRN_INLINE VF Add(VF a, VF b) { return _mm256_add_ps(a, b); }
CAIRN_INLINE VF Sub(VF a, VF b) { return _mm256_sub_ps(a, b); }
CAIRN_INLINE VF Mul(VF a, VF b) { return _mm256_mul_ps(a, b); }
CAIRN_INLINE VF Div(VF a, VF b) { return _mm256_div_ps(a, b); }
CAIRN_INLINE VF Fma(VF a, VF b, VF c) { return _mm256_fmadd_ps(a, b, c); }
CAIRN_INLINE VF Max(VF a, VF b) { return _mm256_max_ps(a, b); }
CAIRN_INLINE VF Min(VF a, VF b) { return _mm256_min_ps(a, b); }
CAIRN_INLINE VF IfLess(VF a, VF b, VF x, VF y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}

CAIRN_INLINE VI ZeroI() { return _mm256_setzero_si256(); }
CAIRN_INLINE VI Set1I(int32_t x) { return _mm256_set1_epi32(x); }
CAIRN_INLINE VI LoadI(const int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
CAIRN_INLINE void StoreI(int32_t* p, VI v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
}
CAIRN_INLINE VI AddI(VI a, VI b) { return _mm256_add_epi32(a, b); }
CAIRN_INLINE VI AndI(VI a, VI b) { return _mm256_and_si256(a, b); }
CAIRN_INLINE VI OrI(VI a, VI b) { return _mm256_or_si256(a, b); }
template <int kBits>
CAIRN_INLINE VI ShiftLeft(VI a) {
  return _mm256_slli_epi32(a, kBits);
}
template <int kBits>
CAIRN_INLINE VI ShiftRight(VI a) {
  return _mm256_srli_epi32(a, kBits);
}
template <int kBits>
CAIRN_INLINE VI ShiftRightSigned(VI a) {
  return _mm256_srai_epi32(a, kBits);
}
CAIRN_INLINE VI BitsOf(VF a) { return _mm256_castps_si256(a); }
CAIRN_INLINE VF FloatOfBits(VI a) { return _mm256_castsi256_ps(a); }
CAIRN_INLINE VI MaxI(VI a, VI b) { return _mm256_max_epi32(a, b); }
CAIRN_INLINE int32_t ReduceMaxI(VI a) {
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
  return _mm_cvtsi128_si32(m);
}
CAIRN_INLINE int32_t ReduceAddI(VI a) {
  __m128i m = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  m = _mm_add_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  m = _mm_add_epi32(m, _mm_shuffle_epi32(m, 0xb1));
  return _mm_cvtsi128_si32(m);
}
CAIRN_INLINE float ReduceMax(VF a) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  m = _mm_max_ss(m, _mm_shuffle_ps(m, m, 1));
  return _mm_cvtss_f32(m);
}
CAIRN_INLINE void StoreBytes(uint8_t* p, VI v) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
}
// The low byte of each lane; values must fit u8.
CAIRN_INLINE void StoreUnsignedBytes(uint8_t* p, VI v) {
  const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
}
// The sum of lanes that fit int8.
CAIRN_INLINE int32_t SumOfBytes(VI v) { return ReduceAddI(v); }
CAIRN_INLINE VI RoundToInt(VF a) { return _mm256_cvtps_epi32(a); }
CAIRN_INLINE VF ToFloat(VI a) { return _mm256_cvtepi32_ps(a); }

CAIRN_INLINE VF LoadHalf(const uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
CAIRN_INLINE VF BoundHalf(VF v) {  // finite values only: infinities must not become numbers
  const VF magnitude = FloatOfBits(AndI(BitsOf(v), Set1I(0x7fffffff)));
  const VF bounded = Max(Set1(-65504.0f), Min(Set1(65504.0f), v));
  return IfLess(magnitude, Set1(__builtin_inff()), bounded, v);
}
CAIRN_INLINE void StoreHalf(uint16_t* p, VF v) {
  const VF bounded = BoundHalf(v);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p),
                   _mm256_cvtps_ph(bounded, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
CAIRN_INLINE VF LoadBf16(const uint16_t* p) {
  return FloatOfBits(_mm256_slli_epi32(
      _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))), 16));
}
CAIRN_INLINE VI LoadU8I(const uint8_t* p) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
}
CAIRN_INLINE VF LoadS8(const int8_t* p) {
  return ToFloat(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}

CAIRN_INLINE VB LoadB(const uint8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
CAIRN_INLINE VB BytesOf(VI v) { return v; }
CAIRN_INLINE VB LoadTable(const uint8_t* p) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
CAIRN_INLINE VB LookUp(VB table, VB codes) { return _mm256_shuffle_epi8(table, codes); }
CAIRN_INLINE VB Set1B(uint8_t x) { return _mm256_set1_epi8(static_cast<char>(x)); }

}  // namespace cairn::kernels::CAIRN_ISA
