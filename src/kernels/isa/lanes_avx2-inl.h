// SPDX-License-Identifier: Apache-2.0
// Products of bytes on AVX2 alone, which has no dot product. See lanes-inl.h.
#pragma once

#include "kernels/isa/lanes_ymm-inl.h"

namespace cairn::kernels::CAIRN_ISA {

// maddubs adds two products in 16 bits: exact while weights have at most 7 bits (2 * 127 * 127 <
// 2^15).
// Wide weights (8 bits, stored + 128) use their sign instead: |w| <= 128, 2 * 128 * 127 < 2^15.
inline constexpr bool kBiasWide = false;
template <bool kWide>
CAIRN_INLINE VI Dot(VI acc, VB weights, const uint8_t* quad) {
  int32_t four;
  __builtin_memcpy(&four, quad, 4);
  VB activations = _mm256_set1_epi32(four);
  if constexpr (kWide) {
    const VB w = _mm256_xor_si256(weights, Set1B(0x80));
    activations = _mm256_sign_epi8(activations, w);
    weights = _mm256_abs_epi8(w);
  }
  const __m256i pairs = _mm256_maddubs_epi16(weights, activations);
  return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// Products of several quads may be added up in 16 bits while they fit, and widened together: of
// four instructions for each quad two are left.
inline constexpr int kNarrowSum = 32767;
CAIRN_INLINE VB DotNarrow(VB weights, const uint8_t* quad) {
  int32_t four;
  __builtin_memcpy(&four, quad, 4);
  return _mm256_maddubs_epi16(weights, _mm256_set1_epi32(four));
}
CAIRN_INLINE VB AddNarrow(VB a, VB b) { return _mm256_add_epi16(a, b); }
CAIRN_INLINE VI Widen(VI acc, VB narrow) {
  return _mm256_add_epi32(acc, _mm256_madd_epi16(narrow, _mm256_set1_epi16(1)));
}

// The same with the signs the other way round: u8 that are the same for all lanes, s8 by lane. In
// 16 bits, since 2 * 255 * 127 does not fit maddubs: bytes 0 and 2 of each four, then 1 and 3.
CAIRN_INLINE VI DotUnsigned(VI acc, const uint8_t* quad, VB values) {
  int32_t four;
  __builtin_memcpy(&four, quad, 4);
  const __m256i weights = _mm256_set1_epi32(four);
  const __m256i even = _mm256_madd_epi16(_mm256_and_si256(weights, _mm256_set1_epi16(0xff)),
                                         _mm256_srai_epi16(_mm256_slli_epi16(values, 8), 8));
  const __m256i odd =
      _mm256_madd_epi16(_mm256_srli_epi16(weights, 8), _mm256_srai_epi16(values, 8));
  return _mm256_add_epi32(acc, _mm256_add_epi32(even, odd));
}

}  // namespace cairn::kernels::CAIRN_ISA
