// SPDX-License-Identifier: Apache-2.0
// Integers that codes of a few bits stand for. Constants only: kernels include this for every
// instruction set. Source: the formats' definition in the ggml project; those of FP4 are twice the
// values of E2M1 (OCP Microscaling Formats, version 1.0).
// Threads: constants.
#pragma once

#include <cstdint>

namespace cairn::tensor {

struct CodeValues {
  std::int8_t of[16];
};

// IQ4_NL and IQ4_XS: a 4-bit code.
inline constexpr CodeValues kIq4Values{
    {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}};

// MXFP4 and NVFP4: a sign bit above 2 bits of exponent and 1 of mantissa.
inline constexpr CodeValues kFp4Values{{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}};

// The grid formats, as IntegersOf gives them: a sign bit above the digit of the grid's entry. Digit
// 3 of a two-bit grid does not occur.
inline constexpr CodeValues kIq2Values{{8, 25, 43, 0, -8, -25, -43, 0}};
inline constexpr CodeValues kIq3XxsValues{
    {4, 12, 20, 28, 36, 44, 52, 62, -4, -12, -20, -28, -36, -44, -52, -62}};
inline constexpr CodeValues kIq3SValues{
    {1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15}};

}  // namespace cairn::tensor
