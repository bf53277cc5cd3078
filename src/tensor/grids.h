// SPDX-License-Identifier: Apache-2.0
// The tables of the grid formats. An entry holds the digits of a group, the first one lowest: eight
// of 2 bits, or four of 3 bits, 4 bits apart. What a digit stands for says code_values.h.
// Facts of the formats, written by scripts/make_grids.py from the gguf package.
// Threads: constants.
#pragma once

#include <cstdint>

namespace cairn::tensor {

// How far apart the digits of kBits bits lie in an entry.
template <int kBits>
inline constexpr int kGridDigitBits = kBits == 2 ? 2 : 4;

extern const std::uint16_t kGridIq1[2048];
extern const std::uint16_t kGridIq2Xxs[256];
extern const std::uint16_t kGridIq2Xs[512];
extern const std::uint16_t kGridIq2S[1024];
extern const std::uint16_t kGridIq3Xxs[256];
extern const std::uint16_t kGridIq3S[512];

}  // namespace cairn::tensor
