// SPDX-License-Identifier: Apache-2.0
// Stored blocks whose values are a scale times a small integer, of formats that came after those of
// blocks.h; conventions as there. The grid formats are in grid_blocks.h.
//
// For each block: kValues values in sub-blocks of kSub;
//   IntegersOf(b, q)      the stored codes in the order of the values;
//   WeightOf(b, i, code)  the integer of value i, as docs/canonical.md, section 2 means it;
//   ScaleOf(b, g)         the factor of sub-block g, exact in f32.
// A value is ScaleOf * WeightOf, rounded once (nothing is lost: both are short), less MinimumOf.
// Threads: plain data and pure functions.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "tensor/code_values.h"
#include "tensor/half.h"

namespace cairn::tensor {

// 16 sub-blocks of 16: value = d * sc * q - dmin * mn, sc and mn the low and high nibble of
// scales[sub-block], q of 2 bits: value 128 h + 32 n + i is bits 2n of qs[32 h + i].
struct BlockQ2_K {
  static constexpr int kValues = 256, kSub = 16;
  std::uint8_t scales[16];
  std::uint8_t qs[64];
  std::uint16_t d, dmin;
};
static_assert(sizeof(BlockQ2_K) == 84 && offsetof(BlockQ2_K, d) == 80);

// 16 sub-blocks of 16: value = d * (sc - 32) * (q - 4). Low bits of q as Q2_K; bit n of hmask[i] is
// the third bit of value 32 n + i. sc of 6 bits: low bits of sub-block j in a nibble of
// scales[j % 8], the high one for j >= 8; high bits in bits 2 (j / 4) of scales[8 + j % 4].
struct BlockQ3_K {
  static constexpr int kValues = 256, kSub = 16;
  std::uint8_t hmask[32];
  std::uint8_t qs[64];
  std::uint8_t scales[12];
  std::uint16_t d;
};
static_assert(sizeof(BlockQ3_K) == 110 && offsetof(BlockQ3_K, d) == 108);

// value = d * kIq4Values[code], nibbles as Q4_0.
struct BlockIQ4_NL {
  static constexpr int kValues = 32, kSub = 32;
  std::uint16_t d;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockIQ4_NL) == 18 && offsetof(BlockIQ4_NL, qs) == 2);

// 8 sub-blocks of 32: value = d * (sc - 32) * kIq4Values[code]. Nibbles of sub-block j as Q4_0 in
// qs[16 j ..]. sc of 6 bits: low bits in a nibble of scales_l[j / 2], high ones in bits 2j of
// scales_h.
struct BlockIQ4_XS {
  static constexpr int kValues = 256, kSub = 32;
  std::uint16_t d, scales_h;
  std::uint8_t scales_l[4];
  std::uint8_t qs[128];
};
static_assert(sizeof(BlockIQ4_XS) == 136 && offsetof(BlockIQ4_XS, qs) == 8);

// value = 2^(e - 128) * kFp4Values[code], nibbles as Q4_0.
struct BlockMXFP4 {
  static constexpr int kValues = 32, kSub = 32;
  std::uint8_t e;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockMXFP4) == 17 && alignof(BlockMXFP4) == 1);

// 4 sub-blocks of 16: value = E4M3(d) / 2 * kFp4Values[code]; the sign bit of d is ignored, 0x7f
// (not a number) counts as 0. Low nibbles of qs[8 j ..] are the first 8 codes of sub-block j.
struct BlockNVFP4 {
  static constexpr int kValues = 64, kSub = 16;
  std::uint8_t d[4];
  std::uint8_t qs[32];
};
static_assert(sizeof(BlockNVFP4) == 36 && offsetof(BlockNVFP4, qs) == 4);

// value = d * (q - 1), q in 0..2. Five digits of base 3 in a byte, the first one highest, stored as
// the fraction of 243 rounded up to 256ths: digit n is (byte * 3^n mod 256) * 3 / 256. Value
// 32 n + i is digit n of qs[i] for i < 32; 160 + 16 n + i of qs[32 + i]; 240 + 4 n + i of qh[i].
struct BlockTQ1_0 {
  static constexpr int kValues = 256, kSub = 32;
  std::uint8_t qs[48];
  std::uint8_t qh[4];
  std::uint16_t d;
};
static_assert(sizeof(BlockTQ1_0) == 54 && offsetof(BlockTQ1_0, d) == 52);

// value = d * (q - 1), q of 2 bits as in Q2_K.
struct BlockTQ2_0 {
  static constexpr int kValues = 256, kSub = 32;
  std::uint8_t qs[64];
  std::uint16_t d;
};
static_assert(sizeof(BlockTQ2_0) == 66 && offsetof(BlockTQ2_0, d) == 64);

// --- codes ----------------------------------------------------------------------------------

