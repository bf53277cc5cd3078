// SPDX-License-Identifier: Apache-2.0
// Matmul with float weights (canonical.md, section 3): one chain over K per output. The tile is
// that of matmul-inl.h without integer sums and without prefetch.
#include "kernels/isa/functions.h"
#include "kernels/isa/lanes-inl.h"
#include "kernels/isa/tile_shape-inl.h"
#include "kernels/isa/tile_width-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

struct F32 {
  static constexpr TileShape kShape = Tiles::kF32;
  static constexpr size_t kBytes = 4;
  CAIRN_INLINE VF Load16(const uint8_t* p) { return Load(reinterpret_cast<const float*>(p)); }
};
struct F16 {
  static constexpr TileShape kShape = Tiles::kF16;
  static constexpr size_t kBytes = 2;
  CAIRN_INLINE VF Load16(const uint8_t* p) {
    return LoadHalf(reinterpret_cast<const uint16_t*>(p));
  }
};
struct BF16 {
  static constexpr TileShape kShape = Tiles::kBF16;
  static constexpr size_t kBytes = 2;
  CAIRN_INLINE VF Load16(const uint8_t* p) {
    return LoadBf16(reinterpret_cast<const uint16_t*>(p));
  }
};

template <typename Format, int kWidth, int kCols>
CAIRN_INLINE void Tile(const uint8_t* weights, int cols, const float* activations, int part,
                       int valid, float* out, ptrdiff_t stride) {
  VF totals[kCols];
#pragma GCC unroll 12
  for (int c = 0; c < kCols; ++c) totals[c] = Zero();
  weights += static_cast<size_t>(part * kLanes) * Format::kBytes;
  for (int k = 0; k < cols; ++k, weights += 16 * Format::kBytes, activations += kWidth) {
    const VF w = Format::Load16(weights);
#pragma GCC unroll 12
    for (int c = 0; c < kCols; ++c) totals[c] = Fma(w, Set1(activations[c]), totals[c]);
  }
#pragma GCC unroll 12
  for (int c = 0; c < kCols; ++c) {
    if (c < valid) Store(out + c * stride + part * kLanes, totals[c]);
  }
}

template <typename Format, int kWidth, int kColumn = 0>
CAIRN_INLINE void TileColumns(const uint8_t* weights, int cols, const float* activations, int part,
                              int rows, float* out, ptrdiff_t stride) {
  constexpr int kMost = Format::kShape.columns;
  constexpr int kCols = kWidth - kColumn < kMost ? kWidth - kColumn : kMost;
  Tile<Format, kWidth, kCols>(weights, cols, activations + kColumn, part, rows - kColumn,
                              out + kColumn * stride, stride);
  if constexpr (kColumn + kCols < kWidth) {
    TileColumns<Format, kWidth, kColumn + kCols>(weights, cols, activations, part, rows, out,
                                                 stride);
  }
}

template <typename Format, int kWidth>
__attribute__((noinline)) void TileOf(const uint8_t* weights, int cols, const float* activations,
                                      int rows, float* out, ptrdiff_t stride) {
  for (int part = 0; part < kParts; ++part) {
    TileColumns<Format, kWidth>(weights, cols, activations, part, rows, out, stride);
  }
}

template <typename Format>
CAIRN_INLINE void TileOfRows(const PackedMatrix& weights, int group, const TileRows& rows) {
  const auto* at = reinterpret_cast<const uint8_t*>(weights.data) +
                   static_cast<size_t>(group) * weights.group_bytes;
  const auto* from = reinterpret_cast<const float*>(rows.packed);
  WithTileWidth(
      rows.rows, [&]<int kWidth>() __attribute__((always_inline)) {
        TileOf<Format, kWidth>(at, weights.cols, from, rows.rows, rows.out, rows.stride);
      });
}

}  // namespace

void TileF32(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<F32>(weights, group, rows);
}
void TileF16(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<F16>(weights, group, rows);
}
void TileBF16(const PackedMatrix& weights, int group, const TileRows& rows) {
  TileOfRows<BF16>(weights, group, rows);
}

}  // namespace cairn::kernels::CAIRN_ISA
