// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa/coded-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct IQ3_S : CodedWeights {
  static constexpr UnitLayout kLayout = kIQ3_SLayout;
  static constexpr TileShape kShape = Tiles::kIQ3_S;
  static constexpr int kBias = 16;
  static constexpr CodeTable kIntegers = Biased<kBias>(tensor::kIq3SValues);
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return LookUp(LoadTable(kIntegers.of), NibbleQuad<j>(block, part));
  }
  CAIRN_INLINE VF Scale(const uint8_t* unit, int block, int, int part) {
    return FactorOf32(unit, block, part);
  }
};

}  // namespace

void TileIQ3_S(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<IQ3_S>(weights, group, rows);
}

const Expansion kExpandIQ3_S = ExpansionOf<IQ3_S>();

}  // namespace cairn::kernels::CAIRN_ISA
