// SPDX-License-Identifier: Apache-2.0
#include "apps/batch_progress.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "testing/virtual_clock.h"

namespace cairn::apps {
namespace {

TEST(BatchProgressTest, SecondsReadAsPeopleSayThem) {
  EXPECT_EQ(HumanSeconds(0), "0 s");
  EXPECT_EQ(HumanSeconds(59.4), "59 s");
  EXPECT_EQ(HumanSeconds(59.6), "1 min 00 s");
  EXPECT_EQ(HumanSeconds(185), "3 min 05 s");
  EXPECT_EQ(HumanSeconds(7620), "2 h 07 min");
  EXPECT_EQ(HumanSeconds(-1), "0 s");
}

TEST(BatchProgressTest, WithoutATerminalANoteComesEveryHalfMinute) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  cairn::testing::VirtualClock clock;
  Console console(STDOUT_FILENO, ends[1]);
  BatchProgress progress(console, clock);
  const BatchCounts counts{
      .total = 100, .skipped = 40, .answered = 9, .failed = 1, .live_tokens = 3000};
  for (int second = 0; second < 59; ++second) {
    clock.AdvanceNs(1'000'000'000);
    progress.Show(counts);
  }
  char text[1000] = {};
  const ssize_t got = read(ends[0], text, sizeof text - 1);
  EXPECT_EQ(std::string(text, static_cast<std::size_t>(got)),
            "cairn: 50 of 100 lines, 1 failed, 100 tokens/s, 2 min 30 s left\n");
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace cairn::apps
