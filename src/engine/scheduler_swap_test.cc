// SPDX-License-Identifier: Apache-2.0
// Whether those that give way are read back or computed again, and that it is the same.
#include <gtest/gtest.h>

#include "engine/scheduler.h"
#include "testing/scheduler_fixture.h"

namespace cairn::engine {
namespace {

// A disk of memory that takes the time it is told.
class SlowDisk final : public ScratchFile {
 public:
  SlowDisk(VirtualClock& clock, std::int64_t ns_per_tile)
      : clock_(clock), ns_per_tile_(ns_per_tile) {}
  Result<void> ReadAt(std::uint64_t offset, std::span<std::byte> out) override {
    clock_.AdvanceNs(ns_per_tile_);
    if (broken) return Fail(ErrorCode::kIo, "broken");
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  }
  Result<void> WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) override {
    clock_.AdvanceNs(ns_per_tile_);
    bytes_.resize(std::max(bytes_.size(), offset + bytes.size()));
    std::ranges::copy(bytes, bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  bool broken = false;

 private:
  VirtualClock& clock_;
  std::int64_t ns_per_tile_;
  std::vector<std::byte> bytes_;
};

class SchedulerSwapTest : public SchedulerTest {
 protected:
  // Two requests without the cache take turns in one place: every third step one gives way.
  std::vector<Story> TakeTurns(std::int64_t ns_per_tile, std::size_t swap_tiles, bool broken) {
    const auto clock = std::shared_ptr<const Clock>(std::shared_ptr<void>(), &clock_);
    scheduler_.reset();
    model_ = std::make_unique<StubModel>(StubOptions{}, clock_);
    SchedulerOptions options{.propose = false, .preempt_every = 3, .clock = clock};
    if (swap_tiles > 0) {
      auto disk = std::make_unique<SlowDisk>(clock_, ns_per_tile);
      disk->broken = broken;
      options.swap = std::make_shared<kv::SwapFile>(model_->pool(), std::move(disk),
                                                    swap_tiles * 4096, clock_);
    }
    scheduler_ = std::make_unique<Scheduler>(*model_, options);
    std::vector<Story> stories(2);
    for (std::size_t i = 0; i < 2; ++i) {
      Request request = Make(stories[i], Text(300, static_cast<int>(i)), 40);
      request.use_cache = false;
      EXPECT_TRUE(scheduler_->Submit(std::move(request)));
    }
    RunAll();
    EXPECT_EQ(model_->pool().use().used, 0u);
    return stories;
  }
  void ExpectSame(const std::vector<Story>& stories) {
    for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(stories[i].said, alone_[i].said);
  }
  std::vector<Story> alone_ = TakeTurns(0, 0, false);
};

// 300 positions are 5 tiles of one group and 3 of the other; to compute them takes 90 ms.
constexpr std::int64_t kFast = 100'000, kSlow = 20'000'000;

TEST_F(SchedulerSwapTest, WhatReadsFasterThanItComputesIsReadBack) {
  const std::int64_t computed_all = scheduler_->counters().prompt_rows;
  ExpectSame(TakeTurns(kFast, 100, false));
  const SchedulerCounters c = scheduler_->counters();
  EXPECT_GT(c.swapped_in, 10);
  EXPECT_EQ(c.swapped_in, c.swapped_out);
  EXPECT_GE(c.swapped_in + 1, c.preempted);  // one had computed nothing yet
  EXPECT_EQ(c.lost_rows, 0);
  EXPECT_EQ(c.prompt_rows, 600);
  EXPECT_GT(computed_all, 10 * 600);
}

// The same with a slower disk: tried once, and from what that took never again.
TEST_F(SchedulerSwapTest, WhatComputesFasterThanItReadsIsComputedAgain) {
  ExpectSame(TakeTurns(kSlow, 100, false));
  const SchedulerCounters c = scheduler_->counters();
  EXPECT_GT(c.preempted, 10);
  EXPECT_LE(c.swapped_out, 1);
  EXPECT_GT(c.lost_rows, 10 * 300);
}

TEST_F(SchedulerSwapTest, WithoutRoomInTheFileItIsComputedAgain) {
  ExpectSame(TakeTurns(kFast, 1, false));
  EXPECT_EQ(scheduler_->counters().swapped_out, 0);
}

TEST_F(SchedulerSwapTest, ADiskThatFailsToReadIsNotTrustedForAWhile) {
  ExpectSame(TakeTurns(kFast, 100, true));
  const SchedulerCounters c = scheduler_->counters();
  EXPECT_EQ(c.swapped_in, 0);
  EXPECT_GT(c.preempted, 10);
  EXPECT_LE(c.swapped_out, 2);
}

// What was revised while it was in the file is not read back, what is still true is.
TEST_F(SchedulerSwapTest, AStreamInTheFileIsShortenedWithItsPrompt) {
  const auto clock = std::shared_ptr<const Clock>(std::shared_ptr<void>(), &clock_);
  scheduler_.reset();
  model_ = std::make_unique<StubModel>(StubOptions{}, clock_);
  const auto swap = std::make_shared<kv::SwapFile>(
      model_->pool(), std::make_unique<SlowDisk>(clock_, kFast), 100 * 4096, clock_);
  scheduler_ = std::make_unique<Scheduler>(
      *model_, SchedulerOptions{.sequences = 1, .swap = swap, .clock = clock});
  Story stream, plain, other;
  Request request = Make(stream, Text(90), 10);
  request.streaming = true;
  request.use_cache = false;
  const auto id = scheduler_->Submit(std::move(request));
  ASSERT_TRUE(id);
  RunAll();
  Submit(plain, Text(20, 2), 50);
  scheduler_->Step();
  EXPECT_EQ(scheduler_->counters().swapped_out, 1);
  EXPECT_GT(swap->counters().bytes, 0u);
  auto revised = Text(80);
  revised[70] = 1 + revised[70] % (testing::kStubVocabulary - 1);
  ASSERT_TRUE(scheduler_->Update(*id, revised));
  ASSERT_TRUE(scheduler_->Finish(*id));
  RunAll();
  EXPECT_EQ(scheduler_->counters().swapped_in, 1);
  EXPECT_EQ(swap->counters().bytes, 0u);
  Submit(other, revised, 10);
  RunAll();
  EXPECT_EQ(stream.said, other.said);
}

}  // namespace
}  // namespace cairn::engine
