// SPDX-License-Identifier: Apache-2.0
// Half precision against its definition, sign * 2^(e - 25) * mantissa, in double arithmetic: every
// half, and for rounding every midpoint between neighbours with the floats beside it.
#include "tensor/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace cairn::tensor {
namespace {

// The value of a finite half, or of infinity as if it were finite (65536), exactly.
double ByDefinition(std::uint16_t half) {
  const int exponent = half >> 10 & 31, fraction = half & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
  return half & 0x8000 ? -magnitude : magnitude;
}

TEST(HalfTest, EveryFiniteHalfIsExactAndComesBack) {
  for (std::uint32_t h = 0; h < 0x10000; ++h) {
    const auto half = static_cast<std::uint16_t>(h);
    if ((h & 0x7c00) == 0x7c00) continue;
    const float value = FloatOfHalf(half);
    ASSERT_EQ(static_cast<double>(value), ByDefinition(half)) << h;
    ASSERT_EQ(std::signbit(value), (h & 0x8000) != 0) << h;
    ASSERT_EQ(HalfOfFloat(value), half);
  }
}

TEST(HalfTest, InfinityAndNotANumberStayWhatTheyAre) {
  EXPECT_EQ(FloatOfHalf(0x7c00), std::numeric_limits<float>::infinity());
  EXPECT_EQ(FloatOfHalf(0xfc00), -std::numeric_limits<float>::infinity());
  EXPECT_EQ(HalfOfFloat(std::numeric_limits<float>::infinity()), 0x7c00);
  EXPECT_EQ(HalfOfFloat(-std::numeric_limits<float>::infinity()), 0xfc00);
  for (std::uint32_t h = 0x7c01; h < 0x8000; ++h) {
    ASSERT_TRUE(std::isnan(FloatOfHalf(static_cast<std::uint16_t>(h)))) << h;
    ASSERT_TRUE(std::isnan(FloatOfHalf(HalfOfFloat(FloatOfHalf(static_cast<std::uint16_t>(h))))));
  }
  // A payload only in bits that a half does not have must not become infinity.
  EXPECT_TRUE(std::isnan(FloatOfHalf(HalfOfFloat(std::bit_cast<float>(0x7f800001u)))));
}

TEST(HalfTest, RoundsToNearestAndTiesToEven) {
  for (std::uint32_t h = 0; h < 0x7c00; ++h) {  // up to the step from 65504 to 65536, infinity
    const auto low = static_cast<std::uint16_t>(h), high = static_cast<std::uint16_t>(h + 1);
    // Exact: halves have 11 bits, their midpoints 12.
    const auto middle = static_cast<float>((ByDefinition(low) + ByDefinition(high)) / 2);
    ASSERT_EQ(HalfOfFloat(std::nextafter(middle, 0.0f)), low) << h;
    ASSERT_EQ(HalfOfFloat(middle), h % 2 == 0 ? low : high) << h;
    ASSERT_EQ(HalfOfFloat(std::nextafter(middle, 1e9f)), high) << h;
    ASSERT_EQ(HalfOfFloat(-middle), (h % 2 == 0 ? low : high) | 0x8000) << h;
  }
  EXPECT_EQ(HalfOfFloat(1e30f), 0x7c00);
  EXPECT_EQ(HalfOfFloat(-1e30f), 0xfc00);
  EXPECT_EQ(HalfOfFloat(std::numeric_limits<float>::denorm_min()), 0);
}

TEST(Bf16Test, EveryValueComesBack) {
  for (std::uint32_t b = 0; b < 0x10000; ++b) {
    const auto bf16 = static_cast<std::uint16_t>(b);
    const float value = FloatOfBf16(bf16);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(FloatOfBf16(Bf16OfFloat(value))));
    } else {
      ASSERT_EQ(Bf16OfFloat(value), bf16);
    }
  }
}

TEST(Bf16Test, RoundsToNearestAndTiesToEven) {
  EXPECT_EQ(Bf16OfFloat(std::bit_cast<float>(0x3f808000u)), 0x3f80);  // tie, even below
  EXPECT_EQ(Bf16OfFloat(std::bit_cast<float>(0x3f818000u)), 0x3f82);  // tie, even above
  EXPECT_EQ(Bf16OfFloat(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_EQ(Bf16OfFloat(std::bit_cast<float>(0x3f817fffu)), 0x3f81);
  EXPECT_EQ(Bf16OfFloat(std::numeric_limits<float>::max()), 0x7f80);  // to infinity
  EXPECT_TRUE(std::isnan(FloatOfBf16(Bf16OfFloat(std::bit_cast<float>(0x7f800001u)))));
}

}  // namespace
}  // namespace cairn::tensor
