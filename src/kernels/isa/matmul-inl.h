// SPDX-License-Identifier: Apache-2.0
// Quantised matmul, written once for all formats and instruction sets (canonical.md, section 2).
//
// The tile. One call of Tile computes kCols columns (activation rows) for kGroups groups of 16
// outputs. Per column and group it keeps a running float sum and an integer sum of the current
// block in registers:
//   AVX-512: 1 group x 12 columns = 12 + 12 of 32 registers; the rest holds the weights of a quad,
//     a scale, a minimum, a nibble mask and temporaries. Twelve independent integer chains hide the
//     latency of the dot product (4 to 5 cycles, one or two per cycle).
//   AVX2: half a group (8 outputs) x 4 columns = 4 + 4 of 16.
// A quad (4 values of K for all outputs) is unpacked once per tile and meets all columns; the
// activations come as a broadcast of 4 bytes from one base pointer with constant offsets. With few
// rows (decode) several groups are walked at once, so that enough loads are in flight to reach the
// bandwidth of memory, with a prefetch kPrefetchBytes ahead.
//
// A format is a struct with: kLayout, kBias (subtracted from every stored integer), kWide (8 bits),
// kMinima, kSubs (sub-blocks per 32 values), Quad<j>(block, part), Scale(unit, block, sub, part),
// Minimum(unit, block, part). See matmul_q4_1.cc.
#pragma once

#include "kernels/isa/functions.h"
#include "kernels/isa/lanes-inl.h"
#include "kernels/packed_layout.h"

namespace cairn::kernels::CAIRN_ISA {

inline constexpr int kPrefetchBytes = 2560;  // measured on Ice Lake and Zen 4; see docs
inline constexpr int kLaneBytes = kLanes * 4;

#if defined(CAIRN_ISA_avx2)
inline constexpr int kMostColumns = 4;
constexpr int GroupsAtOnce(int width) { return width == 1 ? 4 : width == 2 ? 2 : 1; }
#elif defined(CAIRN_ISA_avx512)
inline constexpr int kMostColumns = 12;
constexpr int GroupsAtOnce(int width) { return width <= 2 ? 4 : width <= 4 ? 2 : 1; }
#else
inline constexpr int kMostColumns = 2;
constexpr int GroupsAtOnce(int) { return 1; }
#endif
inline constexpr int kStreamWidth = 4;  // tiles of so few rows stream their weights from memory

// --- pieces of formats ----------------------------------------------------------------------

CAIRN_INLINE VF HalfScale(const uint8_t* header, int part) {
  return LoadHalf(reinterpret_cast<const uint16_t*>(header) + part * kLanes);
}
// Quad j of 4-bit integers whose nibble vectors begin at `low`.
template <int j>
CAIRN_INLINE VB NibbleQuad(const uint8_t* low, int part) {
  const VB bytes = LoadB(low + 64 * (j % 4) + part * kLaneBytes);
  if constexpr (j < 4) {
    return AndI(bytes, Set1B(0x0f));
  } else {
    return AndI(ShiftRight<4>(bytes), Set1B(0x0f));
  }
}
// Moves the bits at position kFrom of each byte to bit 4 and masks them with kMask << 4.
template <int kFrom, int kMask>
CAIRN_INLINE VB HighBits(VB bits) {
  const VB mask = Set1B(kMask << 4);
  if constexpr (kFrom <= 4) {
    return AndI(ShiftLeft<4 - kFrom>(bits), mask);
  } else {
    return AndI(ShiftRight<kFrom - 4>(bits), mask);
  }
}
template <int j>
CAIRN_INLINE VB FiveBitQuad(const uint8_t* block, int part) {
  return OrI(NibbleQuad<j>(block + 64, part), HighBits<j, 1>(LoadB(block + part * kLaneBytes)));
}

// --- the tile -------------------------------------------------------------------------------

constexpr int Log2(int x) { return x <= 1 ? 0 : 1 + Log2(x / 2); }

// Offsets inside an activation block of a tile of kWidth rows.
template <int kWidth>
struct ActivationBlock {
  static constexpr int kScale = 32 * kWidth;
  static constexpr int kSum = 36 * kWidth;          // f32 d * sum
  static constexpr int kMinusSum = 40 * kWidth;     // int32; then of each half
  static constexpr int kBytes = kActivationBlockBytes * kWidth;
};

CAIRN_INLINE float LoadFloat(const uint8_t* p) {
  float x;
  __builtin_memcpy(&x, p, 4);
  return x;
}
CAIRN_INLINE int32_t LoadInt(const uint8_t* p) {
  int32_t x;
  __builtin_memcpy(&x, p, 4);
  return x;
}

// The integer sum of one column starts at -bias * sum of the activations, where there is a bias.
template <typename Format, int kWidth, int kSub>
CAIRN_INLINE VI StartSum(const uint8_t* activations, int column) {
  constexpr bool kCorrect = Format::kBias != 0 && (!Format::kWide || kBiasWide);
  if constexpr (!kCorrect) return ZeroI();
  constexpr int kOffset = ActivationBlock<kWidth>::kMinusSum +
                          (Format::kSubs == 2 ? (1 + kSub) * 4 * kWidth : 0);
  return ShiftLeft<Log2(Format::kBias)>(Set1I(LoadInt(activations + kOffset + 4 * column)));
}

template <typename Format, int kWidth, int kCols, int kGroups, int j>
CAIRN_INLINE void AddQuad(const uint8_t* const (&blocks)[kGroups], int part,
                          const uint8_t* activations, VI (&sums)[kGroups][kCols]) {
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) {
    const VB weights = Format::template Quad<j>(blocks[g], part);
#pragma GCC unroll 12
    for (int c = 0; c < kCols; ++c) {
      sums[g][c] = Dot<Format::kWide>(sums[g][c], weights, activations + (j * kWidth + c) * 4);
    }
  }
}

