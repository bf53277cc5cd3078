// SPDX-License-Identifier: Apache-2.0
#include "kernels/isa/coded-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct Q2_K : CodedWeights {
  static constexpr UnitLayout kLayout = kQ2_KLayout;
  static constexpr TileShape kShape = Tiles::kQ2_K;
  static constexpr int kMost = 45;
  static constexpr int kBias = 0;
  CAIRN_INLINE VI ScaleBytes(const uint8_t* unit, int half, int part) {
    return LoadU8I(unit + 64 + 16 * half + part * kLanes);
  }
  // The integer times its sub-scale, at most 45: each row's four products are in its lane of a
  // table, in the order 0, 1, 2 and 3 times.
  template <int j>
  CAIRN_INLINE VB ScaledQuad(const uint8_t* unit, const uint8_t* block, int b, int part) {
    alignas(16) static constexpr uint8_t kLane[16] = {0, 0, 0, 0, 4,  4,  4,  4,
                                                      8, 8, 8, 8, 12, 12, 12, 12};
    const VI once = AndI(ScaleBytes(unit, 2 * b + j / 4, part), Set1I(15));
    const VI low = ShiftLeft<8>(once);
    const VI high = AddI(ShiftLeft<24>(once), ShiftLeft<25>(once));
    const VI products = AddI(AddI(low, ShiftLeft<9>(low)), high);
    return LookUp(BytesOf(products), OrI(TwoBitQuad<j>(block, part), LoadTable(kLane)));
  }
  CAIRN_INLINE VF Scale(const uint8_t* unit, int, int, int part) { return HalfScale(unit, part); }
  // The sum of both halves' minima times minus their activations: integers below 2^24 times 128,
  // so that floats are exact.
  template <int kWidth, int kCols>
  CAIRN_INLINE void AddMinima(const uint8_t* unit, int b, int part, const uint8_t* activations,
                              VF (&totals)[kCols]) {
    using Block = ActivationBlock<kWidth>;
    const VF first = ToFloat(ShiftRight<4>(ScaleBytes(unit, 2 * b, part)));
    const VF last = ToFloat(ShiftRight<4>(ScaleBytes(unit, 2 * b + 1, part)));
    // What stands there is 128 times the sums; the power of two leaves every rounding as it is.
    const VF scale = Mul(HalfScale(unit + 32, part), Set1(0x1p-7f));
    const uint8_t* sums = activations + Block::kCorrection;
#pragma GCC unroll 12
    for (int c = 0; c < kCols; ++c) {
      const VF first_sum = ToFloat(Set1I(LoadInt(sums + 4 * (kWidth + c))));
      const VF last_sum = ToFloat(Set1I(LoadInt(sums + 4 * (2 * kWidth + c))));
      const VF d = Set1(LoadFloat(activations + Block::kScale + 4 * c));
      totals[c] = Fma(Fma(last, last_sum, Mul(first, first_sum)), Mul(scale, d), totals[c]);
    }
  }
};

}  // namespace

void TileQ2_K(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<Q2_K>(weights, group, rows);
}

}  // namespace cairn::kernels::CAIRN_ISA
