// SPDX-License-Identifier: Apache-2.0
// The tile of a quantised matmul, written once for all formats and instruction sets (canonical.md,
// section 2). The loops over groups and rows are in matmul.cc.
//
// The tile. How many columns it has and how far ahead it asks for weights stands in tile_table.h,
// by instruction set and format. One call of Tile computes kCols columns (activation rows) for one
// group of 16 outputs (AVX2: half a group; NEON, portable: a quarter). Per column it keeps a
// running float sum and an integer sum of the current block in registers:
//   AVX-512: 12 columns = 12 + 12 of 32 registers; the rest holds the weights of a quad, a scale, a
//     minimum, a nibble mask and temporaries. Twelve independent integer chains hide the latency of
//     the dot product (4 to 5 cycles, one per cycle).
//   AVX2: half a group (8 outputs) x 4 columns = 4 + 4 of 16.
//   NEON: a quarter of a group (4 outputs) x 12 columns = 12 + 12 of 32, as AVX-512.
//   Portable: a quarter of a group x 4 columns; 2, 3 and 6 columns measure slower on SSE2.
// A quad (4 values of K for all outputs) is unpacked once per tile and meets all columns; the
// activations come as a broadcast of 4 bytes from one base pointer with constant offsets.
// What is left of the peak on Zen 4: per column and block 8 dot products, and one product and one
// fused product (two with minima) that want the same units: at best 80 % (73 %) of the peak. On
// Intel the same two ports also convert the sum and unpack the weights: many rows meet weights that
// were expanded before (below), at best 8 of 11 slots, 73 % (8 of 12, 67 %); measured are 73 % for
// Q5_0 and 67 % for Q4_1.
//
// Few rows (decode) are bound by memory. Groups lie behind each other, so that the walk is one
// stream, with a prefetch that runs over the ends of groups. Walking four groups at once, which
// paid on Ice Lake, halves the bandwidth on Zen 4 (17 of 31 GB/s), and so does a layout with a
// group's headers apart from its integers.
//
// A format is a struct with: kLayout, kShape (its row of the table), kBias (subtracted from every
// stored integer), kWide (8 bits), kMost (the largest stored integer, where it is below 64),
// kMinima, kSubs (sub-blocks per 32 values), Quad<j>(block, part), Scale(unit, block, sub, part),
// Minimum(unit, block, part). See matmul_q4_1.cc. Instead of Quad it may have
// ScaledQuad<j>(unit, block, b, part), which also reads the header, and instead of Minimum
// AddMinima, which adds the minima of a block itself: see matmul_q2_k.cc.
#pragma once

#include "kernels/isa/functions.h"
#include "kernels/isa/lanes-inl.h"
#include "kernels/isa/tile_shape-inl.h"
#include "kernels/isa/tile_width-inl.h"
#include "kernels/packed_layout.h"

