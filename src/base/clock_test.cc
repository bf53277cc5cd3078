// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <gtest/gtest.h>

#include "testing/virtual_clock.h"

namespace cairn {
namespace {

TEST(SystemClockTest, NeverGoesBackAndMoves) {
  const SystemClock clock;
  const std::int64_t start = clock.NowNs();
  std::int64_t last = start;
  for (int i = 0; i < 1'000'000 && last == start; ++i) {
    const std::int64_t now = clock.NowNs();
    ASSERT_GE(now, last);
    last = now;
  }
  EXPECT_GT(last, start);
}

TEST(VirtualClockTest, StandsStillUntilAdvanced) {
  testing::VirtualClock clock(5);
  EXPECT_EQ(clock.NowNs(), 5);
  EXPECT_EQ(clock.NowNs(), 5);
  clock.AdvanceNs(10);
  EXPECT_EQ(clock.NowNs(), 15);
}

}  // namespace
}  // namespace cairn
