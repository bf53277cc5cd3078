// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa/matmul-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct Q6_K {
  static constexpr UnitLayout kLayout = kQ6_KLayout;
  static constexpr TileShape kShape = Tiles::kQ6_K;
  static constexpr int kMost = 63;
  static constexpr int kBias = 32;
  static constexpr bool kWide = false;
  static constexpr bool kMinima = false;
  static constexpr int kSubs = 2;
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return OrI(NibbleQuad<j>(block + 128, part),
               HighBits<2 * (j % 4), 3>(LoadB(block + 64 * (j / 4) + part * kLaneBytes)));
  }
  CAIRN_INLINE VF Scale(const uint8_t* unit, int block, int sub, int part) {
    const uint8_t* scales = unit + 32 + 16 * (2 * block + sub) + part * kLanes;
    return Mul(HalfScale(unit, part), LoadS8(reinterpret_cast<const int8_t*>(scales)));
  }
};

}  // namespace

void TileQ6_K(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<Q6_K>(weights, group, rows);
}

const Expansion kExpandQ6_K = ExpansionOf<Q6_K>();

}  // namespace cairn::kernels::CAIRN_ISA
