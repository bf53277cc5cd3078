// SPDX-License-Identifier: Apache-2.0
#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "testing/scheduler_fixture.h"

namespace cairn::engine {
namespace {

TEST_F(SchedulerTest, WithoutRequestsThereIsNothingToDo) {
  Make();
  EXPECT_FALSE(scheduler_->Step());
  EXPECT_TRUE(scheduler_->idle());
}

TEST_F(SchedulerTest, RequestsThatMeanNothingAreRefused) {
  Make({.context = 100});
  Story story;
  const auto refused = [&](Request request, ErrorCode code) {
    const auto id = scheduler_->Submit(std::move(request));
    return !id && id.error().code == code;
  };
  EXPECT_TRUE(refused(Make(story, {}, 1), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(refused(Make(story, {testing::kStubVocabulary}, 1), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(refused(Make(story, {-1}, 1), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(refused(Make(story, Text(101), 1), ErrorCode::kLimit));
  Request none = Make(story, Text(5), 1);
  none.choices.clear();
  EXPECT_TRUE(refused(std::move(none), ErrorCode::kInvalidArgument));
  Request urgent = Make(story, Text(5), 1);
  urgent.priority = 11;
  EXPECT_TRUE(refused(std::move(urgent), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(scheduler_->idle());
}

TEST_F(SchedulerTest, APromptThatCanNeverFitIsRefusedAtOnce) {
  Make({.budget_tiles = 8});
  Story story;
  const auto id = scheduler_->Submit(Make(story, Text(64 * 8 + 1), 1));
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, ErrorCode::kLimit);
  EXPECT_NE(id.error().message.find("--kv-memory"), std::string::npos);
}

TEST_F(SchedulerTest, MoreThanMayWaitAreRefused) {
  Make({}, {.waiting = 2});
  Story story;
  Submit(story, Text(5), 1);
  Submit(story, Text(5), 1);
  const auto third = scheduler_->Submit(Make(story, Text(5), 1));
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, ErrorCode::kBusy);  // not kLimit, which means never
}

TEST_F(SchedulerTest, ACancelledRequestGivesItsMemoryBackWithinAStep) {
  Make();
  Story story;
  const RequestId id = Submit(story, Text(300), 1000);
  for (int i = 0; i < 20; ++i) scheduler_->Step();
  EXPECT_GT(model_->pool().use().used, 0u);
  scheduler_->RequestCancel(id);
  scheduler_->Step();
  EXPECT_EQ(story.ended, Ended::kCancelled);
  EXPECT_TRUE(scheduler_->idle());
  scheduler_->DropCache();
  EXPECT_EQ(model_->pool().use().used, 0u);
}

TEST_F(SchedulerTest, ARequestPastItsDeadlineFails) {
  Make();
  Story late, other;
  Request request = Make(late, Text(50), 1000);
  request.deadline_ns = clock_.NowNs() + 50'000'000;
  ASSERT_TRUE(scheduler_->Submit(std::move(request)));
  Submit(other, Text(50, 2), 60);
  RunAll();
  ASSERT_TRUE(late.error);
  EXPECT_EQ(late.error->code, ErrorCode::kLimit);
  EXPECT_GT(late.said.size(), 1u);
  EXPECT_EQ(other.said.size(), 60u);
}

TEST_F(SchedulerTest, AShortQuestionPassesALongOne) {
  Make({}, {.sequences = 1});
  Story first, lengthy, brief;
  Submit(first, Text(10), 5);
  scheduler_->Step();
  Submit(lengthy, Text(1000, 2), 5);
  clock_.AdvanceNs(1'000'000);
  Submit(brief, Text(10, 3), 5);
  RunAll();
  EXPECT_LT(brief.times.back(), lengthy.times.front());
}

TEST_F(SchedulerTest, PriorityIsSooner) {
  Make({}, {.sequences = 1});
  Story first, usual, urgent;
  Submit(first, Text(10), 5);
  scheduler_->Step();
  Submit(usual, Text(10, 2), 5);
  Request request = Make(urgent, Text(100, 3), 5);
  request.priority = 1;
  ASSERT_TRUE(scheduler_->Submit(std::move(request)));
  RunAll();
  EXPECT_LT(urgent.times.back(), usual.times.front());
}

TEST_F(SchedulerTest, TheSamePromptAgainComputesOneRow) {
  Make();
  Story first, second;
  Submit(first, Text(500), 3);
  RunAll();
  const std::int64_t before = scheduler_->counters().prompt_rows;
  Submit(second, Text(500), 3);
  RunAll();
  EXPECT_EQ(second.reused, 499);
  EXPECT_EQ(scheduler_->counters().prompt_rows, before);
  EXPECT_EQ(first.said, second.said);
}

TEST_F(SchedulerTest, WithoutTheCacheNothingIsReusedAndNothingIsLeft) {
  Make();
  for (int time = 0; time < 2; ++time) {
    Story story;
    Request request = Make(story, Text(500), 3);
    request.use_cache = false;
    ASSERT_TRUE(scheduler_->Submit(std::move(request)));
    RunAll();
    EXPECT_EQ(story.reused, 0);
    EXPECT_EQ(model_->pool().use().used, 0u);
  }
}

TEST_F(SchedulerTest, ChoicesShareTheTilesOfTheirPrompt) {
  Make();
  std::vector<Story> stories(4);
  Request request = Make(stories[0], Text(640), 30);
  for (std::size_t i = 1; i < stories.size(); ++i) {
    request.choices.push_back(std::make_unique<Teller>(stories[i], clock_, 30));
  }
  ASSERT_TRUE(scheduler_->Submit(std::move(request)));
  std::size_t most = 0;
  while (scheduler_->Step()) most = std::max(most, model_->pool().use().used);
  EXPECT_EQ(model_->complaint(), "");
  for (const Story& story : stories) EXPECT_EQ(story.said, stories[0].said);
  // Ten tiles of the prompt in each of two groups, and two of their own for each choice.
  EXPECT_LE(most, (20u + 8u + 2u) * 4096u);
  EXPECT_EQ(scheduler_->counters().prompt_rows, 640);
}

// Running answers keep their pace while a long prompt comes in.
TEST_F(SchedulerTest, APromptMakesStepsAtMostTwiceAsLong) {
  Make({.budget_tiles = 400, .step_rows = 512}, {.propose = false});
  std::vector<Story> stories(8);
  for (std::size_t i = 0; i < stories.size(); ++i) {
    Submit(stories[i], Text(20, static_cast<int>(i)), 300);
  }
  for (int i = 0; i < 100; ++i) scheduler_->Step();
  const std::int64_t before = clock_.NowNs();
  scheduler_->Step();
  const std::int64_t alone = clock_.NowNs() - before;
  Story lengthy;
  Submit(lengthy, Text(1900, 99), 5);
  std::int64_t longest = 0;
  // Two steps in which it learns what a row of a prompt costs.
  for (int i = 0; lengthy.said.empty(); ++i) {
    const std::int64_t start = clock_.NowNs();
    scheduler_->Step();
    if (i >= 2) longest = std::max(longest, clock_.NowNs() - start);
    ASSERT_LT(i, 1000);
  }
  EXPECT_LE(longest, 2 * alone);
}

TEST_F(SchedulerTest, AStepThatFailsFailsItsRequestsAndTheNextOnesGoOn) {
  Make();
  Story first, second;
  Submit(first, Text(50), 20);
  scheduler_->Step();
  model_->FailNextStep();
  scheduler_->Step();
  ASSERT_TRUE(first.error);
  EXPECT_EQ(first.error->code, ErrorCode::kOutOfMemory);
  Submit(second, Text(50), 20);
  RunAll();
  EXPECT_EQ(second.said.size(), 20u);
}

TEST_F(SchedulerTest, AnAnswerThatFillsTheMemoryAloneEndsThere) {
  Make({.budget_tiles = 8});
  Story story;
  Submit(story, Text(100), 1000);
  RunAll();
  EXPECT_EQ(story.ended, Ended::kContext);
  EXPECT_GT(story.said.size(), 64u);
}

// --- urgent ones ----------------------------------------------------------------------------

constexpr std::int64_t kSecond = 1'000'000'000;

TEST_F(SchedulerTest, AnUrgentRequestTakesThePlaceOfTheLastLessUrgentOne) {
  Make({}, {.sequences = 2, .propose = false});
  Story first, second, urgent;
  Submit(first, Text(50), 100);
  clock_.AdvanceNs(kSecond);
  Submit(second, Text(50, 2), 100);
  for (int i = 0; i < 10; ++i) scheduler_->Step();
  Request request = Make(urgent, Text(50, 3), 5);
  request.priority = 1;
  ASSERT_TRUE(scheduler_->Submit(std::move(request)));
  const std::size_t before = second.said.size();
  for (int i = 0; i < 8; ++i) scheduler_->Step();
  EXPECT_FALSE(urgent.said.empty());
  EXPECT_EQ(second.said.size(), before);
  EXPECT_EQ(scheduler_->counters().pushed_out, 1);
  RunAll();
  EXPECT_LT(first.times.back(), second.times.back());
  EXPECT_EQ(second.said.size(), 100u);
  EXPECT_EQ(scheduler_->counters().preempted, 1);  // nothing went to and fro
}

TEST_F(SchedulerTest, AnUrgentRequestTakesTheMemoryOfLessUrgentOnes) {
  Make({.budget_tiles = 24}, {.propose = false});
  Story first, second, urgent;
  Submit(first, Text(250), 60);
  clock_.AdvanceNs(1'000'000);
  Submit(second, Text(250, 2), 60);
  for (int i = 0; i < 10; ++i) scheduler_->Step();
  Request request = Make(urgent, Text(350, 3), 5);
  request.priority = 1;
  request.use_cache = false;
  ASSERT_TRUE(scheduler_->Submit(std::move(request)));
  scheduler_->Step();
  EXPECT_GE(scheduler_->counters().pushed_out, 1);
  RunAll();
  EXPECT_EQ(urgent.said.size(), 5u);
  EXPECT_EQ(first.said.size(), 60u);
  EXPECT_EQ(second.said.size(), 60u);
  EXPECT_LE(scheduler_->counters().preempted, 3);
}

TEST_F(SchedulerTest, EquallyUrgentOnesWait) {
  Make({}, {.sequences = 1});
  Story first, second;
  Submit(first, Text(50), 50);
  scheduler_->Step();
  Submit(second, Text(5, 2), 5);
  RunAll();
  EXPECT_EQ(scheduler_->counters().preempted, 0);
}

// A level is worth ten seconds: one that has waited for longer is not pushed out any more, so a
// stream of urgent ones starves nobody.
TEST_F(SchedulerTest, AStreamOfUrgentRequestsDoesNotStarveAnOldOne) {
  Make({}, {.sequences = 1, .propose = false});
  Story old;
  Submit(old, Text(50), 30);
  scheduler_->Step();
  std::vector<Story> stories(400);
  for (std::size_t i = 0; i < stories.size() && !old.ended; ++i) {
    Request request = Make(stories[i], Text(50, static_cast<int>(i)), 20);
    request.priority = 1;
    ASSERT_TRUE(scheduler_->Submit(std::move(request)));
    for (int s = 0; s < 20; ++s) scheduler_->Step();
  }
  EXPECT_TRUE(old.ended);
  EXPECT_LT(clock_.NowNs(), 13 * kSecond);
}

// Also where the turn is another tenant's, whose request does not fit.
TEST_F(SchedulerTest, AnUrgentRequestDoesNotWaitBehindAnotherTenantsTurn) {
  Make({}, {.sequences = 1, .propose = false});
  Story running, waiting, urgent;
  const auto submit = [&](Story& story, const char* tenant, int priority) {
    Request request = Make(story, Text(50, priority), 60);
    request.tenant = tenant;
    request.priority = priority;
    ASSERT_TRUE(scheduler_->Submit(std::move(request)));
  };
  submit(running, "a", 0);
  scheduler_->Step();
  submit(waiting, "b", 0);
  scheduler_->Step();
  submit(urgent, "c", 3);
  RunAll();
  EXPECT_LT(urgent.times.back(), running.times.back());
  EXPECT_EQ(waiting.said.size(), 60u);
}

}  // namespace
}  // namespace cairn::engine
