// SPDX-License-Identifier: Apache-2.0
// Integers as in IQ1_S, with a delta for each eight of them.
#include "kernels/isa/coded-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct IQ1_M : CodedWeights {
  static constexpr UnitLayout kLayout = kIQ1_MLayout;
  static constexpr TileShape kShape = Tiles::kIQ1_M;
  static constexpr int kBias = 9;
  static constexpr int kSubs = 2;
  template <int j>
  CAIRN_INLINE VB ScaledQuad(const uint8_t* unit, const uint8_t* block, int b, int part) {
    // 2 where delta of the group of eight, which is two quads, is +1, else 0.
    const VI raised = LoadU8I(unit + 160 + 16 * b + part * kLanes);
    return OrI(TwoBitQuad<j, 3>(block, part), RepeatByte(MoveBit<j / 2, 1>(raised)));
  }
  CAIRN_INLINE VF Scale(const uint8_t* unit, int block, int sub, int part) {
    return FactorOf16(unit, block, sub, part);
  }
};

}  // namespace

void TileIQ1_M(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<IQ1_M>(weights, group, rows);
}

const Expansion kExpandIQ1_M = ExpansionOf<IQ1_M>();

}  // namespace cairn::kernels::CAIRN_ISA
