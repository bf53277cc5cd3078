// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa/coded-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct NVFP4 : CodedWeights {
  static constexpr UnitLayout kLayout = kNVFP4Layout;
  static constexpr TileShape kShape = Tiles::kNVFP4;
  static constexpr int kMost = 28;
  static constexpr int kBias = 16;
  static constexpr int kSubs = 2;
  static constexpr CodeTable kIntegers = Biased<kBias>(tensor::kFp4Values);
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return LookUp(LoadTable(kIntegers.of), NibbleQuad<j>(block, part));
  }
  // Half of an E4M3 of 7 bits: exponent and mantissa move into place. Where the exponent is 0, one
  // more in it makes 1 + mantissa / 8 times 2^-7, from which the 1 is taken again.
  CAIRN_INLINE VF Scale(const uint8_t* unit, int block, int sub, int part) {
    const VI d = LoadU8I(unit + 16 * (2 * block + sub) + part * kLanes);
    const VI moved = ShiftLeft<20>(d);
    const VF normal = FloatOfBits(AddI(moved, Set1I(119 << 23)));
    const VF small = Sub(FloatOfBits(AddI(moved, Set1I(120 << 23))), Set1(0x1p-7f));
    return IfLess(ToFloat(d), Set1(8.0f), small, normal);
  }
};

}  // namespace

void TileNVFP4(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<NVFP4>(weights, group, rows);
}

const Expansion kExpandNVFP4 = ExpansionOf<NVFP4>();

}  // namespace cairn::kernels::CAIRN_ISA
