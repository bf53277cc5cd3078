// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa/coded-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct IQ4_NL : CodedWeights {
  static constexpr UnitLayout kLayout = kIQ4_NLLayout;
  static constexpr TileShape kShape = Tiles::kIQ4_NL;
  static constexpr int kBias = 128;
  static constexpr bool kWide = true;
  static constexpr CodeTable kIntegers = Biased<kBias>(tensor::kIq4Values);
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return LookUp(LoadTable(kIntegers.of), NibbleQuad<j>(block, part));
  }
  CAIRN_INLINE VF Scale(const uint8_t* unit, int, int, int part) { return HalfScale(unit, part); }
};

}  // namespace

void TileIQ4_NL(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<IQ4_NL>(weights, group, rows);
}

const Expansion kExpandIQ4_NL = ExpansionOf<IQ4_NL>();

}  // namespace cairn::kernels::CAIRN_ISA
