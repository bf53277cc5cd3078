// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa/matmul-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct Q5_0 {
  static constexpr UnitLayout kLayout = kQ5_0Layout;
  static constexpr TileShape kShape = Tiles::kQ5_0;
  static constexpr int kMost = 31;
  static constexpr int kBias = 16;
  static constexpr bool kWide = false;
  static constexpr bool kMinima = false;
  static constexpr int kSubs = 1;
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return FiveBitQuad<j>(block, part);
  }
  CAIRN_INLINE VF Scale(const uint8_t* unit, int, int, int part) { return HalfScale(unit, part); }
};

}  // namespace

void TileQ5_0(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<Q5_0>(weights, group, rows);
}

const Expansion kExpandQ5_0 = ExpansionOf<Q5_0>();

}  // namespace cairn::kernels::CAIRN_ISA
