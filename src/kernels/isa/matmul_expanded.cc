// SPDX-License-Identifier: Apache-2.0
// Tiles over expanded groups (matmul-inl.h), as if they were formats of their own. Nothing is left
// to unpack: per column and block 8 dot products, a conversion, a product and a fused product (two
// with minima), 8 of 11 (12) slots of the units that do them. Only for instruction sets whose
// formats have an Expansion.
#include "kernels/isa/matmul-inl.h"

#if defined(CAIRN_ISA_avx512)
namespace cairn::kernels::CAIRN_ISA {
namespace {

template <int kScales, bool kWithMinima>
struct Expanded {
  static constexpr UnitLayout kLayout{kBlockValues, 0, kExpandedBlockBytes};
  static constexpr TileShape kShape{Tiles::kQ8_0.columns, 0};
  static constexpr int kBias = kWithMinima ? 0 : 128;
  static constexpr bool kWide = !kWithMinima;
  static constexpr bool kMinima = kWithMinima;
  static constexpr int kSubs = kScales;
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return LoadB(block + 64 * j + part * kLaneBytes);
  }
  CAIRN_INLINE VF Vector(const uint8_t* unit, int index, int part) {
    return Load(reinterpret_cast<const float*>(unit + kExpandedScales + 64 * index) +
                part * kLanes);
  }
  CAIRN_INLINE VF Scale(const uint8_t* unit, int, int sub, int part) {
    return Vector(unit, sub, part);
  }
  CAIRN_INLINE VF Minimum(const uint8_t* unit, int, int part) { return Vector(unit, 1, part); }
};

}  // namespace

void TileExpanded(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<Expanded<1, false>>(weights, group, rows);
}
void TileExpandedMinima(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<Expanded<1, true>>(weights, group, rows);
}
void TileExpandedHalves(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<Expanded<2, false>>(weights, group, rows);
}

}  // namespace cairn::kernels::CAIRN_ISA
#endif