// One block of 32 values of K: integer sums, then into the running sums.
template <typename Format, int kWidth, int kCols, int kGroups, int kSub>
CAIRN_INLINE void AddSubBlock(const uint8_t* const (&units)[kGroups],
                              const uint8_t* const (&blocks)[kGroups], int block, int part,
                              const uint8_t* activations, VF (&totals)[kGroups][kCols]) {
  VI sums[kGroups][kCols];
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) {
#pragma GCC unroll 12
    for (int c = 0; c < kCols; ++c) sums[g][c] = StartSum<Format, kWidth, kSub>(activations, c);
  }
  if constexpr (Format::kSubs == 1 || kSub == 0) {
    AddQuad<Format, kWidth, kCols, kGroups, 0>(blocks, part, activations, sums);
    AddQuad<Format, kWidth, kCols, kGroups, 1>(blocks, part, activations, sums);
    AddQuad<Format, kWidth, kCols, kGroups, 2>(blocks, part, activations, sums);
    AddQuad<Format, kWidth, kCols, kGroups, 3>(blocks, part, activations, sums);
  }
  if constexpr (Format::kSubs == 1 || kSub == 1) {
    AddQuad<Format, kWidth, kCols, kGroups, 4>(blocks, part, activations, sums);
    AddQuad<Format, kWidth, kCols, kGroups, 5>(blocks, part, activations, sums);
    AddQuad<Format, kWidth, kCols, kGroups, 6>(blocks, part, activations, sums);
    AddQuad<Format, kWidth, kCols, kGroups, 7>(blocks, part, activations, sums);
  }
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) {
    const VF scale = Format::Scale(units[g], block, kSub, part);
#pragma GCC unroll 12
    for (int c = 0; c < kCols; ++c) {
      const float d = LoadFloat(activations + ActivationBlock<kWidth>::kScale + 4 * c);
      totals[g][c] = Fma(ToFloat(sums[g][c]), Mul(scale, Set1(d)), totals[g][c]);
    }
    if constexpr (Format::kMinima) {
      const VF minimum = Format::Minimum(units[g], block, part);
#pragma GCC unroll 12
      for (int c = 0; c < kCols; ++c) {
        const float s = LoadFloat(activations + ActivationBlock<kWidth>::kSum + 4 * c);
        totals[g][c] = Fma(minimum, Set1(s), totals[g][c]);
      }
    }
  }
}

// Columns [column, column + kCols) of a tile of kWidth rows, outputs of `part` of kGroups groups.
// Writes the first `valid` columns.
template <typename Format, int kWidth, int kCols, int kGroups>
CAIRN_INLINE void Tile(const uint8_t* weights, size_t group_bytes, int cols,
                       const uint8_t* activations, int part, int valid, float* out,
                       ptrdiff_t stride) {
  constexpr int kBlocks = Format::kLayout.values / kBlockValues;
  VF totals[kGroups][kCols];
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) {
#pragma GCC unroll 12
    for (int c = 0; c < kCols; ++c) totals[g][c] = Zero();
  }
  const int units = cols / Format::kLayout.values;
  const uint8_t* unit = weights;
  for (int u = 0; u < units; ++u, unit += Format::kLayout.bytes()) {
    for (int b = 0; b < kBlocks; ++b, activations += ActivationBlock<kWidth>::kBytes) {
      const uint8_t* at[kGroups];
      const uint8_t* blocks[kGroups];
#pragma GCC unroll 4
      for (int g = 0; g < kGroups; ++g) {
        at[g] = unit + static_cast<size_t>(g) * group_bytes;
        blocks[g] = at[g] + Format::kLayout.header_bytes + b * Format::kLayout.block_bytes;
        if constexpr (kWidth <= kStreamWidth) {
#pragma GCC unroll 9
          for (int line = 0; line < Format::kLayout.block_bytes; line += 64) {
            __builtin_prefetch(blocks[g] + line + kPrefetchBytes);
          }
        }
      }
      AddSubBlock<Format, kWidth, kCols, kGroups, 0>(at, blocks, b, part, activations, totals);
      if constexpr (Format::kSubs == 2) {
        AddSubBlock<Format, kWidth, kCols, kGroups, 1>(at, blocks, b, part, activations, totals);
      }
    }
  }
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) {
#pragma GCC unroll 12
    for (int c = 0; c < kCols; ++c) {
      if (c < valid) Store(out + c * stride + g * 16 + part * kLanes, totals[g][c]);
    }
  }
}

