// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa/matmul-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct Q8_0 {
  static constexpr UnitLayout kLayout = kQ8_0Layout;
  static constexpr TileShape kShape = Tiles::kQ8_0;
  static constexpr int kBias = 128;
  static constexpr bool kWide = true;
  static constexpr bool kMinima = false;
  static constexpr int kSubs = 1;
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return LoadB(block + 64 * j + part * kLaneBytes);
  }
  CAIRN_INLINE VF Scale(const uint8_t* unit, int, int, int part) { return HalfScale(unit, part); }
};

}  // namespace

void TileQ8_0(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<Q8_0>(weights, group, rows);
}

}  // namespace cairn::kernels::CAIRN_ISA
