// SPDX-License-Identifier: Apache-2.0
// Codes into stored blocks: what IntegersOf and the scales' readers of blocks.h and coded_blocks.h
// read back. Codes as they are stored, without an offset taken away.
// Threads: pure functions.
#pragma once

#include <cstdint>
#include <cstring>

#include "tensor/blocks.h"
#include "tensor/coded_blocks.h"

namespace cairn::tensor {

inline void PackNibbles(const std::uint8_t* q, int bytes, std::uint8_t* qs) {
  for (int i = 0; i < bytes; ++i) {
    qs[i] = static_cast<std::uint8_t>((q[i] & 15) | (q[i + bytes] & 15) << 4);
  }
}
inline void PackCodes(const std::uint8_t* q, BlockQ4_0& b) { PackNibbles(q, 16, b.qs); }
inline void PackCodes(const std::uint8_t* q, BlockQ4_1& b) { PackNibbles(q, 16, b.qs); }
inline void PackCodes(const std::uint8_t* q, BlockIQ4_NL& b) { PackNibbles(q, 16, b.qs); }

template <typename Block>
void PackFiveBits(const std::uint8_t* q, Block& b) {
  PackNibbles(q, 16, b.qs);
  std::memset(b.qh, 0, sizeof(b.qh));
  for (int i = 0; i < 32; ++i) {
    b.qh[i / 8] = static_cast<std::uint8_t>(b.qh[i / 8] | (q[i] >> 4 & 1) << (i % 8));
  }
}
inline void PackCodes(const std::uint8_t* q, BlockQ5_0& b) { PackFiveBits(q, b); }
inline void PackCodes(const std::uint8_t* q, BlockQ5_1& b) { PackFiveBits(q, b); }

inline void PackTwoBits(const std::uint8_t* q, std::uint8_t (&qs)[64]) {
  std::memset(qs, 0, sizeof(qs));
  for (int i = 0; i < 256; ++i) {
    std::uint8_t& byte = qs[i / 128 * 32 + i % 32];
    byte = static_cast<std::uint8_t>(byte | (q[i] & 3) << (i % 128 / 32 * 2));
  }
}
inline void PackCodes(const std::uint8_t* q, BlockQ2_K& b) { PackTwoBits(q, b.qs); }
inline void PackCodes(const std::uint8_t* q, BlockQ3_K& b) {
  PackTwoBits(q, b.qs);
  std::memset(b.hmask, 0, sizeof(b.hmask));
  for (int i = 0; i < 256; ++i) {
    b.hmask[i % 32] = static_cast<std::uint8_t>(b.hmask[i % 32] | (q[i] >> 2 & 1) << (i / 32));
  }
}
template <typename Block>
void PackLowNibbles(const std::uint8_t* q, Block& b) {
  for (int p = 0; p < 4; ++p) PackNibbles(q + 64 * p, 32, b.qs + 32 * p);
}
inline void PackCodes(const std::uint8_t* q, BlockQ4_K& b) { PackLowNibbles(q, b); }
inline void PackCodes(const std::uint8_t* q, BlockQ5_K& b) {
  PackLowNibbles(q, b);
  std::memset(b.qh, 0, sizeof(b.qh));
  for (int i = 0; i < 256; ++i) {
    b.qh[i % 32] = static_cast<std::uint8_t>(b.qh[i % 32] | (q[i] >> 4 & 1) << (i / 32));
  }
}
inline void PackCodes(const std::uint8_t* q, BlockQ6_K& b) {
  std::memset(b.ql, 0, sizeof(b.ql));
  std::memset(b.qh, 0, sizeof(b.qh));
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, k = i % 128 / 32, at = i % 32;
    std::uint8_t& low = b.ql[64 * half + 32 * (k & 1) + at];
    std::uint8_t& high = b.qh[32 * half + at];
    low = static_cast<std::uint8_t>(low | (q[i] & 15) << (k < 2 ? 0 : 4));
    high = static_cast<std::uint8_t>(high | (q[i] >> 4 & 3) << (2 * k));
  }
}

// --- scales ---------------------------------------------------------------------------------

// The 12 bytes that SubScaleOf reads: 8 scales and 8 minima of 6 bits.
inline void PackScales(const int (&scale)[8], const int (&minimum)[8], std::uint8_t (&out)[12]) {
  for (int j = 0; j < 4; ++j) {
    out[j] = static_cast<std::uint8_t>(scale[j] | scale[j + 4] >> 4 << 6);
    out[j + 4] = static_cast<std::uint8_t>(minimum[j] | minimum[j + 4] >> 4 << 6);
    out[j + 8] = static_cast<std::uint8_t>((scale[j + 4] & 15) | (minimum[j + 4] & 15) << 4);
  }
}
// The 12 bytes of Q3_K: 16 scales in [-32, 31].
inline void PackScales(const int (&scale)[16], std::uint8_t (&out)[12]) {
  std::memset(out, 0, sizeof(out));
  for (int j = 0; j < 16; ++j) {
    const int stored = scale[j] + 32;
    std::uint8_t& low = out[j % 8];
    std::uint8_t& high = out[8 + j % 4];
    low = static_cast<std::uint8_t>(low | (stored & 15) << (j < 8 ? 0 : 4));
    high = static_cast<std::uint8_t>(high | stored >> 4 << (j / 4 * 2));
  }
}

}  // namespace cairn::tensor
