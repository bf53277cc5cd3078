// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa/matmul-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct Q5_1 : HalvesWithMinima {
  static constexpr UnitLayout kLayout = kQ5_1Layout;
  static constexpr TileShape kShape = Tiles::kQ5_1;
  static constexpr int kMost = 31;
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return FiveBitQuad<j>(block, part);
  }
};

}  // namespace

void TileQ5_1(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<Q5_1>(weights, group, rows);
}

const Expansion kExpandQ5_1 = ExpansionOf<Q5_1>();

}  // namespace cairn::kernels::CAIRN_ISA