// All columns of a tile of kWidth rows, in pieces of at most kMostColumns.
template <typename Format, int kWidth, int kGroups, int kColumn = 0>
CAIRN_INLINE void TileColumns(const uint8_t* weights, size_t group_bytes, int cols,
                              const uint8_t* activations, int part, int rows, float* out,
                              ptrdiff_t stride) {
  constexpr int kCols = kWidth - kColumn < kMostColumns ? kWidth - kColumn : kMostColumns;
  Tile<Format, kWidth, kCols, kGroups>(weights, group_bytes, cols, activations + 4 * kColumn, part,
                                       rows - kColumn, out + kColumn * stride, stride);
  if constexpr (kColumn + kCols < kWidth) {
    TileColumns<Format, kWidth, kGroups, kColumn + kCols>(weights, group_bytes, cols, activations,
                                                          part, rows, out, stride);
  }
}

template <typename Format, int kWidth, int kGroups>
__attribute__((noinline)) static void TileOf(const uint8_t* weights, size_t group_bytes, int cols,
                                             const uint8_t* activations, int rows, float* out,
                                             ptrdiff_t stride) {
  for (int part = 0; part < kParts; ++part) {
    TileColumns<Format, kWidth, kGroups>(weights, group_bytes, cols, activations, part, rows, out,
                                         stride);
  }
}

// --- the loops over groups and tiles --------------------------------------------------------

template <typename Format>
CAIRN_INLINE void TileOfWidth(int width, const uint8_t* weights, size_t group_bytes, int cols,
                              const uint8_t* tile, int rows, float* out, ptrdiff_t stride) {
  switch (width) {
    case 1: return TileOf<Format, 1, 1>(weights, group_bytes, cols, tile, rows, out, stride);
    case 2: return TileOf<Format, 2, 1>(weights, group_bytes, cols, tile, rows, out, stride);
    case 3: return TileOf<Format, 3, 1>(weights, group_bytes, cols, tile, rows, out, stride);
    case 4: return TileOf<Format, 4, 1>(weights, group_bytes, cols, tile, rows, out, stride);
    case 6: return TileOf<Format, 6, 1>(weights, group_bytes, cols, tile, rows, out, stride);
    case 8: return TileOf<Format, 8, 1>(weights, group_bytes, cols, tile, rows, out, stride);
    default: return TileOf<Format, 12, 1>(weights, group_bytes, cols, tile, rows, out, stride);
  }
}

template <typename Format>
CAIRN_INLINE void MatmulBlocks(const PackedMatrix& weights, int group_begin, int group_end,
                               const std::byte* tiles, int rows, RowsView out) {
  const auto* data = reinterpret_cast<const uint8_t*>(weights.data);
  const size_t tile_bytes = static_cast<size_t>(weights.cols) / kBlockValues *
                            static_cast<size_t>(kActivationBlockBytes) * kMostTileRows;
  const size_t tile_stride = (tile_bytes + 63) / 64 * 64;
  int group = group_begin;
  const auto stream = [&]<int kWidth>() __attribute__((always_inline)) {
    constexpr int kGroups = GroupsAtOnce(kWidth);
    if constexpr (kGroups > 1) {
      for (; group + kGroups <= group_end; group += kGroups) {
        TileOf<Format, kWidth, kGroups>(data + static_cast<size_t>(group) * weights.group_bytes,
                                        weights.group_bytes, weights.cols,
                                        reinterpret_cast<const uint8_t*>(tiles), rows,
                                        out.data + (group - group_begin) * 16, out.stride);
      }
    }
  };
  switch (rows) {
    case 1: stream.template operator()<1>(); break;
    case 2: stream.template operator()<2>(); break;
    case 3: stream.template operator()<3>(); break;
    case 4: stream.template operator()<4>(); break;
    default: break;
  }
  // A group's weights stay in the first-level cache while all tiles pass.
  for (; group < group_end; ++group) {
    const uint8_t* at = data + static_cast<size_t>(group) * weights.group_bytes;
    const auto* tile = reinterpret_cast<const uint8_t*>(tiles);
    for (int row = 0; row < rows; row += kMostTileRows, tile += tile_stride) {
      const int left = rows - row < kMostTileRows ? rows - row : kMostTileRows;
      TileOfWidth<Format>(TileWidth(left), at, weights.group_bytes, weights.cols, tile, left,
                          out.row(row) + (group - group_begin) * 16, out.stride);
    }
  }
}

}  // namespace cairn::kernels::CAIRN_ISA
