// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa/coded-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct MXFP4 : CodedWeights {
  static constexpr UnitLayout kLayout = kMXFP4Layout;
  static constexpr TileShape kShape = Tiles::kMXFP4;
  static constexpr int kMost = 28;
  static constexpr int kBias = 16;
  static constexpr CodeTable kIntegers = Biased<kBias>(tensor::kFp4Values);
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return LookUp(LoadTable(kIntegers.of), NibbleQuad<j>(block, part));
  }
  // 2^(e - 128): e - 1 becomes the exponent; for e of 0 and 1 the result is denormal and (e + 1) at
  // bit 21, which is the smaller one for all others.
  CAIRN_INLINE VF Scale(const uint8_t* unit, int, int, int part) {
    const VI e = LoadU8I(unit + part * kLanes);
    return FloatOfBits(MaxI(ShiftLeft<23>(AddI(e, Set1I(-1))), ShiftLeft<21>(AddI(e, Set1I(1)))));
  }
};

}  // namespace

void TileMXFP4(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<MXFP4>(weights, group, rows);
}

const Expansion kExpandMXFP4 = ExpansionOf<MXFP4>();

}  // namespace cairn::kernels::CAIRN_ISA
