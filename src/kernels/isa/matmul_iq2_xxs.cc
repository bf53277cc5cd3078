// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa/coded-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct IQ2_XXS : CodedWeights {
  static constexpr UnitLayout kLayout = kIQ2_XXSLayout;
  static constexpr TileShape kShape = Tiles::kIQ2_XXS;
  static constexpr int kBias = 64;
  static constexpr CodeTable kIntegers = Biased<kBias>(tensor::kIq2Values);
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return LookUp(LoadTable(kIntegers.of), ThreeBitQuad<j>(block, part));
  }
  CAIRN_INLINE VF Scale(const uint8_t* unit, int block, int, int part) {
    return Mul(FactorOf32(unit, block, part), Set1(0.125f));
  }
};

}  // namespace

void TileIQ2_XXS(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<IQ2_XXS>(weights, group, rows);
}

const Expansion kExpandIQ2_XXS = ExpansionOf<IQ2_XXS>();

}  // namespace cairn::kernels::CAIRN_ISA
