// SPDX-License-Identifier: Apache-2.0
#include "index/heights.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>

namespace cairn::index {
namespace {

TEST(HeightsTest, LevelsFollowFromTheExpectedNumber) {
  EXPECT_EQ(Heights(0, 128, 64, 0).levels(), 1);
  EXPECT_EQ(Heights(128, 128, 64, 0).levels(), 1);
  EXPECT_EQ(Heights(129, 128, 64, 0).levels(), 2);
  EXPECT_EQ(Heights(1'000'000, 128, 64, 0).levels(), 4);
  EXPECT_EQ(Heights(10'000'000, 128, 64, 0).levels(), 4);
  EXPECT_EQ(Heights(UINT64_MAX, 8, 2, 0).levels(), Heights::kMostLevels);
}

// Shares of each height, for keys that come with a pattern, within five standard deviations.
TEST(HeightsTest, PatternsInKeysDoNotShowInHeights) {
  constexpr int kKeys = 1 << 20;
  for (const std::uint64_t stride : {1U, 64U, 4096U}) {
    for (const std::uint64_t seed : {0U, 1U, 12345U}) {
      const Heights heights(std::uint64_t{1} << 40, 128, 64, seed);
      std::array<int, 8> counts{};
      for (std::uint64_t i = 0; i < kKeys; ++i) ++counts[heights.Of(i * stride)];
      double expected = kKeys * 63.0 / 64;
      for (int height = 0; height < 3; ++height, expected /= 64) {
        EXPECT_NEAR(counts[height], expected, 5 * std::sqrt(expected))
            << "stride " << stride << " seed " << seed << " height " << height;
      }
    }
  }
}

TEST(HeightsTest, AnotherSeedGivesOtherHeights) {
  const Heights a(std::uint64_t{1} << 40, 128, 2, 1), b(std::uint64_t{1} << 40, 128, 2, 2);
  int same = 0;
  for (std::uint64_t key = 0; key < 10'000; ++key) same += a.Of(key) == b.Of(key) ? 1 : 0;
  EXPECT_NEAR(same, 3333, 300);  // two geometric variables agree with probability 1/3
}

}  // namespace
}  // namespace cairn::index
