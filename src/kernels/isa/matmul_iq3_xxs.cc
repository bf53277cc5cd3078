// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa/coded-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct IQ3_XXS : CodedWeights {
  static constexpr UnitLayout kLayout = kIQ3_XXSLayout;
  static constexpr TileShape kShape = Tiles::kIQ3_XXS;
  static constexpr int kBias = 64;
  static constexpr CodeTable kIntegers = Biased<kBias>(tensor::kIq3XxsValues);
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return LookUp(LoadTable(kIntegers.of), NibbleQuad<j>(block, part));
  }
  CAIRN_INLINE VF Scale(const uint8_t* unit, int block, int, int part) {
    return Mul(FactorOf32(unit, block, part), Set1(0.25f));
  }
};

}  // namespace

void TileIQ3_XXS(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<IQ3_XXS>(weights, group, rows);
}

const Expansion kExpandIQ3_XXS = ExpansionOf<IQ3_XXS>();

}  // namespace cairn::kernels::CAIRN_ISA
