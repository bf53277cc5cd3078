// SPDX-License-Identifier: Apache-2.0
// Stored blocks, as GGUF files hold them. Layouts are fixed by the format and asserted here.
// All multi-byte fields are little-endian f16 bits; structs have no padding and alignment 2 or 1.
// Threads: plain data.
#pragma once

#include <cstddef>
#include <cstdint>

namespace cairn::tensor {

// value i = d * (q_i - 8). q_i for i < 16: low nibble of qs[i]; else high nibble of qs[i - 16].
struct BlockQ4_0 {
  std::uint16_t d;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_0) == 18 && offsetof(BlockQ4_0, qs) == 2);

// value i = d * q_i + m, nibbles as Q4_0.
struct BlockQ4_1 {
  std::uint16_t d, m;
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ4_1) == 20 && offsetof(BlockQ4_1, qs) == 4);

// value i = d * (q_i - 16). Bit i of qh is the fifth bit of q_i; low bits as Q4_0.
struct BlockQ5_0 {
  std::uint16_t d;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_0) == 22 && offsetof(BlockQ5_0, qs) == 6);

// value i = d * q_i + m, bits as Q5_0.
struct BlockQ5_1 {
  std::uint16_t d, m;
  std::uint8_t qh[4];
  std::uint8_t qs[16];
};
static_assert(sizeof(BlockQ5_1) == 24 && offsetof(BlockQ5_1, qs) == 8);

// value i = d * qs[i].
struct BlockQ8_0 {
  std::uint16_t d;
  std::int8_t qs[32];
};
static_assert(sizeof(BlockQ8_0) == 34 && offsetof(BlockQ8_0, qs) == 2);

// 8 sub-blocks of 32 with 6-bit scales and minima: value = d * sc * q - dmin * mn.
// scales: for j < 4: sc_j = scales[j] & 63, mn_j = scales[j + 4] & 63; for j >= 4:
// sc_j = (scales[j + 4] & 15) | (scales[j - 4] >> 6) << 4, mn_j = (scales[j + 4] >> 4) |
// (scales[j] >> 6) << 4. Sub-blocks 2p and 2p+1: low and high nibbles of qs[32 p ..].
struct BlockQ4_K {
  std::uint16_t d, dmin;
  std::uint8_t scales[12];
  std::uint8_t qs[128];
};
static_assert(sizeof(BlockQ4_K) == 144 && offsetof(BlockQ4_K, qs) == 16);

// As Q4_K; bit j of qh[i] is the fifth bit of value i of sub-block j.
struct BlockQ5_K {
  std::uint16_t d, dmin;
  std::uint8_t scales[12];
  std::uint8_t qh[32];
  std::uint8_t qs[128];
};
static_assert(sizeof(BlockQ5_K) == 176 && offsetof(BlockQ5_K, qs) == 48);

// 16 sub-blocks of 16 with int8 scales: value = d * sc * (q - 32). Two halves of 128 values; in a
// half, value 32 k + i (k < 4): low bits: nibble of ql[i + 32 (k & 1)], high for k >= 2; high bits:
// bits 2k of qh[i].
struct BlockQ6_K {
  std::uint8_t ql[128];
  std::uint8_t qh[64];
  std::int8_t scales[16];
  std::uint16_t d;
};
static_assert(sizeof(BlockQ6_K) == 210 && offsetof(BlockQ6_K, d) == 208);

// Scale and minimum j of the 12 packed bytes of Q4_K and Q5_K.
struct SubScale {
  std::uint8_t scale, minimum;
};
constexpr SubScale SubScaleOf(const std::uint8_t (&s)[12], int j) {
  if (j < 4) {
    return {static_cast<std::uint8_t>(s[j] & 63), static_cast<std::uint8_t>(s[j + 4] & 63)};
  }
  return {static_cast<std::uint8_t>((s[j + 4] & 15) | ((s[j - 4] >> 6) << 4)),
          static_cast<std::uint8_t>((s[j + 4] >> 4) | ((s[j] >> 6) << 4))};
}

// Integers of a block before any scale: q_i as the formulas use them, without the offset.
inline void IntegersOf(const BlockQ4_0& b, std::uint8_t* q) {
  for (int i = 0; i < 16; ++i) q[i] = b.qs[i] & 15, q[i + 16] = b.qs[i] >> 4;
}
inline void IntegersOf(const BlockQ4_1& b, std::uint8_t* q) {
  for (int i = 0; i < 16; ++i) q[i] = b.qs[i] & 15, q[i + 16] = b.qs[i] >> 4;
}
template <typename Block>
void FiveBitIntegers(const Block& b, std::uint8_t* q) {
  const std::uint32_t high =
      b.qh[0] | b.qh[1] << 8 | b.qh[2] << 16 | static_cast<std::uint32_t>(b.qh[3]) << 24;
  for (int i = 0; i < 16; ++i) {
    q[i] = static_cast<std::uint8_t>((b.qs[i] & 15) | ((high >> i) & 1) << 4);
    q[i + 16] = static_cast<std::uint8_t>((b.qs[i] >> 4) | ((high >> (i + 16)) & 1) << 4);
  }
}
inline void IntegersOf(const BlockQ5_0& b, std::uint8_t* q) { FiveBitIntegers(b, q); }
inline void IntegersOf(const BlockQ5_1& b, std::uint8_t* q) { FiveBitIntegers(b, q); }
// Q8_0 as q + 128.
inline void IntegersOf(const BlockQ8_0& b, std::uint8_t* q) {
  for (int i = 0; i < 32; ++i) q[i] = static_cast<std::uint8_t>(b.qs[i] + 128);
}
inline void IntegersOf(const BlockQ4_K& b, std::uint8_t* q) {
  for (int i = 0; i < 256; ++i) {
    const std::uint8_t byte = b.qs[i / 64 * 32 + i % 32];
    q[i] = i % 64 < 32 ? byte & 15 : byte >> 4;
  }
}
inline void IntegersOf(const BlockQ5_K& b, std::uint8_t* q) {
  for (int i = 0; i < 256; ++i) {
    const std::uint8_t byte = b.qs[i / 64 * 32 + i % 32];
    const int high = (b.qh[i % 32] >> (i / 32)) & 1;
    q[i] = static_cast<std::uint8_t>((i % 64 < 32 ? byte & 15 : byte >> 4) | high << 4);
  }
}
inline void IntegersOf(const BlockQ6_K& b, std::uint8_t* q) {
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, k = i % 128 / 32, at = i % 32;
    const std::uint8_t low = b.ql[64 * half + 32 * (k & 1) + at];
    const int high = (b.qh[32 * half + at] >> (2 * k)) & 3;
    q[i] = static_cast<std::uint8_t>((k < 2 ? low & 15 : low >> 4) | high << 4);
  }
}

}  // namespace cairn::tensor
