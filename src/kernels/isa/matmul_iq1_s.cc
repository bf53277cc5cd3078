// SPDX-License-Identifier: Apache-2.0
// An integer is 8 (digit - 1) + delta; with its bias of 9 that is the digit at bit 3 and delta + 1.
#include "kernels/isa/coded-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct IQ1_S : CodedWeights {
  static constexpr UnitLayout kLayout = kIQ1_SLayout;
  static constexpr TileShape kShape = Tiles::kIQ1_S;
  static constexpr int kBias = 9;
  template <int j>
  CAIRN_INLINE VB ScaledQuad(const uint8_t* unit, const uint8_t* block, int b, int part) {
    // 2 where delta is +1, else 0: bit 7 of the factor.
    const VI factor = LoadU8I(unit + 32 + 16 * b + part * kLanes);
    const VB delta = RepeatByte(MoveBit<7, 1>(factor));
    return OrI(TwoBitQuad<j, 3>(block, part), delta);
  }
  CAIRN_INLINE VF Scale(const uint8_t* unit, int block, int, int part) {
    const VI factor = AndI(LoadU8I(unit + 32 + 16 * block + part * kLanes), Set1I(0x7f));
    return Mul(Mul(HalfScale(unit, part), ToFloat(factor)), Set1(0.125f));
  }
};

}  // namespace

void TileIQ1_S(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<IQ1_S>(weights, group, rows);
}

const Expansion kExpandIQ1_S = ExpansionOf<IQ1_S>();

}  // namespace cairn::kernels::CAIRN_ISA
