// SPDX-License-Identifier: Apache-2.0
#include "base/checked.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace cairn {
namespace {

// All pairs of 8 bits against plain arithmetic in int.
TEST(CheckedTest, EveryPairOfBytesAsInWiderArithmetic) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const auto x = static_cast<std::uint8_t>(a), y = static_cast<std::uint8_t>(b);
      const auto fits = [](int v) { return v < 256; };
      ASSERT_EQ(CheckedAdd(x, y).has_value(), fits(a + b));
      ASSERT_EQ(CheckedMul(x, y).has_value(), fits(a * b));
      if (fits(a + b)) {
        ASSERT_EQ(*CheckedAdd(x, y), a + b);
      }
      if (fits(a * b)) {
        ASSERT_EQ(*CheckedMul(x, y), a * b);
      }
      if (b == 0) continue;
      const int up = (a + b - 1) / b * b;
      ASSERT_EQ(CheckedRoundUp(x, y).has_value(), fits(up)) << a << ' ' << b;
      if (fits(up)) {
        ASSERT_EQ(*CheckedRoundUp(x, y), up);
      }
    }
  }
}

TEST(CheckedTest, SignedOverflowIsSeenOnBothEnds) {
  EXPECT_FALSE(CheckedAdd(INT64_MAX, std::int64_t{1}));
  EXPECT_FALSE(CheckedAdd(INT64_MIN, std::int64_t{-1}));
  EXPECT_FALSE(CheckedMul(INT64_MIN, std::int64_t{-1}));
  EXPECT_EQ(CheckedMul(std::int64_t{-3}, std::int64_t{4}), -12);
}

TEST(CheckedTest, RoundingUpForSmallSizes) {
  EXPECT_EQ(RoundUp(0, 16), 0);
  EXPECT_EQ(RoundUp(17, 16), 32);
  EXPECT_EQ(DivideUp(17, 16), 2);
  EXPECT_EQ(DivideUp(16, 16), 1);
}

}  // namespace
}  // namespace cairn