// The layout that Q2_K, Q3_K and TQ2_0 share.
inline void TwoBitIntegers(const std::uint8_t (&qs)[64], std::uint8_t* q) {
  for (int i = 0; i < 256; ++i) q[i] = (qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
}
inline void IntegersOf(const BlockQ2_K& b, std::uint8_t* q) { TwoBitIntegers(b.qs, q); }
inline void IntegersOf(const BlockTQ2_0& b, std::uint8_t* q) { TwoBitIntegers(b.qs, q); }
inline void IntegersOf(const BlockQ3_K& b, std::uint8_t* q) {
  TwoBitIntegers(b.qs, q);
  for (int i = 0; i < 256; ++i) {
    q[i] = static_cast<std::uint8_t>(q[i] | ((b.hmask[i % 32] >> (i / 32)) & 1) << 2);
  }
}
inline void NibbleIntegers(const std::uint8_t* qs, int bytes, std::uint8_t* q) {
  for (int i = 0; i < bytes; ++i) {
    q[i] = qs[i] & 15;
    q[i + bytes] = qs[i] >> 4;
  }
}
inline void IntegersOf(const BlockIQ4_NL& b, std::uint8_t* q) { NibbleIntegers(b.qs, 16, q); }
inline void IntegersOf(const BlockMXFP4& b, std::uint8_t* q) { NibbleIntegers(b.qs, 16, q); }
inline void IntegersOf(const BlockIQ4_XS& b, std::uint8_t* q) {
  for (int j = 0; j < 8; ++j) NibbleIntegers(b.qs + 16 * j, 16, q + 32 * j);
}
inline void IntegersOf(const BlockNVFP4& b, std::uint8_t* q) {
  for (int j = 0; j < 4; ++j) NibbleIntegers(b.qs + 8 * j, 8, q + 16 * j);
}
inline void IntegersOf(const BlockTQ1_0& b, std::uint8_t* q) {
  const auto digits = [&q](const std::uint8_t* bytes, int count, int places) {
    for (int n = 0, power = 1; n < places; ++n, power *= 3) {
      for (int i = 0; i < count; ++i) {
        *q++ = static_cast<std::uint8_t>((bytes[i] * power & 255) * 3 >> 8);
      }
    }
  };
  digits(b.qs, 32, 5);
  digits(b.qs + 32, 16, 5);
  digits(b.qh, 4, 4);
}

// --- weights --------------------------------------------------------------------------------

inline int WeightOf(const BlockQ2_K&, int, int code) { return code; }
inline int WeightOf(const BlockQ3_K&, int, int code) { return code - 4; }
inline int WeightOf(const BlockTQ1_0&, int, int code) { return code - 1; }
inline int WeightOf(const BlockTQ2_0&, int, int code) { return code - 1; }
inline int WeightOf(const BlockIQ4_NL&, int, int code) { return kIq4Values.of[code]; }
inline int WeightOf(const BlockIQ4_XS&, int, int code) { return kIq4Values.of[code]; }
inline int WeightOf(const BlockMXFP4&, int, int code) { return kFp4Values.of[code]; }
inline int WeightOf(const BlockNVFP4&, int, int code) { return kFp4Values.of[code]; }

// --- scales ---------------------------------------------------------------------------------

// The 6-bit scale of sub-block j, less 32.
constexpr int SubScaleOf(const BlockQ3_K& b, int j) {
  const int low = j < 8 ? b.scales[j] & 15 : b.scales[j - 8] >> 4;
  return (low | ((b.scales[8 + j % 4] >> (j / 4 * 2)) & 3) << 4) - 32;
}
constexpr int SubScaleOf(const BlockIQ4_XS& b, int j) {
  const int low = (b.scales_l[j / 2] >> (j % 2 * 4)) & 15;
  return (low | ((b.scales_h >> (2 * j)) & 3) << 4) - 32;
}
// 2^(e - 128); e below 2 gives denormals.
constexpr float FloatOfE8M0Half(std::uint8_t e) {
  return std::bit_cast<float>(e < 2 ? std::uint32_t{0x200000} << e
                                    : static_cast<std::uint32_t>(e - 1) << 23);
}
// Half of an unsigned E4M3; the bits above the seventh are ignored, 0x7f gives 0.
constexpr float HalfOfE4M3(std::uint8_t x) {
  if (x == 0x7f) return 0;
  const int exponent = x >> 3 & 15, mantissa = x & 7;
  if (exponent == 0) return static_cast<float>(mantissa) * 0x1p-10f;
  return std::bit_cast<float>(static_cast<std::uint32_t>((exponent + 119) << 23 | mantissa << 20));
}

inline float ScaleOf(const BlockQ2_K& b, int g) {
  return FloatOfHalf(b.d) * static_cast<float>(b.scales[g] & 15);
}
inline float MinimumOf(const BlockQ2_K& b, int g) {
  return FloatOfHalf(b.dmin) * static_cast<float>(b.scales[g] >> 4);
}
inline float ScaleOf(const BlockQ3_K& b, int g) {
  return FloatOfHalf(b.d) * static_cast<float>(SubScaleOf(b, g));
}
inline float ScaleOf(const BlockIQ4_NL& b, int) { return FloatOfHalf(b.d); }
inline float ScaleOf(const BlockIQ4_XS& b, int g) {
  return FloatOfHalf(b.d) * static_cast<float>(SubScaleOf(b, g));
}
inline float ScaleOf(const BlockMXFP4& b, int) { return FloatOfE8M0Half(b.e); }
inline float ScaleOf(const BlockNVFP4& b, int g) { return HalfOfE4M3(b.d[g]); }
inline float ScaleOf(const BlockTQ1_0& b, int) { return FloatOfHalf(b.d); }
inline float ScaleOf(const BlockTQ2_0& b, int) { return FloatOfHalf(b.d); }

}  // namespace cairn::tensor
