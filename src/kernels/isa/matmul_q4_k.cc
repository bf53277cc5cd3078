// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa/matmul-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct Q4_K : SuperblocksWithMinima {
  static constexpr UnitLayout kLayout = kQ4_KLayout;
  static constexpr TileShape kShape = Tiles::kQ4_K;
  static constexpr int kMost = 15;
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return NibbleQuad<j>(block, part);
  }
};

}  // namespace

void TileQ4_K(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<Q4_K>(weights, group, rows);
}

const Expansion kExpandQ4_K = ExpansionOf<Q4_K>();

}  // namespace cairn::kernels::CAIRN_ISA
