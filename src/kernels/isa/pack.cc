// SPDX-License-Identifier: Apache-2.0
// Packs rows of activations for the matmuls (canonical.md, section 1; kernels/packed_layout.h).
#include "kernels/isa/functions.h"
#include "kernels/isa/lanes-inl.h"
#include "kernels/isa/tile_width-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

constexpr int kVectors = kBlockValues / kLanes;
constexpr int32_t kInfinityBits = 0x7f800000;
constexpr int32_t kSmallestBits = 0x1f800000;  // 2^-64

CAIRN_INLINE void PutInt(uint8_t* p, int32_t x) { __builtin_memcpy(p, &x, 4); }
CAIRN_INLINE void PutFloat(uint8_t* p, float x) { __builtin_memcpy(p, &x, 4); }

// Scales of up to 16 blocks (section 1): a lane per block.
struct Scales {
  alignas(64) float d[16];
  alignas(64) float inverse[16];
  bool finite[16];
};

// The largest magnitude of a block, as bits.
CAIRN_INLINE int32_t LargestBits(const float* x) {
  VI most = ZeroI();
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    most = MaxI(most, AndI(BitsOf(Load(x + v * kLanes)), Set1I(0x7fffffff)));
  }
  return ReduceMaxI(most);
}

// Scales of `blocks` blocks from x on, together: their divisions are what costs.
CAIRN_INLINE void FindScales(const float* x, int blocks, Scales& scales) {
  alignas(64) int32_t bits[16] = {};
  for (int b = 0; b < blocks; ++b) {
    bits[b] = LargestBits(x + b * kBlockValues);
    scales.finite[b] = bits[b] < kInfinityBits;
    // One of the two makes a block zero: its d and its integers.
    if (bits[b] < kSmallestBits || !scales.finite[b]) bits[b] = 0;
  }
  for (int b = 0; b < blocks; b += kLanes) {
    const VF m = FloatOfBits(LoadI(bits + b));
    const VF zero = Zero();
    Store(scales.d + b, Div(m, Set1(127.0f)));
    Store(scales.inverse + b, IfLess(zero, m, Div(Set1(127.0f), m), zero));
  }
}

// The integers of one block whose scale has been found.
CAIRN_INLINE void Quantise(const float* x, float inverse, bool finite, VI (&q)[kVectors]) {
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    q[v] = finite ? RoundToInt(Mul(Load(x + v * kLanes), Set1(inverse))) : ZeroI();
  }
}

// The sum of 16 integers, half 0 or 1 of the block.
CAIRN_INLINE int32_t SumOfHalf(const VI (&q)[kVectors], int half) {
  if constexpr (kParts == 1) return SumOfBytes(q[half]);
  VI sum = q[half * kParts];
#pragma GCC unroll 4
  for (int p = 1; p < kParts; ++p) sum = AddI(sum, q[half * kParts + p]);
  return ReduceAddI(sum);
}

// Packs block `x` as row `row` of a tile of `width`.
CAIRN_INLINE void PackBlock(const float* x, float d, float inverse, bool finite, int row, int width,
                            uint8_t* block) {
  VI quantised[kVectors];
  Quantise(x, inverse, finite, quantised);
  alignas(32) uint8_t q[kBlockValues];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) StoreBytes(q + v * kLanes, quantised[v]);
  const int32_t first = SumOfHalf(quantised, 0), last = SumOfHalf(quantised, 1);
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j) {
    __builtin_memcpy(block + (j * width + row) * 4, q + 4 * j, 4);
  }
  const int32_t sum = first + last;
  PutFloat(block + 32 * width + 4 * row, d);
  PutFloat(block + 36 * width + 4 * row, d * static_cast<float>(sum));
  PutInt(block + 40 * width + 4 * row, -128 * sum);
  PutInt(block + 44 * width + 4 * row, -128 * first);
  PutInt(block + 48 * width + 4 * row, -128 * last);
}

// A row of zeros in place of one that failed or is missing.
void ZeroRow(int row, int width, int blocks, uint8_t* tile) {
  for (int b = 0; b < blocks; ++b, tile += kActivationBlockBytes * width) {
    for (int at = 0; at < kActivationBlockBytes; at += 4) PutInt(tile + at * width + 4 * row, 0);
  }
}

// One row; false where a value is not finite.
template <int kWidth>
CAIRN_INLINE bool PackRow(const float* x, int row, int blocks, uint8_t* tile) {
  bool finite = true;
  Scales scales;
  for (int begin = 0; begin < blocks; begin += 16) {
    const int count = blocks - begin < 16 ? blocks - begin : 16;
    FindScales(x + begin * kBlockValues, count, scales);
    for (int b = 0; b < count; ++b) {
      finite &= scales.finite[b];
      PackBlock(x + (begin + b) * kBlockValues, scales.d[b], scales.inverse[b], scales.finite[b],
                row, kWidth,
                tile + static_cast<size_t>(begin + b) * kActivationBlockBytes * kWidth);
    }
  }
  return finite;
}

template <int kWidth>
uint32_t PackTile(ConstRowsView x, int rows, int cols, uint8_t* tile) {
  const int blocks = cols / kBlockValues;
  uint32_t failed = 0;
  for (int row = 0; row < kWidth; ++row) {
    if (row < rows && PackRow<kWidth>(x.data + row * x.stride, row, blocks, tile)) continue;
    if (row < rows) failed |= 1u << row;
    ZeroRow(row, kWidth, blocks, tile);
  }
  return failed;
}

uint32_t PackInt8(ConstRowsView x, int rows, int cols, uint8_t* tile) {
  return WithTileWidth(
      rows, [&]<int kWidth>()
                __attribute__((always_inline)) { return PackTile<kWidth>(x, rows, cols, tile); });
}

uint32_t PackFloat(ConstRowsView x, int rows, int cols, float* tile) {
  const int width = TileWidth(rows);
  uint32_t failed = 0;
  for (int row = 0; row < width; ++row) {
    const float* from = row < rows ? x.data + row * x.stride : nullptr;
    for (int k = 0; k < cols; ++k) {
      const float value = from != nullptr ? from[k] : 0.0f;
      int32_t bits;
      __builtin_memcpy(&bits, &value, 4);
      if ((bits & 0x7fffffff) >= kInfinityBits) failed |= 1u << row;
      tile[static_cast<ptrdiff_t>(k) * width + row] = value;
    }
    if ((failed >> row & 1) != 0) {
      for (int k = 0; k < cols; ++k) tile[static_cast<ptrdiff_t>(k) * width + row] = 0;
    }
  }
  return failed;
}

}  // namespace

void Remainder(const float* x, int n, float* y) {
  Scales scales;
  for (int k = 0; k < n; k += kBlockValues) {
    FindScales(x + k, 1, scales);
    VI q[kVectors];
    Quantise(x + k, scales.inverse[0], scales.finite[0], q);
    for (int v = 0; v < kVectors; ++v) {
      const VF value = Load(x + k + v * kLanes);
      Store(y + k + v * kLanes,
            scales.finite[0] ? Fma(Set1(-scales.d[0]), ToFloat(q[v]), value) : Zero());
    }
  }
}

std::uint32_t PackRows(ActivationKind kind, ConstRowsView x, int rows, int cols, std::byte* tile) {
  if (kind == ActivationKind::kInt8) {
    return PackInt8(x, rows, cols, reinterpret_cast<uint8_t*>(tile));
  }
  return PackFloat(x, rows, cols, reinterpret_cast<float*>(tile));
}

}  // namespace cairn::kernels::CAIRN_ISA
