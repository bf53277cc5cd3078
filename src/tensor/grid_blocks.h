// SPDX-License-Identifier: Apache-2.0
// Stored blocks of the grid formats: groups of 8 or 4 values are an index into a table of digits
// (grids.h), with signs and sub-scales beside it. Conventions as in coded_blocks.h.
//
// Codes as IntegersOf gives them: IQ2: digit (2 bits) and the sign above it; IQ3: digit (3 bits)
// and the sign above it; IQ1: the digit, 0 to 2. Signs of seven bits stand for eight: the last is
// such that their number is even.
// Threads: plain data and pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tensor/code_values.h"
#include "tensor/half.h"

namespace cairn::tensor {

// 8 sub-blocks of 32: value = d * (2 s + 1) / 8 * kIq2Values[code]. Bytes 8 j .. 8 j + 3 of qs are
// the indices of sub-block j; the next four, as one number, hold four times 7 bits of signs and s.
struct BlockIQ2_XXS {
  static constexpr int kValues = 256, kSub = 32;
  std::uint16_t d;
  std::uint8_t qs[64];
};
static_assert(sizeof(BlockIQ2_XXS) == 66 && offsetof(BlockIQ2_XXS, qs) == 2);

// 16 sub-blocks of 16, values as IQ2_XXS: s is a nibble of scales; qs: 9 bits of index, 7 of signs.
struct BlockIQ2_XS {
  static constexpr int kValues = 256, kSub = 16;
  std::uint16_t d;
  std::uint16_t qs[32];
  std::uint8_t scales[8];
};
static_assert(sizeof(BlockIQ2_XS) == 74 && offsetof(BlockIQ2_XS, scales) == 66);

// As IQ2_XS with 10 bits of index (two of them in qh) and 8 signs per group.
struct BlockIQ2_S {
  static constexpr int kValues = 256, kSub = 16;
  std::uint16_t d;
  std::uint8_t qs[32];
  std::uint8_t signs[32];
  std::uint8_t qh[8];
  std::uint8_t scales[8];
};
static_assert(sizeof(BlockIQ2_S) == 82 && offsetof(BlockIQ2_S, scales) == 74);

// 8 sub-blocks of 32, groups of 4: value = d * (2 s + 1) / 4 * kIq3XxsValues[code]. The number
// at signs[4 j] holds four times 7 bits of signs and s.
struct BlockIQ3_XXS {
  static constexpr int kValues = 256, kSub = 32;
  std::uint16_t d;
  std::uint8_t qs[64];
  std::uint8_t signs[32];
};
static_assert(sizeof(BlockIQ3_XXS) == 98 && offsetof(BlockIQ3_XXS, signs) == 66);

// 8 sub-blocks of 32, groups of 4: value = d * (2 s + 1) * kIq3SValues[code]; s is a nibble of
// scales; the ninth bit of an index is in qh, signs are 8 for two groups.
struct BlockIQ3_S {
  static constexpr int kValues = 256, kSub = 32;
  std::uint16_t d;
  std::uint8_t qs[64];
  std::uint8_t qh[8];
  std::uint8_t signs[32];
  std::uint8_t scales[4];
};
static_assert(sizeof(BlockIQ3_S) == 110 && offsetof(BlockIQ3_S, scales) == 106);

// 8 sub-blocks of 32: value = d * (2 s + 1) / 8 * (8 (digit - 1) + delta). qh of a sub-block: four
// times 3 high bits of an index, 3 bits of s, and a set bit 15 for delta = -1, else +1.
struct BlockIQ1_S {
  static constexpr int kValues = 256, kSub = 32;
  std::uint16_t d;
  std::uint8_t qs[32];
  std::uint16_t qh[8];
};
static_assert(sizeof(BlockIQ1_S) == 50 && offsetof(BlockIQ1_S, qh) == 34);

// 16 sub-blocks of 16, values as IQ1_S with a delta per group of 8. A nibble of qh: 3 high bits of
// the index and delta. scales: s of 3 bits, four to a number; the top four bits of the numbers are
// d, lowest first.
struct BlockIQ1_M {
  static constexpr int kValues = 256, kSub = 16;
  std::uint8_t qs[32];
  std::uint8_t qh[16];
  std::uint16_t scales[4];
};
static_assert(sizeof(BlockIQ1_M) == 56 && offsetof(BlockIQ1_M, scales) == 48);

void IntegersOf(const BlockIQ1_S& b, std::uint8_t* q);
void IntegersOf(const BlockIQ1_M& b, std::uint8_t* q);
void IntegersOf(const BlockIQ2_XXS& b, std::uint8_t* q);
void IntegersOf(const BlockIQ2_XS& b, std::uint8_t* q);
void IntegersOf(const BlockIQ2_S& b, std::uint8_t* q);
void IntegersOf(const BlockIQ3_XXS& b, std::uint8_t* q);
void IntegersOf(const BlockIQ3_S& b, std::uint8_t* q);

// The number s of sub-block g.
int SubScaleOf(const BlockIQ1_S& b, int g);
int SubScaleOf(const BlockIQ1_M& b, int g);
int SubScaleOf(const BlockIQ2_XXS& b, int g);
int SubScaleOf(const BlockIQ2_XS& b, int g);
int SubScaleOf(const BlockIQ2_S& b, int g);
int SubScaleOf(const BlockIQ3_XXS& b, int g);
int SubScaleOf(const BlockIQ3_S& b, int g);

// Whether delta of the group of 8 values that holds value i is -1.
inline bool LowersGroup(const BlockIQ1_S& b, int i) { return (b.qh[i / 32] & 0x8000) != 0; }
inline bool LowersGroup(const BlockIQ1_M& b, int i) {
  return (b.qh[i / 16] >> (i / 8 % 2 * 4) & 8) != 0;
}
// d of a block, f16 bits.
constexpr std::uint16_t HalfScaleOf(const auto& b) { return b.d; }
constexpr std::uint16_t HalfScaleOf(const BlockIQ1_M& b) {
  return static_cast<std::uint16_t>(b.scales[0] >> 12 | b.scales[1] >> 12 << 4 |
                                    b.scales[2] >> 12 << 8 | b.scales[3] >> 12 << 12);
}

template <typename Block>
requires requires(const Block& b) { LowersGroup(b, 0); }
int WeightOf(const Block& b, int i, int code) {
  return 8 * (code - 1) + (LowersGroup(b, i) ? -1 : 1);
}
inline int WeightOf(const BlockIQ2_XXS&, int, int code) { return kIq2Values.of[code]; }
inline int WeightOf(const BlockIQ2_XS&, int, int code) { return kIq2Values.of[code]; }
inline int WeightOf(const BlockIQ2_S&, int, int code) { return kIq2Values.of[code]; }
inline int WeightOf(const BlockIQ3_XXS&, int, int code) { return kIq3XxsValues.of[code]; }
inline int WeightOf(const BlockIQ3_S&, int, int code) { return kIq3SValues.of[code]; }

// The factor of sub-block g: d * (2 s + 1) over 8, 4 or 1.
template <typename Block>
requires requires(const Block& b) {
  HalfScaleOf(b);
  SubScaleOf(b, 0);
}
float GridScale(const Block& b, int g, float part) {
  return FloatOfHalf(HalfScaleOf(b)) * static_cast<float>(2 * SubScaleOf(b, g) + 1) * part;
}
inline float ScaleOf(const BlockIQ1_S& b, int g) { return GridScale(b, g, 0.125f); }
inline float ScaleOf(const BlockIQ1_M& b, int g) { return GridScale(b, g, 0.125f); }
inline float ScaleOf(const BlockIQ2_XXS& b, int g) { return GridScale(b, g, 0.125f); }
inline float ScaleOf(const BlockIQ2_XS& b, int g) { return GridScale(b, g, 0.125f); }
inline float ScaleOf(const BlockIQ2_S& b, int g) { return GridScale(b, g, 0.125f); }
inline float ScaleOf(const BlockIQ3_XXS& b, int g) { return GridScale(b, g, 0.25f); }
inline float ScaleOf(const BlockIQ3_S& b, int g) { return GridScale(b, g, 1.0f); }

}  // namespace cairn::tensor
