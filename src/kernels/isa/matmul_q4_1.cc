// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa/matmul-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct Q4_1 : HalvesWithMinima {
  static constexpr UnitLayout kLayout = kQ4_1Layout;
  static constexpr TileShape kShape = Tiles::kQ4_1;
  static constexpr int kMost = 15;
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return NibbleQuad<j>(block, part);
  }
};

}  // namespace

void TileQ4_1(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<Q4_1>(weights, group, rows);
}

const Expansion kExpandQ4_1 = ExpansionOf<Q4_1>();

}  // namespace cairn::kernels::CAIRN_ISA
