// SPDX-License-Identifier: Apache-2.0
// TQ2_0, and TQ1_0, which is packed as it.
#include "kernels/isa/coded-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct TQ2_0 : CodedWeights {
  static constexpr UnitLayout kLayout = kTQ2_0Layout;
  static constexpr TileShape kShape = Tiles::kTQ2_0;
  static constexpr int kMost = 2;
  static constexpr int kBias = 1;
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return TwoBitQuad<j>(block, part);
  }
  CAIRN_INLINE VF Scale(const uint8_t* unit, int, int, int part) { return HalfScale(unit, part); }
};

}  // namespace

void TileTQ2_0(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<TQ2_0>(weights, group, rows);
}

const Expansion kExpandTQ2_0 = ExpansionOf<TQ2_0>();

}  // namespace cairn::kernels::CAIRN_ISA