namespace cairn::kernels::CAIRN_ISA {

inline constexpr int kLaneBytes = kLanes * 4;

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

// What formats with minima share: halves for each row, or for K formats halves of a superblock
// times the bytes of a block.
struct HalvesWithMinima {
  static constexpr int kBias = 0;
  static constexpr bool kWide = false;
  static constexpr bool kMinima = true;
  static constexpr int kSubs = 1;
  CAIRN_INLINE VF Scale(const uint8_t* unit, int, int, int part) { return HalfScale(unit, part); }
  CAIRN_INLINE VF Minimum(const uint8_t* unit, int, int part) { return HalfScale(unit + 32, part); }
};
struct SuperblocksWithMinima : HalvesWithMinima {
  CAIRN_INLINE VF Scale(const uint8_t* unit, int block, int, int part) {
    return Mul(HalfScale(unit, part), LoadU8(unit + 64 + 16 * block + part * kLanes));
  }
  CAIRN_INLINE VF Minimum(const uint8_t* unit, int block, int part) {
    const VF minimum = LoadU8(unit + 192 + 16 * block + part * kLanes);
    return Sub(Zero(), Mul(HalfScale(unit + 32, part), minimum));
  }
};

// --- the tile -------------------------------------------------------------------------------

constexpr int Log2(int x) { return x <= 1 ? 0 : 1 + Log2(x / 2); }

// Offsets inside an activation block of a tile of kWidth rows.
template <int kWidth>
struct ActivationBlock {
  static constexpr int kScale = 32 * kWidth;
  static constexpr int kSum = 36 * kWidth;         // f32 d * sum
  static constexpr int kCorrection = 40 * kWidth;  // int32 -128 * sum; then of each half
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
  constexpr int kOffset =
      ActivationBlock<kWidth>::kCorrection + (Format::kSubs == 2 ? (1 + kSub) * 4 * kWidth : 0);
  const VI start = Set1I(LoadInt(activations + kOffset + 4 * column));  // with a bias of 128
  constexpr int kPower = Log2(Format::kBias);
  if constexpr (Format::kBias == 128) return start;
  if constexpr (Format::kBias == 1 << kPower) return ShiftRightSigned<7 - kPower>(start);
  static_assert(Format::kBias == 0 || Format::kBias == 1 << kPower ||
                Format::kBias == (1 << kPower) + 1);
  return AddI(ShiftRightSigned<7 - kPower>(start), ShiftRightSigned<7>(start));
}

template <typename Format, int j>
CAIRN_INLINE VB QuadOf(const uint8_t* unit, const uint8_t* block, int b, int part) {
  if constexpr (requires { Format::template ScaledQuad<j>(unit, block, b, part); }) {
    return Format::template ScaledQuad<j>(unit, block, b, part);
  } else {
    return Format::template Quad<j>(block, part);
  }
}

template <typename Format, int kWidth, int kCols, int j>
CAIRN_INLINE void AddQuad(const uint8_t* unit, const uint8_t* block, int b, int part,
                          const uint8_t* activations, VI (&sums)[kCols]) {
  const VB weights = QuadOf<Format, j>(unit, block, b, part);
#pragma GCC unroll 12
  for (int c = 0; c < kCols; ++c) {
    sums[c] = Dot<Format::kWide>(sums[c], weights, activations + (j * kWidth + c) * 4);
  }
}

// How many quads are added up in 16 bits where the instruction set has that; 1 where it does not
// pay. kMost is the largest integer that a format stores; activations are at most 127.
template <typename Format>
constexpr int NarrowQuads() {
  if constexpr (requires { Format::kMost; }) {
    for (int quads = 8 / Format::kSubs; quads > 1; quads /= 2) {
      if (quads * 2 * 127 * Format::kMost <= kNarrowSum) return quads;
    }
  }
  return 1;
}

template <typename Format, int kWidth, int kCols, int j, int kLast>
CAIRN_INLINE void AddNarrowQuads(const uint8_t* unit, const uint8_t* block, int b, int part,
                                 const uint8_t* activations, VB (&narrow)[kCols]) {
  const VB weights = QuadOf<Format, j>(unit, block, b, part);
#pragma GCC unroll 12
  for (int c = 0; c < kCols; ++c) {
    narrow[c] = AddNarrow(narrow[c], DotNarrow(weights, activations + (j * kWidth + c) * 4));
  }
  if constexpr (j + 1 < kLast) {
    AddNarrowQuads<Format, kWidth, kCols, j + 1, kLast>(unit, block, b, part, activations, narrow);
  }
}

// Quads kFrom to kTo - 1.
template <typename Format, int kWidth, int kCols, int kFrom, int kTo>
CAIRN_INLINE void AddQuads(const uint8_t* unit, const uint8_t* block, int b, int part,
                           const uint8_t* activations, VI (&sums)[kCols]) {
  constexpr int kRun = NarrowQuads<Format>();
  if constexpr (kRun == 1) {
    AddQuad<Format, kWidth, kCols, kFrom>(unit, block, b, part, activations, sums);
  } else {
    const VB weights = QuadOf<Format, kFrom>(unit, block, b, part);
    VB narrow[kCols];
#pragma GCC unroll 12
    for (int c = 0; c < kCols; ++c) {
      narrow[c] = DotNarrow(weights, activations + (kFrom * kWidth + c) * 4);
    }
    AddNarrowQuads<Format, kWidth, kCols, kFrom + 1, kFrom + kRun>(unit, block, b, part,
                                                                   activations, narrow);
#pragma GCC unroll 12
    for (int c = 0; c < kCols; ++c) sums[c] = Widen(sums[c], narrow[c]);
  }
  if constexpr (kFrom + kRun < kTo) {
    AddQuads<Format, kWidth, kCols, kFrom + kRun, kTo>(unit, block, b, part, activations, sums);
  }
}

// One sub-block: integer sums over it, then into the running sums.
template <typename Format, int kWidth, int kCols, int kSub>
CAIRN_INLINE void AddSubBlock(const uint8_t* unit, const uint8_t* block, int b, int part,
                              const uint8_t* activations, VF (&totals)[kCols]) {
  VI sums[kCols];
#pragma GCC unroll 12
  for (int c = 0; c < kCols; ++c) sums[c] = StartSum<Format, kWidth, kSub>(activations, c);
  constexpr int kQuads = 8 / Format::kSubs;
  AddQuads<Format, kWidth, kCols, kSub * kQuads, (kSub + 1) * kQuads>(unit, block, b, part,
                                                                      activations, sums);
  const VF scale = Format::Scale(unit, b, kSub, part);
#pragma GCC unroll 12
  for (int c = 0; c < kCols; ++c) {
    const float d = LoadFloat(activations + ActivationBlock<kWidth>::kScale + 4 * c);
    totals[c] = Fma(ToFloat(sums[c]), Mul(scale, Set1(d)), totals[c]);
  }
  if constexpr (requires {
                  Format::template AddMinima<kWidth>(unit, b, part, activations, totals);
                }) {
    Format::template AddMinima<kWidth>(unit, b, part, activations, totals);
  } else if constexpr (Format::kMinima) {
    const VF minimum = Format::Minimum(unit, b, part);
#pragma GCC unroll 12
    for (int c = 0; c < kCols; ++c) {
      const float s = LoadFloat(activations + ActivationBlock<kWidth>::kSum + 4 * c);
      totals[c] = Fma(minimum, Set1(s), totals[c]);
    }
  }
}

// What a walk over a group asks for: of every `step` blocks the one after `first`, `bytes` on.
struct Ahead {
  ptrdiff_t bytes;
  int first, step;
};

// Of call `call` of `calls` over the group: each block of the next group once. One call alone goes
// as far as the format's shape says, over the ends of groups.
template <typename Format>
CAIRN_INLINE Ahead AheadOf(size_t group_bytes, int call, int calls) {
  if (calls == 1) return {Format::kShape.prefetch_bytes, 0, 1};
  return {static_cast<ptrdiff_t>(group_bytes), call, calls};
}

// Asks for the lines that are `bytes` behind the block's, and with the first block of a unit for
// the header's.
template <typename Format>
CAIRN_INLINE void PrefetchBlock(const uint8_t* block, int b, ptrdiff_t bytes) {
#pragma GCC unroll 9
  for (int line = 0; line < Format::kLayout.block_bytes; line += 64) {
    __builtin_prefetch(block + bytes + line);
  }
  if (b > 0) return;
#pragma GCC unroll 5
  for (int line = 64; line < Format::kLayout.header_bytes + 64; line += 64) {
    __builtin_prefetch(block + bytes - line);
  }
}

// bench/order compiles these kernels with a free order of sums, to measure what the canonical one
// costs: few columns then add into two running sums by turns. Never so in the product.
#if defined(CAIRN_FREE_ORDER)
inline constexpr int kFreeOrderColumns = 3;
#else
inline constexpr int kFreeOrderColumns = 0;
#endif

template <int kSpan, int kCols>
CAIRN_INLINE void SwapTurns(VF (&totals)[2][kSpan][kCols]) {
  for (int p = 0; p < kSpan; ++p) {
    for (int c = 0; c < kCols; ++c) {
      const VF turn = totals[0][p][c];
      totals[0][p][c] = totals[1][p][c];
      totals[1][p][c] = turn;
    }
  }
}

// The first kCols columns at `activations` of a tile of kWidth rows, outputs of the kSpan parts of
// a group from `part` on. Writes the first `valid` columns.
template <typename Format, int kWidth, int kCols, int kSpan>
CAIRN_INLINE void Tile(const uint8_t* weights, int cols, Ahead ahead, const uint8_t* activations,
                       int part, int valid, float* out, ptrdiff_t stride) {
  constexpr int kBlocks = Format::kLayout.values / kBlockValues;
  constexpr int kTurns = kCols <= kFreeOrderColumns ? 2 : 1;
  VF totals[kTurns][kSpan][kCols];
  for (auto& turn : totals) {
    for (auto& span : turn) {
      for (VF& total : span) total = Zero();
    }
  }
  const int units = cols / Format::kLayout.values;
  const uint8_t* unit = weights;
  for (int u = 0; u < units; ++u, unit += Format::kLayout.bytes()) {
    const uint8_t* block = unit + Format::kLayout.header_bytes;
    for (int b = 0; b < kBlocks; ++b, block += Format::kLayout.block_bytes) {
      if constexpr (Format::kShape.prefetch_bytes != 0) {
        if (ahead.first-- == 0) {
          PrefetchBlock<Format>(block, b, ahead.bytes);
          ahead.first = ahead.step - 1;
        }
      }
#pragma GCC unroll 4
      for (int p = 0; p < kSpan; ++p) {
        AddSubBlock<Format, kWidth, kCols, 0>(unit, block, b, part + p, activations, totals[0][p]);
        if constexpr (Format::kSubs == 2) {
          AddSubBlock<Format, kWidth, kCols, 1>(unit, block, b, part + p, activations,
                                                totals[0][p]);
        }
      }
      activations += ActivationBlock<kWidth>::kBytes;
      if constexpr (kTurns == 2) SwapTurns(totals);
    }
  }
#pragma GCC unroll 4
  for (int p = 0; p < kSpan; ++p) {
#pragma GCC unroll 12
    for (int c = 0; c < kCols; ++c) {
      VF total = totals[0][p][c];
      if constexpr (kTurns == 2) total = Add(total, totals[1][p][c]);
      if (c < valid) Store(out + c * stride + (part + p) * kLanes, total);
    }
  }
}

// All columns of a tile of kWidth rows, in pieces of at most kShape.columns.
template <typename Format, int kWidth, int kSpan, int kColumn = 0>
CAIRN_INLINE void TileColumns(const uint8_t* weights, int cols, Ahead ahead,
                              const uint8_t* activations, int part, int rows, float* out,
                              ptrdiff_t stride) {
  constexpr int kMost = Format::kShape.columns;
  constexpr int kCols = kWidth - kColumn < kMost ? kWidth - kColumn : kMost;
  Tile<Format, kWidth, kCols, kSpan>(weights, cols, ahead, activations + 4 * kColumn, part,
                                     rows - kColumn, out + kColumn * stride, stride);
  if constexpr (kColumn + kCols < kWidth) {
    ++ahead.first;
    TileColumns<Format, kWidth, kSpan, kColumn + kCols>(weights, cols, ahead, activations, part,
                                                        rows, out, stride);
  }
}

// One row leaves registers for all parts of a group at once: its weights pass once, as one stream.
template <typename Format, int kWidth>
__attribute__((noinline)) static void TileOf(const uint8_t* weights, const PackedMatrix& matrix,
                                             const TileRows& rows) {
  constexpr int kSpan = kWidth == 1 ? kParts : 1;
  constexpr int kMost = Format::kShape.columns;
  constexpr int kColumnWalks = (kWidth + kMost - 1) / kMost;
  constexpr int kWalks = kParts / kSpan * kColumnWalks;  // over the group's weights
  Ahead ahead = AheadOf<Format>(matrix.group_bytes, rows.call * kWalks, rows.calls * kWalks);
  for (int part = 0; part < kParts; part += kSpan) {
    TileColumns<Format, kWidth, kSpan>(weights, matrix.cols, ahead,
                                       reinterpret_cast<const uint8_t*>(rows.packed), part,
                                       rows.rows, rows.out, rows.stride);
    ahead.first += kColumnWalks;
  }
}

// --- any number of rows --------------------------------------------------------------------

// TileFunction (functions.h) of a format.
template <typename Format>
CAIRN_INLINE void TileOfRows(const PackedMatrix& weights, int group, const TileRows& rows) {
  const auto* at = reinterpret_cast<const uint8_t*>(weights.data) +
                   static_cast<size_t>(group) * weights.group_bytes;
  WithTileWidth(
      rows.rows, [&]<int kWidth>()
                     __attribute__((always_inline)) { TileOf<Format, kWidth>(at, weights, rows); });
}

// --- many rows ------------------------------------------------------------------------------

// An expanded group (functions.h) pays where a dot product of 8-bit weights is one instruction,
// whose units unpacking wants too: then a tile of 12 columns is 10 % (Q4_1) to 55 % (IQ2_S) faster.
// AVX2 makes more of 8 bits than of 4 or 5; there it lost up to a quarter.
#if defined(CAIRN_ISA_avx512)
template <typename Format, int j>
CAIRN_INLINE void ExpandQuad(const uint8_t* unit, const uint8_t* block, int b, uint8_t* to) {
  VB quad = QuadOf<Format, j>(unit, block, b, 0);
  if constexpr (!Format::kMinima) quad = AddB(quad, Set1B(128 - Format::kBias));
  StoreB(to + 64 * j, quad);
}

template <typename Format>
void ExpandGroup(const PackedMatrix& weights, int group, std::byte* expanded) {
  constexpr int kBlocks = Format::kLayout.values / kBlockValues;
  const auto* unit = reinterpret_cast<const uint8_t*>(weights.data) +
                     static_cast<size_t>(group) * weights.group_bytes;
  auto* to = reinterpret_cast<uint8_t*>(expanded);
  const int units = weights.cols / Format::kLayout.values;
  for (int u = 0; u < units; ++u, unit += Format::kLayout.bytes()) {
    const uint8_t* block = unit + Format::kLayout.header_bytes;
    for (int b = 0; b < kBlocks; ++b, block += Format::kLayout.block_bytes) {
      if constexpr (Format::kShape.prefetch_bytes != 0) {
        PrefetchBlock<Format>(block, b, Format::kShape.prefetch_bytes);
      }
      ExpandQuad<Format, 0>(unit, block, b, to);
      ExpandQuad<Format, 1>(unit, block, b, to);
      ExpandQuad<Format, 2>(unit, block, b, to);
      ExpandQuad<Format, 3>(unit, block, b, to);
      ExpandQuad<Format, 4>(unit, block, b, to);
      ExpandQuad<Format, 5>(unit, block, b, to);
      ExpandQuad<Format, 6>(unit, block, b, to);
      ExpandQuad<Format, 7>(unit, block, b, to);
      auto* scales = reinterpret_cast<float*>(to + kExpandedScales);
      Store(scales, Format::Scale(unit, b, 0, 0));
      if constexpr (Format::kSubs == 2) Store(scales + 16, Format::Scale(unit, b, 1, 0));
      if constexpr (Format::kMinima) Store(scales + 16, Format::Minimum(unit, b, 0));
      to += kExpandedBlockBytes;
    }
  }
}

template <typename Format>
constexpr Expansion ExpansionOf() {
  return {ExpandGroup<Format>, Format::kMinima      ? TileExpandedMinima
                               : Format::kSubs == 2 ? TileExpandedHalves
                                                    : TileExpanded};
}
#else
template <typename Format>
constexpr Expansion ExpansionOf() {
  return {};
}
#endif

}  // namespace cairn::kernels::CAIRN_ISA
