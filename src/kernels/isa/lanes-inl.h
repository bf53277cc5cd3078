// SPDX-License-Identifier: Apache-2.0
// The vectors in which every kernel is written once.
//
// The canonical vector has 16 lanes (docs/canonical.md). An instruction set holds it in kParts
// vectors of kLanes: one of 16 (AVX-512), two of 8 (AVX2, AVX-VNNI) or four of 4 (NEON, portable).
// VF are floats, VI int32, VB 4 * kLanes bytes. All functions round as IEEE says; Fma rounds once.
//
// Included only by src/kernels/isa/*.cc, which are compiled once per instruction set into
// namespace cairn::kernels::CAIRN_ISA. Nothing from std:: is inline here: a weak symbol compiled
// for AVX-512 must never be picked for the whole program (docs/decisions/0002-sixteen-lanes.md).
// Threads: pure functions.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CAIRN_INLINE static inline __attribute__((always_inline))

#if defined(CAIRN_ISA_avx512)
#include "kernels/isa/lanes_avx512-inl.h"
#elif defined(CAIRN_ISA_avx_vnni)
#include "kernels/isa/lanes_avx_vnni-inl.h"
#elif defined(CAIRN_ISA_avx2)
#include "kernels/isa/lanes_avx2-inl.h"
#elif defined(CAIRN_ISA_neon)
#include "kernels/isa/lanes_neon-inl.h"
#else
#include "kernels/isa/lanes_portable-inl.h"
#endif

namespace cairn::kernels::CAIRN_ISA {

inline constexpr int kParts = 16 / kLanes;

CAIRN_INLINE VF LoadU8(const uint8_t* p) { return ToFloat(LoadU8I(p)); }
CAIRN_INLINE VF Neg(VF a) {  // flips the sign bit, of zeros too
  return FloatOfBits(AddI(BitsOf(a), Set1I(static_cast<int32_t>(0x80000000u))));
}

CAIRN_INLINE float First(VF v) {  // lane 0
  alignas(64) float lanes[kLanes];
  Store(lanes, v);
  return lanes[0];
}
CAIRN_INLINE VF Lanes() {  // 0, 1, 2, ...
  alignas(64) static constexpr float kIndex[16] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                   8, 9, 10, 11, 12, 13, 14, 15};
  return Load(kIndex);
}

// Loads n < kLanes floats, the other lanes are 0.
CAIRN_INLINE VF LoadFirst(const float* p, int n) {
  alignas(64) float lanes[kLanes] = {};
  for (int i = 0; i < n; ++i) lanes[i] = p[i];
  return Load(lanes);
}
CAIRN_INLINE void StoreFirst(float* p, VF v, int n) {
  alignas(64) float lanes[kLanes];
  Store(lanes, v);
  for (int i = 0; i < n; ++i) p[i] = lanes[i];
}

// AVX2 alone adds products up in 16 bits, kNarrowSum at most, before it widens them.
#if !defined(CAIRN_ISA_avx2)
inline constexpr int kNarrowSum = 0;
VB DotNarrow(VB weights, const uint8_t* quad);
VB AddNarrow(VB a, VB b);
VI Widen(VI acc, VB narrow);
#endif

// Joins 16 running sums by the fixed tree.
CAIRN_INLINE float SumTree(const VF (&parts)[kParts]) {
  alignas(64) float lanes[16];
  for (int p = 0; p < kParts; ++p) Store(lanes + p * kLanes, parts[p]);
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] = lanes[i] + lanes[i + half];
  }
  return lanes[0];
}

}  // namespace cairn::kernels::CAIRN_ISA
