// SPDX-License-Identifier: Apache-2.0
#include "parallel/team.h"

#include <gtest/gtest.h>

#include <numeric>

namespace cairn::parallel {
namespace {

class TeamTest : public ::testing::TestWithParam<int> {};

TEST_P(TeamTest, EveryWorkerRunsEveryJobOnce) {
  WorkerTeam team(GetParam());
  std::vector<int> counts(static_cast<std::size_t>(team.size()), 0);
  for (int job = 0; job < 200; ++job) {
    team.Run([&](int worker) { ++counts[static_cast<std::size_t>(worker)]; });
  }
  for (int count : counts) EXPECT_EQ(count, 200);
}

// Each round sums what all workers wrote in the round before: wrong if the barrier lets one ahead.
TEST_P(TeamTest, BarrierMakesAllWritesVisible) {
  WorkerTeam team(GetParam());
  const int n = team.size();
  std::vector<long> values(static_cast<std::size_t>(n), 1);
  std::vector<long> next(static_cast<std::size_t>(n));
  team.Run([&](int worker) {
    for (int round = 0; round < 50; ++round) {
      const long sum = std::accumulate(values.begin(), values.end(), 0L);
      next[static_cast<std::size_t>(worker)] = sum % 1000003;
      team.barrier().Wait();
      values[static_cast<std::size_t>(worker)] = next[static_cast<std::size_t>(worker)];
      team.barrier().Wait();
    }
  });
  long expected = 1;
  for (int round = 0; round < 50; ++round) expected = expected * n % 1000003;
  for (long value : values) EXPECT_EQ(value, expected);
}

TEST_P(TeamTest, ForEachVisitsEveryIndexOnce) {
  WorkerTeam team(GetParam());
  std::vector<std::atomic<int>> visits(1000);
  team.ForEach(1000, [&](std::int64_t i) { ++visits[static_cast<std::size_t>(i)]; });
  for (const auto& count : visits) EXPECT_EQ(count.load(), 1);
}

INSTANTIATE_TEST_SUITE_P(Sizes, TeamTest, ::testing::Values(1, 2, 3, 8));

TEST(UsableCoresTest, IsAtLeastOne) { EXPECT_GE(UsableCores(), 1); }

}  // namespace
}  // namespace cairn::parallel
