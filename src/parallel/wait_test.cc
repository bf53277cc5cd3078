// SPDX-License-Identifier: Apache-2.0
#include "parallel/wait.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <thread>

namespace cairn::parallel {
namespace {

TEST(SpinTimeTest, ShortWaitsMakeItTwiceAsLongAsTheyTook) {
  SpinTime spin;
  spin.Learn(90'000);
  EXPECT_EQ(spin.ns(), 180'000);
}

TEST(SpinTimeTest, VeryShortWaitsShrinkItSlowly) {
  SpinTime spin(80'000);
  spin.Learn(100);
  EXPECT_EQ(spin.ns(), 70'000);
  for (int i = 0; i < 100; ++i) spin.Learn(100);
  EXPECT_EQ(spin.ns(), SpinTime::kLeastNs);
}

TEST(SpinTimeTest, LongWaitsHalveIt) {
  SpinTime spin(80'000);
  spin.Learn(3'000'000);
  EXPECT_EQ(spin.ns(), 40'000);
  for (int i = 0; i < 100; ++i) spin.Learn(3'000'000);
  EXPECT_EQ(spin.ns(), SpinTime::kLeastNs);
}

TEST(SpinTimeTest, NeverGrowsBeyondItsMost) {
  SpinTime spin;
  spin.Learn(SpinTime::kMostNs);
  EXPECT_EQ(spin.ns(), SpinTime::kMostNs);
}

TEST(SpinUntilTest, GivesUpAfterTheTimeToSpin) {
  const SpinTime spin(SpinTime::kLeastNs);
  std::int64_t waited = 0;
  EXPECT_FALSE(SpinUntil([] { return false; }, spin, waited));
  EXPECT_GE(waited, SpinTime::kLeastNs);
}

TEST(WaitWordTest, ChangeBeforeTheWaitReturnsAtOnce) {
  WaitWord word;
  word.Store(1);
  SpinTime spin;
  word.AwaitChange(0, spin);
  EXPECT_EQ(word.Load(), 1u);
}

// Long enough that the waiter sleeps; it would hang if the change did not wake it.
TEST(WaitWordTest, ChangeWakesTheSleeper) {
  WaitWord word;
  int written = 0;
  int read = 0;
  std::thread waiter([&] {
    SpinTime spin(SpinTime::kLeastNs);
    word.AwaitChange(0, spin);
    read = written;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  written = 7;
  word.Store(1);
  waiter.join();
  EXPECT_EQ(read, 7);
}

}  // namespace
}  // namespace cairn::parallel
