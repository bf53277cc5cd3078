// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa/matmul-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct Q5_K : SuperblocksWithMinima {
  static constexpr UnitLayout kLayout = kQ5_KLayout;
  static constexpr TileShape kShape = Tiles::kQ5_K;
  static constexpr int kMost = 31;
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return FiveBitQuad<j>(block, part);
  }
};

}  // namespace

void TileQ5_K(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<Q5_K>(weights, group, rows);
}

const Expansion kExpandQ5_K = ExpansionOf<Q5_K>();

}  // namespace cairn::kernels::CAIRN_ISA
