// SPDX-License-Identifier: Apache-2.0
// Days of the scheduler's life (testing/simulation.h). One seed again:
//   CAIRN_SIMULATION_SEED=123 build/release/cairn_engine_test --gtest_filter='*Day*'
// CAIRN_SIMULATION_DAYS sets how many each of the twenty parts simulates.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "testing/simulation.h"

namespace cairn::engine {
namespace {

using testing::DayReport;
using testing::Plant;
using testing::SimulateDay;

std::uint64_t Setting(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

constexpr int kParts = 20;
constexpr std::uint64_t kDaysOfPart = 500;

class DayTest : public ::testing::TestWithParam<int> {};

TEST_P(DayTest, EveryAnswerIsTheOneMadeAloneAndNothingIsLeft) {
  const std::uint64_t days = Setting("CAIRN_SIMULATION_DAYS", kDaysOfPart);
  const std::uint64_t one = Setting("CAIRN_SIMULATION_SEED", 0);
  const std::uint64_t first = one != 0 ? one : 1 + static_cast<std::uint64_t>(GetParam()) * days;
  DayReport all;
  for (std::uint64_t seed = first; seed < first + (one != 0 ? 1 : days); ++seed) {
    const DayReport day = SimulateDay(seed);
    ASSERT_EQ(day.complaint, "") << "seed " << seed;
    all.preempted += day.preempted;
    all.reused_rows += day.reused_rows;
    all.accepted += day.accepted;
    all.accepted_of_draft += day.accepted_of_draft;
    all.cancelled += day.cancelled;
    all.failed += day.failed;
    all.streams += day.streams;
    all.pushed_out += day.pushed_out;
    all.invalidated_rows += day.invalidated_rows;
    all.lost_rows += day.lost_rows;
    all.swapped_in += day.swapped_in;
  }
  if (one != 0 || days < 100) return;
  // What never happened was not tested.
  EXPECT_GT(all.preempted, 100);
  EXPECT_GT(all.reused_rows, 1000);
  EXPECT_GT(all.accepted, 1000);
  EXPECT_GT(all.accepted_of_draft, 1000);
  EXPECT_GT(all.cancelled, 100);
  EXPECT_GT(all.failed, 100);
  EXPECT_GT(all.streams, 1000);
  EXPECT_GT(all.pushed_out, 100);
  EXPECT_GT(all.invalidated_rows, 10000);
  EXPECT_GT(all.lost_rows, 1000);
  EXPECT_GT(all.swapped_in, 100);
}

INSTANTIATE_TEST_SUITE_P(Parts, DayTest, ::testing::Range(0, kParts));

// Seeds that failed once; these when a step's failure was kept for a later one.
TEST(KnownDaysTest, SeedsThatFailedOnce) {
  for (const std::uint64_t seed : {40, 520, 1020})
    EXPECT_EQ(SimulateDay(seed).complaint, "") << seed;
}

// A check that finds nothing proves nothing: each of these mistakes is found within a few days.
class PlantTest : public ::testing::TestWithParam<Plant> {};

TEST_P(PlantTest, APlantedMistakeIsFound) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    if (!SimulateDay(seed, GetParam()).complaint.empty()) return;
  }
  FAIL() << "a hundred days passed";
}

INSTANTIATE_TEST_SUITE_P(Mistakes, PlantTest,
                         ::testing::Values(Plant::kForgottenRelease, Plant::kBudgetOffByOne,
                                           Plant::kWriteIntoPublished,
                                           Plant::kUpdateKeepsOneTooMany,
                                           Plant::kChangeDuringStep));

// The tiles themselves find this one.
TEST(PlantDeathTest, AWindowThatIsReleasedTooEarlyIsABrokenInvariant) {
  EXPECT_DEATH(
      {
        for (std::uint64_t seed = 1; seed <= 100; ++seed) {
          SimulateDay(seed, Plant::kWindowTooEarly);
        }
      },
      "internal error");
}

}  // namespace
}  // namespace cairn::engine
