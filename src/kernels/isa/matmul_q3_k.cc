// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa/coded-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct Q3_K : CodedWeights {
  static constexpr UnitLayout kLayout = kQ3_KLayout;
  static constexpr TileShape kShape = Tiles::kQ3_K;
  static constexpr int kMost = 7;
  static constexpr int kBias = 4;
  static constexpr int kSubs = 2;
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return ThreeBitQuad<j>(block, part);
  }
  CAIRN_INLINE VF Scale(const uint8_t* unit, int block, int sub, int part) {
    return SignedSubScale(unit, 2 * block + sub, part);
  }
};

}  // namespace

void TileQ3_K(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<Q3_K>(weights, group, rows);
}

const Expansion kExpandQ3_K = ExpansionOf<Q3_K>();

}  // namespace cairn::kernels::CAIRN_ISA
