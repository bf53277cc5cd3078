// SPDX-License-Identifier: Apache-2.0
// Prompts that arrive in pieces: one promise each. Answers are compared with those to the whole
// prompt, made alone.
#include <gtest/gtest.h>

#include "engine/scheduler.h"
#include "testing/scheduler_fixture.h"

namespace cairn::engine {
namespace {

using Tokens = std::vector<std::int32_t>;

class SchedulerStreamTest : public SchedulerTest {
 protected:
  // What a request with this prompt says that nobody disturbs.
  static Tokens Alone(const Tokens& prompt, std::size_t most) {
    VirtualClock clock;
    StubModel model({}, clock);
    SchedulerOptions options;
    options.clock = std::shared_ptr<const Clock>(std::shared_ptr<void>(), &clock);
    Scheduler scheduler(model, options);
    Story story;
    Request request;
    request.prompt = prompt;
    request.choices.push_back(std::make_unique<Teller>(story, clock, most));
    EXPECT_TRUE(scheduler.Submit(std::move(request)));
    while (scheduler.Step()) {
    }
    return story.said;
  }
  static Tokens Join(Tokens first, const Tokens& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
  }
  void Append(RequestId id, const Tokens& tokens) {
    const auto done = scheduler_->Append(id, tokens);
    EXPECT_TRUE(done) << done.error().message;
  }
  void Update(RequestId id, const Tokens& tokens) {
    const auto done = scheduler_->Update(id, tokens);
    EXPECT_TRUE(done) << done.error().message;
  }
  void Finish(RequestId id) {
    const auto done = scheduler_->Finish(id);
    EXPECT_TRUE(done) << done.error().message;
  }
};

TEST_F(SchedulerStreamTest, APromptInPiecesHasTheAnswerToTheWholeOne) {
  Make();
  Story story;
  const RequestId id = Open(story, {}, 30);
  Tokens whole;
  for (int piece = 0; piece < 8; ++piece) {
    const Tokens tokens = Text(1 + piece * 13, piece);
    Append(id, tokens);
    whole = Join(whole, tokens);
    for (int i = 0; i < piece % 3; ++i) scheduler_->Step();
  }
  Finish(id);
  RunAll();
  EXPECT_EQ(story.prompt, whole);
  EXPECT_EQ(story.said, Alone(whole, 30));
}

// What has come is computed, and nothing is chosen.
TEST_F(SchedulerStreamTest, BeforeTheFinishThePromptIsComputedAndNoTokenIsChosen) {
  Make();
  Story story;
  const RequestId id = Open(story, Text(300), 5);
  RunAll();
  EXPECT_TRUE(story.said.empty());
  EXPECT_EQ(scheduler_->counters().prompt_rows, 299);
  EXPECT_FALSE(scheduler_->idle());
  Finish(id);
  // One row is left for the first token, although nothing new has come.
  EXPECT_TRUE(scheduler_->Step());
  EXPECT_EQ(story.said.size(), 1u);
  RunAll();
  EXPECT_EQ(scheduler_->counters().prompt_rows, 299);
  EXPECT_EQ(story.said, Alone(Text(300), 5));
}

TEST_F(SchedulerStreamTest, APieceOfOneTokenIsAnswered) {
  Make();
  Story story;
  const RequestId id = Open(story, Text(1), 5);
  RunAll();
  Finish(id);
  RunAll();
  EXPECT_EQ(story.said, Alone(Text(1), 5));
}

TEST_F(SchedulerStreamTest, AnUpdateKeepsTheCommonBeginningAndComputesTheRest) {
  Make({}, {.propose = false});
  Story story;
  const Tokens shared = Text(200);
  const RequestId id = Open(story, Join(shared, Text(50, 3)), 20);
  RunAll();
  Tokens revised = Join(shared, Text(80, 5));
  revised[200] = 1 + (Text(1, 3)[0]) % (testing::kStubVocabulary - 1);  // they part here
  Update(id, revised);
  RunAll();
  EXPECT_EQ(scheduler_->counters().invalidated_rows, 49);
  EXPECT_EQ(scheduler_->counters().prompt_rows, 249 + 79);
  Finish(id);
  RunAll();
  EXPECT_EQ(story.said, Alone(revised, 20));
}

// Equal passages behind the first difference do not count.
TEST_F(SchedulerStreamTest, AnInsertedTokenInvalidatesAllBehindIt) {
  Make();
  Story story;
  const RequestId id = Open(story, Text(100), 20);
  RunAll();
  Tokens moved = Text(100);
  moved.insert(moved.begin() + 20, 1 + moved[20] % (testing::kStubVocabulary - 1));
  Update(id, moved);
  Finish(id);
  RunAll();
  EXPECT_EQ(scheduler_->counters().invalidated_rows, 79);
  EXPECT_EQ(story.said, Alone(moved, 20));
}

TEST_F(SchedulerStreamTest, AnUpdateToTheSamePromptOrItsBeginningIsAnswered) {
  for (const int size : {300, 299, 256, 100, 64, 1}) {
    for (const bool finish_at_once : {true, false}) {
      Make();
      Story story;
      const RequestId id = Open(story, Text(300), 20);
      RunAll();
      Tokens beginning = Text(300);
      beginning.resize(static_cast<std::size_t>(size));
      Update(id, beginning);
      if (!finish_at_once) RunAll();
      Finish(id);
      RunAll();
      EXPECT_EQ(story.said, Alone(beginning, 20)) << size;
    }
  }
}

TEST_F(SchedulerStreamTest, AnUpdateToNothingStartsAnew) {
  Make();
  Story story;
  const RequestId id = Open(story, Text(300), 20);
  RunAll();
  Update(id, {});
  RunAll();
  EXPECT_FALSE(scheduler_->Finish(id));
  Append(id, Text(40, 9));
  Finish(id);
  RunAll();
  EXPECT_EQ(story.said, Alone(Text(40, 9), 20));
}

// The window of the position where the texts part was given back long ago: what the cache has of it
// is taken, and without the cache all is computed again.
TEST_F(SchedulerStreamTest, AnUpdateBehindAWindowThatIsGoneIsAnswered) {
  for (const bool use_cache : {true, false}) {
    Make();
    Story story;
    Request request = Make(story, Text(700), 20);
    request.streaming = true;
    request.use_cache = use_cache;
    const auto id = scheduler_->Submit(std::move(request));
    ASSERT_TRUE(id);
    RunAll();
    Tokens revised = Text(700);
    revised[200] = 1 + revised[200] % (testing::kStubVocabulary - 1);
    Update(*id, revised);
    RunAll();
    EXPECT_EQ(scheduler_->counters().lost_rows, use_cache ? 0 : 200);
    Finish(*id);
    RunAll();
    EXPECT_EQ(story.said, Alone(revised, 20));
  }
}

TEST_F(SchedulerStreamTest, MessagesThatMeanNothingAreRefusedAndChangeNothing) {
  Make({.context = 400});
  Story story, plain;
  const RequestId id = Open(story, Text(50), 20);
  const RequestId whole = Submit(plain, Text(50, 2), 100);
  const Tokens more = Text(5);
  const auto code = [](const Result<void>& done) { return done.error().code; };
  EXPECT_EQ(code(scheduler_->Append(99, more)), ErrorCode::kNotFound);
  EXPECT_EQ(code(scheduler_->Finish(99)), ErrorCode::kNotFound);
  EXPECT_EQ(code(scheduler_->Append(whole, more)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(scheduler_->Append(id, Tokens{testing::kStubVocabulary})),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(scheduler_->Update(id, Tokens{-1})), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(scheduler_->Append(id, Text(351))), ErrorCode::kLimit);
  EXPECT_EQ(code(scheduler_->Update(id, Text(401))), ErrorCode::kLimit);
  RunAll();
  Finish(id);
  EXPECT_EQ(code(scheduler_->Append(id, more)), ErrorCode::kInvalidArgument);
  scheduler_->Step();
  EXPECT_FALSE(story.said.empty());
  EXPECT_EQ(code(scheduler_->Update(id, more)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code(scheduler_->Finish(id)), ErrorCode::kInvalidArgument);
  RunAll();
  EXPECT_EQ(code(scheduler_->Append(id, more)), ErrorCode::kNotFound);
  EXPECT_EQ(story.said, Alone(Text(50), 20));
}

TEST_F(SchedulerStreamTest, APieceThatCanNeverFitIsRefusedAndTheStreamGoesOn) {
  Make({.budget_tiles = 8});
  Story story;
  const RequestId id = Open(story, Text(100), 20);
  RunAll();
  const auto refused = scheduler_->Append(id, Text(64 * 8, 2));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kLimit);
  EXPECT_NE(refused.error().message.find("--kv-memory"), std::string::npos);
  Append(id, Text(60, 3));
  Finish(id);
  RunAll();
  EXPECT_EQ(story.said, Alone(Join(Text(100), Text(60, 3)), 20));
}

TEST_F(SchedulerStreamTest, AnAbandonedStreamFailsAndGivesItsMemoryBack) {
  Make({}, {.stream_idle_ns = 5'000'000'000});
  Story story;
  const RequestId id = Open(story, Text(300), 20);
  RunAll();
  EXPECT_EQ(scheduler_->WakeNs(), 5'000'000'000);
  clock_.AdvanceNs(4'000'000'000);
  Append(id, {});  // a sign of life
  RunAll();
  clock_.AdvanceNs(4'000'000'000);
  RunAll();
  EXPECT_FALSE(story.error);
  clock_.AdvanceNs(2'000'000'000);
  RunAll();
  ASSERT_TRUE(story.error);
  EXPECT_EQ(story.error->code, ErrorCode::kLimit);
  EXPECT_TRUE(scheduler_->idle());
  EXPECT_EQ(scheduler_->WakeNs(), std::nullopt);
  scheduler_->DropCache();
  EXPECT_EQ(model_->pool().use().used, 0u);
}

TEST_F(SchedulerStreamTest, AFinishedPromptIsNoLongerTimed) {
  Make({}, {.stream_idle_ns = 50'000'000});
  Story story;
  const RequestId id = Open(story, Text(30), 200);
  Finish(id);
  RunAll();
  EXPECT_EQ(story.said.size(), 200u);
}

TEST_F(SchedulerStreamTest, ACancelledStreamGivesItsMemoryBackWithinAStep) {
  Make();
  Story story;
  const RequestId id = Open(story, Text(300), 20);
  RunAll();
  Append(id, Text(20));
  scheduler_->RequestCancel(id);
  scheduler_->Step();
  EXPECT_EQ(story.ended, Ended::kCancelled);
  EXPECT_TRUE(scheduler_->idle());
  scheduler_->DropCache();
  EXPECT_EQ(model_->pool().use().used, 0u);
}

TEST_F(SchedulerStreamTest, AllChoicesAnswerTheFinalPrompt) {
  Make();
  std::vector<Story> stories(3);
  Request request = Make(stories[0], Text(100), 20);
  request.streaming = true;
  for (std::size_t i = 1; i < 3; ++i) {
    request.choices.push_back(std::make_unique<Teller>(stories[i], clock_, 20));
  }
  const auto id = scheduler_->Submit(std::move(request));
  ASSERT_TRUE(id);
  RunAll();
  Append(*id, Text(30, 4));
  Finish(*id);
  RunAll();
  for (const Story& story : stories) {
    EXPECT_EQ(story.prompt, Join(Text(100), Text(30, 4)));
    EXPECT_EQ(story.said, Alone(story.prompt, 20));
  }
}

// Whoever sends it: a chooser of another answer, or a client while the step runs.
TEST_F(SchedulerStreamTest, AMessageDuringAStepTakesEffectInTheNext) {
  Make();
  Story story;
  const RequestId id = Open(story, Text(60), 20);
  const Tokens revised = Join(Text(30), Text(50, 8));
  bool sent = false;
  model_->SetDuringStep([&] {
    if (sent) return;
    sent = true;
    Update(id, revised);
    Finish(id);
  });
  EXPECT_TRUE(scheduler_->Step());
  EXPECT_TRUE(sent);
  EXPECT_TRUE(story.said.empty());
  RunAll();
  EXPECT_EQ(story.said, Alone(revised, 20));
}

// --- order ----------------------------------------------------------------------------------

TEST_F(SchedulerStreamTest, AStreamThatWaitsGivesItsPlaceToAnyoneElse) {
  Make({}, {.sequences = 1});
  Story stream, plain;
  const RequestId id = Open(stream, Text(200), 5);
  RunAll();
  Submit(plain, Text(50, 2), 5);
  RunAll();
  EXPECT_EQ(plain.said.size(), 5u);
  EXPECT_EQ(scheduler_->counters().pushed_out, 1);
  Finish(id);
  RunAll();
  EXPECT_EQ(stream.said, Alone(Text(200), 5));
  EXPECT_EQ(scheduler_->counters().lost_rows, 0);  // its tiles were in the cache
}

// Two streams hold most of the memory and wait. The request that runs is not disturbed.
TEST_F(SchedulerStreamTest, MemoryIsTakenFromStreamsThatWaitBeforeOthers) {
  Make({.budget_tiles = 30}, {.propose = false});
  Story first, second, running, large;
  const RequestId one = Open(first, Text(300), 5);
  RunAll();
  const RequestId two = Open(second, Text(300, 2), 5);
  RunAll();
  Submit(running, Text(100, 3), 150);
  for (int i = 0; i < 5; ++i) scheduler_->Step();
  Submit(large, Text(500, 4), 5);
  RunAll();
  EXPECT_EQ(running.said.size(), 150u);
  EXPECT_EQ(large.said.size(), 5u);
  EXPECT_LT(large.times.front(), running.times.back());
  // Each step of the one that ran had its row.
  for (std::size_t i = 1; i < running.times.size(); ++i) {
    EXPECT_LT(running.times[i] - running.times[i - 1], 200'000'000);
  }
  EXPECT_GE(scheduler_->counters().pushed_out, 1);
  Finish(one);
  Finish(two);
  RunAll();
  EXPECT_EQ(first.said, Alone(Text(300), 5));
  EXPECT_EQ(second.said, Alone(Text(300, 2), 5));
}

TEST_F(SchedulerStreamTest, ACompletePromptIsComputedBeforeOneThatIsOpen) {
  Make({.budget_tiles = 200, .step_rows = 64});
  Story open, plain;
  Open(open, Text(1500), 5);
  clock_.AdvanceNs(1'000'000'000);
  Submit(plain, Text(300, 2), 1);
  RunAll();
  ASSERT_EQ(plain.said.size(), 1u);
  EXPECT_LE(plain.times.front(), 1'000'000'000 + 6 * 64 * 300'000);
}

// A priority orders prompts of the same stage: nobody waits for one that is open.
TEST_F(SchedulerStreamTest, AnUrgentOpenPromptDoesNotPassACompleteOne) {
  Make({}, {.sequences = 1});
  Story open, plain;
  Request request = Make(open, Text(1500), 5);
  request.streaming = true;
  request.priority = 10;
  ASSERT_TRUE(scheduler_->Submit(std::move(request)));
  scheduler_->Step();
  Submit(plain, Text(300, 2), 1);
  for (int i = 0; i < 4; ++i) scheduler_->Step();
  EXPECT_EQ(plain.said.size(), 1u);
}

// The first opened, the second was complete sooner; both wait for the one place.
TEST_F(SchedulerStreamTest, WhoIsFirstDependsOnTheOrder) {
  for (const StreamOrder order : {StreamOrder::kFirstCome, StreamOrder::kLatestPiece}) {
    Make({}, {.sequences = 1, .propose = false, .stream_order = order});
    Story busy, first, second;
    Submit(busy, Text(10), 30);
    scheduler_->Step();
    const RequestId one = Open(first, Text(20, 2), 3);
    clock_.AdvanceNs(1'000'000);
    const RequestId two = Open(second, Text(20, 3), 3);
    scheduler_->Step();
    clock_.AdvanceNs(1'000'000);
    Append(two, Text(5));
    Finish(two);
    scheduler_->Step();
    clock_.AdvanceNs(1'000'000);
    Append(one, Text(5));
    Finish(one);
    RunAll();
    EXPECT_EQ(first.times.front() < second.times.front(), order == StreamOrder::kFirstCome);
  }
}

TEST_F(SchedulerStreamTest, MostComputedGoesFirstWhereThatIsTheOrder) {
  for (const StreamOrder order : {StreamOrder::kFirstCome, StreamOrder::kMostComputed}) {
    Make({.step_rows = 32}, {.stream_order = order});
    Story little, much;
    const RequestId early = Open(little, Text(40, 2), 3);
    RunAll();
    const RequestId late = Open(much, Text(300, 3), 3);
    RunAll();
    Append(early, Text(200, 4));
    Append(late, Text(200, 5));
    Finish(early);
    Finish(late);
    RunAll();
    EXPECT_EQ(little.times.front() < much.times.front(), order == StreamOrder::kFirstCome);
  }
}

// As engines without an order for streams have it: the request waits until the stream has ended.
TEST_F(SchedulerStreamTest, InTheStockOrderAStreamThatWaitsKeepsItsPlace) {
  Make({}, {.sequences = 1, .stream_order = StreamOrder::kStock});
  Story stream, plain;
  const RequestId id = Open(stream, Text(200), 5);
  RunAll();
  Submit(plain, Text(50, 2), 5);
  RunAll();
  EXPECT_TRUE(plain.said.empty());
  Finish(id);
  RunAll();
  EXPECT_EQ(plain.said.size(), 5u);
}

// More streams than places, less memory than they need together, all orders: everyone is answered.
TEST_F(SchedulerStreamTest, ManyStreamsInLittleMemoryAreAllAnswered) {
  for (const StreamOrder order : {StreamOrder::kFirstCome, StreamOrder::kLatestPiece,
                                  StreamOrder::kMostComputed, StreamOrder::kStock}) {
    Make({.budget_tiles = 24}, {.sequences = 4, .stream_order = order});
    constexpr int kStreams = 10;
    std::vector<Story> stories(kStreams);
    std::vector<RequestId> ids;
    for (int i = 0; i < kStreams; ++i) {
      ids.push_back(Open(stories[static_cast<std::size_t>(i)], Text(20, i), 10));
    }
    for (int piece = 0; piece < 5; ++piece) {
      for (int i = 0; i < kStreams; ++i) {
        Append(ids[static_cast<std::size_t>(i)], Text(40, i + piece));
        scheduler_->Step();
      }
    }
    for (const RequestId id : ids) Finish(id);
    RunAll();
    EXPECT_TRUE(scheduler_->idle());
    for (int i = 0; i < kStreams; ++i) {
      const Story& story = stories[static_cast<std::size_t>(i)];
      EXPECT_EQ(story.said, Alone(story.prompt, 10)) << i;
    }
    EXPECT_GT(scheduler_->counters().preempted, 0);
  }
}

}  // namespace
}  // namespace cairn::engine
