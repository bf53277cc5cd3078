// SPDX-License-Identifier: Apache-2.0
// IQ2_S, and IQ2_XS, which is packed as it.
#include "kernels/isa/coded-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct IQ2_S : CodedWeights {
  static constexpr UnitLayout kLayout = kIQ2_SLayout;
  static constexpr TileShape kShape = Tiles::kIQ2_S;
  static constexpr int kBias = 64;
  static constexpr int kSubs = 2;
  static constexpr CodeTable kIntegers = Biased<kBias>(tensor::kIq2Values);
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return LookUp(LoadTable(kIntegers.of), ThreeBitQuad<j>(block, part));
  }
  CAIRN_INLINE VF Scale(const uint8_t* unit, int block, int sub, int part) {
    return FactorOf16(unit, block, sub, part);
  }
};

}  // namespace

void TileIQ2_S(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<IQ2_S>(weights, group, rows);
}

const Expansion kExpandIQ2_S = ExpansionOf<IQ2_S>();

}  // namespace cairn::kernels::CAIRN_ISA
