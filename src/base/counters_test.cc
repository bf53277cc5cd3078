// SPDX-License-Identifier: Apache-2.0
#include "base/counters.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <thread>

namespace cairn {
namespace {

TEST(CountersTest, ReadGivesAllByName) {
  Counters counters;
  counters.AddGauge("kv_bytes", "Bytes of KV.").Set(-3);
  counters.AddCounter("answers_total", "Answers.").Add(2);
  const auto readings = counters.Read();
  ASSERT_EQ(readings.size(), 2u);
  EXPECT_EQ(readings[0].name, "answers_total");
  EXPECT_EQ(readings[0].help, "Answers.");
  EXPECT_TRUE(readings[0].is_counter);
  EXPECT_EQ(readings[0].value, 2);
  EXPECT_EQ(readings[1].name, "kv_bytes");
  EXPECT_FALSE(readings[1].is_counter);
  EXPECT_EQ(readings[1].value, -3);
}

TEST(CountersTest, SameNameIsTheSameCounterAndReferencesStay) {
  Counters counters;
  Counter& first = counters.AddCounter("first", "");
  for (int i = 0; i < 1000; ++i) counters.AddGauge(fmt::format("g{}", i), "");
  counters.AddCounter("first", "other help").Add(5);
  EXPECT_EQ(first.value(), 5u);
}

TEST(CountersTest, NothingIsLostBetweenThreads) {
  Counters counters;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&counters] {
        Counter& counter = counters.AddCounter("n", "");
        Gauge& gauge = counters.AddGauge("g", "");
        for (int i = 0; i < 10'000; ++i) {
          counter.Add();
          gauge.Add(i % 2 == 0 ? 1 : -1);
        }
      });
    }
  }
  EXPECT_EQ(counters.AddCounter("n", "").value(), 40'000u);
  EXPECT_EQ(counters.AddGauge("g", "").value(), 0);
}

TEST(CountersDeathTest, NameOfTheOtherKindOrBadNameIsOurBug) {
  Counters counters;
  counters.AddCounter("n", "");
  EXPECT_DEATH(counters.AddGauge("n", ""), "internal error");
  EXPECT_DEATH(counters.AddCounter("has space", ""), "internal error");
  EXPECT_DEATH(counters.AddCounter("", ""), "internal error");
  EXPECT_DEATH(counters.AddCounter("9lives", ""), "internal error");
}

}  // namespace
}  // namespace cairn
