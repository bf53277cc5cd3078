// SPDX-License-Identifier: Apache-2.0
// Packs rows of activations for the matmuls (canonical.md, section 1; kernels/packed_layout.h).
#include "kernels/isa/functions.h"
#include "kernels/isa/lanes-inl.h"

namespace cairn::kernels::CAIRN_ISA {
namespace {

constexpr int kVectors = kBlockValues / kLanes;
constexpr int32_t kInfinityBits = 0x7f800000;
constexpr int32_t kSmallestBits = 0x1f800000;  // 2^-64

CAIRN_INLINE void PutInt(uint8_t* p, int32_t x) { __builtin_memcpy(p, &x, 4); }
CAIRN_INLINE void PutFloat(uint8_t* p, float x) { __builtin_memcpy(p, &x, 4); }

// The integers of one block and their scale (section 1).
struct Quantised {
  VI q[kVectors];
  float d;
  bool finite;
};
CAIRN_INLINE Quantised Quantise(const float* x) {
  Quantised block;
  VF values[kVectors];
  VI most = ZeroI();
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    values[v] = Load(x + v * kLanes);
    most = MaxI(most, AndI(BitsOf(values[v]), Set1I(0x7fffffff)));
    block.q[v] = ZeroI();
  }
  const int32_t bits = ReduceMaxI(most);
  block.d = 0;
  block.finite = bits < kInfinityBits;
  if (bits < kSmallestBits || !block.finite) return block;
  float m;
  __builtin_memcpy(&m, &bits, 4);
  block.d = m / 127.0f;
  const VF inverse = Set1(127.0f / m);
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) block.q[v] = RoundToInt(Mul(values[v], inverse));
  return block;
}

// Packs block `x` as row `row` of a tile of `width`; returns false where a value is not finite.
CAIRN_INLINE bool PackBlock(const float* x, int row, int width, uint8_t* block) {
  const Quantised quantised = Quantise(x);
  uint8_t q[kBlockValues];
  int32_t halves[2] = {0, 0};
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    StoreBytes(q + v * kLanes, quantised.q[v]);
    halves[v * kLanes / 16] += ReduceAddI(quantised.q[v]);
  }
  const float d = quantised.d;
  for (int j = 0; j < 8; ++j) {
    __builtin_memcpy(block + (j * width + row) * 4, q + 4 * j, 4);
  }
  const int32_t sum = halves[0] + halves[1];
  PutFloat(block + 32 * width + 4 * row, d);
  PutFloat(block + 36 * width + 4 * row, d * static_cast<float>(sum));
  PutInt(block + 40 * width + 4 * row, -sum);
  PutInt(block + 44 * width + 4 * row, -halves[0]);
  PutInt(block + 48 * width + 4 * row, -halves[1]);
  return quantised.finite;
}

// A row of zeros in place of one that failed or is missing.
void ZeroRow(int row, int width, int blocks, uint8_t* tile) {
  for (int b = 0; b < blocks; ++b, tile += kActivationBlockBytes * width) {
    for (int at = 0; at < kActivationBlockBytes; at += 4) PutInt(tile + at * width + 4 * row, 0);
  }
}

uint32_t PackInt8(ConstRowsView x, int rows, int cols, uint8_t* tile) {
  const int width = TileWidth(rows);
  const int blocks = cols / kBlockValues;
  uint32_t failed = 0;
  for (int row = 0; row < rows; ++row) {
    bool finite = true;
    const float* from = x.data + row * x.stride;
    for (int b = 0; b < blocks; ++b) {
      finite &= PackBlock(from + b * kBlockValues, row, width,
                          tile + static_cast<size_t>(b) * kActivationBlockBytes * width);
    }
    if (!finite) {
      failed |= 1u << row;
      ZeroRow(row, width, blocks, tile);
    }
  }
  for (int row = rows; row < width; ++row) ZeroRow(row, width, blocks, tile);
  return failed;
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
  for (int k = 0; k < n; k += kBlockValues) {
    const Quantised block = Quantise(x + k);
    for (int v = 0; v < kVectors; ++v) {
      const VF value = Load(x + k + v * kLanes);
      Store(y + k + v * kLanes,
            block.finite ? Fma(Set1(-block.d), ToFloat(block.q[v]), value) : Zero());
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
