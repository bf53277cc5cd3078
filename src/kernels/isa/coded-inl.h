// SPDX-License-Identifier: Apache-2.0
// Pieces of formats whose weights are codes of a few bits: two and three bits, and tables of 16
// bytes that turn a code into its integer plus a bias. Included as matmul-inl.h is.
// Threads: constants and pure functions.
#pragma once

#include "kernels/isa/matmul-inl.h"
#include "tensor/code_values.h"

namespace cairn::kernels::CAIRN_ISA {

// What most of them are: one scale per block, integers below 128 with their bias, no minima.
struct CodedWeights {
  static constexpr bool kWide = false;
  static constexpr bool kMinima = false;
  static constexpr int kSubs = 1;
};

// Moves the bits at position kFrom of each byte to kTo and masks them with kMask << kTo.
template <int kFrom, int kTo, int kMask>
CAIRN_INLINE VB MoveBits(VB bits) {
  const VB mask = Set1B(kMask << kTo);
  if constexpr (kFrom == kTo) {
    return AndI(bits, mask);
  } else if constexpr (kFrom < kTo) {
    return AndI(ShiftLeft<kTo - kFrom>(bits), mask);
  } else {
    return AndI(ShiftRight<kFrom - kTo>(bits), mask);
  }
}

// The same for one bit of each lane.
template <int kFrom, int kTo>
CAIRN_INLINE VI MoveBit(VI bits) {
  if constexpr (kFrom < kTo) bits = ShiftLeft<kTo - kFrom>(bits);
  if constexpr (kFrom > kTo) bits = ShiftRight<kFrom - kTo>(bits);
  return AndI(bits, Set1I(1 << kTo));
}

// Quad j of 2-bit integers whose vectors begin at `low`, moved to bit kTo.
template <int j, int kTo = 0>
CAIRN_INLINE VB TwoBitQuad(const uint8_t* low, int part) {
  return MoveBits<2 * (j % 4), kTo, 3>(LoadB(low + 64 * (j / 4) + part * kLaneBytes));
}
template <int j>
CAIRN_INLINE VB ThreeBitQuad(const uint8_t* block, int part) {
  return OrI(TwoBitQuad<j>(block + 64, part), MoveBits<j, 2, 1>(LoadB(block + part * kLaneBytes)));
}

// The integers of codes, kBias added so that none is negative.
struct CodeTable {
  alignas(16) uint8_t of[16];
};
template <int kBias>
constexpr CodeTable Biased(const tensor::CodeValues& values) {
  CodeTable table{};
  for (int code = 0; code < 16; ++code) {
    table.of[code] = static_cast<uint8_t>(values.of[code] + kBias);
  }
  return table;
}

// A byte in each lane, repeated in the lane's four bytes.
CAIRN_INLINE VB RepeatByte(VI v) {
  const VI two = OrI(v, ShiftLeft<8>(v));
  return BytesOf(OrI(two, ShiftLeft<16>(two)));
}

// The scale of a superblock, in halves.
CAIRN_INLINE VF SignedSubScale(const uint8_t* unit, int index, int part) {
  const uint8_t* scales = unit + 32 + 16 * index + part * kLanes;
  return Mul(HalfScale(unit, part), LoadS8(reinterpret_cast<const int8_t*>(scales)));
}
// d times a stored factor of each 32 values.
CAIRN_INLINE VF FactorOf32(const uint8_t* unit, int block, int part) {
  return Mul(HalfScale(unit, part), LoadU8(unit + 32 + 16 * block + part * kLanes));
}
// d (2 s + 1) / 8 with s of half `sub` of a block in a nibble.
CAIRN_INLINE VF FactorOf16(const uint8_t* unit, int block, int sub, int part) {
  const VI nibbles = LoadU8I(unit + 32 + 16 * block + part * kLanes);
  const VI twice = sub == 0 ? ShiftLeft<1>(nibbles) : ShiftRight<3>(nibbles);
  const VI factor = AddI(AndI(twice, Set1I(30)), Set1I(1));
  return Mul(Mul(HalfScale(unit, part), ToFloat(factor)), Set1(0.125f));
}

}  // namespace cairn::kernels::CAIRN_ISA
