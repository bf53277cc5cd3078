// SPDX-License-Identifier: Apache-2.0
// Products of bytes on AVX-VNNI: the dot products of AVX-512 VNNI on the registers of AVX2, as
// processors have them that lack AVX-512 (Intel's since 2021). See lanes-inl.h.
#pragma once

#include "kernels/isa/lanes_ymm-inl.h"

namespace cairn::kernels::CAIRN_ISA {

// u8 that differ by lane times s8, added to acc four at a time, exactly.
CAIRN_INLINE VI AddProducts(VI acc, VB u8, VB s8) {
  // GCC 12 copies the accumulators of the intrinsic in and out of the instruction.
  __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(u8), "x"(s8));
  return acc;
}
CAIRN_INLINE VB SameQuad(const uint8_t* quad) {
  int32_t four;
  __builtin_memcpy(&four, quad, 4);
  return _mm256_set1_epi32(four);
}

// As on AVX-512: weights of 8 bits are value + 128, and the correction starts the accumulator.
inline constexpr bool kBiasWide = true;
template <bool kWide>
CAIRN_INLINE VI Dot(VI acc, VB weights, const uint8_t* quad) {
  return AddProducts(acc, weights, SameQuad(quad));
}
CAIRN_INLINE VI DotUnsigned(VI acc, const uint8_t* quad, VB values) {
  return AddProducts(acc, SameQuad(quad), values);
}

}  // namespace cairn::kernels::CAIRN_ISA
