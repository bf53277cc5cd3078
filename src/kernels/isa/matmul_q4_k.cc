// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa/matmul-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct Q4_K {
  static constexpr UnitLayout kLayout = kQ4_KLayout;
  static constexpr int kBias = 0;
  static constexpr bool kWide = false;
  static constexpr bool kMinima = true;
  static constexpr int kSubs = 1;
  template <int j>
  CAIRN_INLINE VB Quad(const uint8_t* block, int part) {
    return NibbleQuad<j>(block, part);
  }
  CAIRN_INLINE VF Scale(const uint8_t* unit, int block, int, int part) {
    return Mul(HalfScale(unit, part), LoadU8(unit + 64 + 16 * block + part * kLanes));
  }
  CAIRN_INLINE VF Minimum(const uint8_t* unit, int block, int part) {
    const VF minimum = LoadU8(unit + 192 + 16 * block + part * kLanes);
    return Sub(Zero(), Mul(HalfScale(unit + 32, part), minimum));
  }
};

}  // namespace

void TileQ4_K(const PackedMatrix& weights, int group, const std::byte* tile, int rows, float* out,
              std::ptrdiff_t stride) {
  TileOfRows<Q4_K>(weights, group, tile, rows, out, stride);
}

}  // namespace cairn::kernels::CAIRN_ISA
