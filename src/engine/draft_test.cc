// SPDX-License-Identifier: Apache-2.0
// A draft model follows its texts and holds no more than they need; guesses change no answer.
#include "engine/draft.h"

#include <gtest/gtest.h>

#include "testing/scheduler_fixture.h"
#include "testing/tiny_models.h"

namespace cairn::engine {
namespace {

using testing::kStubVocabulary;
using testing::StubHash;
using testing::StubNext;
using Tokens = std::vector<std::int32_t>;

// What StubModel says after a text.
Tokens Continued(const Tokens& text, int most) {
  std::uint64_t hash = 0;
  for (const std::int32_t token : text) hash = StubHash(hash, token);
  Tokens all = text;
  Tokens said;
  for (int i = 0; i < most; ++i) {
    const std::int32_t previous = all.size() > 1 ? all[all.size() - 2] : 0;
    said.push_back(StubNext(hash, previous, all.back()));
    all.push_back(said.back());
    hash = StubHash(hash, said.back());
  }
  return said;
}

class DraftTest : public SchedulerTest {
 protected:
  void MakeDraft(const StubOptions& stub = {}, std::int64_t catch_up_rows = 1000) {
    drafter_ = std::make_shared<StubModel>(stub, clock_);
    draft_ = std::make_shared<Draft>(drafter_, DraftOptions{.vocabulary = kStubVocabulary,
                                                            .catch_up_rows = catch_up_rows,
                                                            .cache_secret = 1});
  }
  Tokens Guess(std::uint64_t id, const Tokens& text, int most) {
    Tokens guess;
    const Draft::Text one{.id = id, .tokens = text, .most = most, .guess = &guess};
    draft_->Guess({&one, 1});
    EXPECT_EQ(drafter_->complaint(), "");
    return guess;
  }

  std::shared_ptr<StubModel> drafter_;
  std::shared_ptr<Draft> draft_;
};

TEST_F(DraftTest, AGuessIsWhatTheModelSaysNext) {
  MakeDraft();
  EXPECT_EQ(Guess(1, Text(70), 5), Continued(Text(70), 5));
}

// All right, some right, none right: the sequence goes on from what the text became.
TEST_F(DraftTest, TheSequenceFollowsCommitsAndRollBacks) {
  MakeDraft();
  Tokens text = Text(70);
  for (int round = 0; round < 40; ++round) {
    const Tokens guess = Guess(1, text, 6);
    ASSERT_EQ(guess, Continued(text, 6)) << round;
    text.insert(text.end(), guess.begin(), guess.begin() + round % 7);
    text.push_back(1 + round % 5);
  }
  const DraftCounters& counters = draft_->counters();
  // The text once, and after each round at most the token that it did not say and its own last.
  EXPECT_LE(counters.caught_up, 70 + 40 * 2);
  EXPECT_EQ(counters.dropped, 0);
}

TEST_F(DraftTest, ATextThatBecameAnotherIsFollowedToo) {
  MakeDraft();
  Guess(1, Text(400), 3);
  Tokens other = Text(400);
  other.resize(150);
  other.push_back(3);
  EXPECT_EQ(Guess(1, other, 3), Continued(other, 3));
  // Asked again with nothing new.
  EXPECT_EQ(Guess(1, other, 3), Continued(other, 3));
}

TEST_F(DraftTest, TextsShareStepsAndBeginnings) {
  MakeDraft({.step_rows = 512});
  std::vector<Tokens> texts, guesses(4);
  std::vector<Draft::Text> asked;
  for (int i = 0; i < 4; ++i) {
    texts.push_back(Text(130));
    texts.back().push_back(1 + i);
  }
  for (std::size_t i = 0; i < 4; ++i) {
    asked.push_back({.id = i, .tokens = texts[i], .most = 4, .guess = &guesses[i]});
  }
  draft_->Guess(asked);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(guesses[i], Continued(texts[i], 4)) << i;
  EXPECT_LE(draft_->counters().steps, 8);
  // A fifth finds the tiles of the others.
  const std::int64_t before = draft_->counters().caught_up;
  EXPECT_EQ(Guess(9, texts[0], 4), guesses[0]);
  EXPECT_LE(draft_->counters().caught_up - before, 3);
}

TEST_F(DraftTest, ALongTextIsCaughtUpWithOverSeveralCalls) {
  MakeDraft({}, 100);
  EXPECT_EQ(Guess(1, Text(350), 4), Tokens{});
  EXPECT_EQ(Guess(1, Text(350), 4), Tokens{});
  EXPECT_EQ(Guess(1, Text(350), 4), Tokens{});
  EXPECT_EQ(Guess(1, Text(350), 4), Continued(Text(350), 4));
}

TEST_F(DraftTest, WhereTheContextOrTheMemoryIsFullThereIsNoGuess) {
  MakeDraft({.context = 100});
  EXPECT_EQ(Guess(1, Text(97), 4), Tokens{});
  EXPECT_EQ(Guess(1, Text(96), 4), Continued(Text(96), 4));
  MakeDraft({.budget_tiles = 6});
  EXPECT_EQ(Guess(1, Text(150), 4), Continued(Text(150), 4));
  EXPECT_EQ(Guess(2, Text(150, 2), 4), Tokens{});
  EXPECT_EQ(draft_->counters().dropped, 1);
  draft_->Forget(1);
  EXPECT_EQ(Guess(2, Text(150, 2), 4), Continued(Text(150, 2), 4));
}

TEST_F(DraftTest, AStepThatFailsCostsTheGuessAndNothingElse) {
  MakeDraft();
  Guess(1, Text(100), 4);
  drafter_->FailNextStep();
  Tokens text = Text(100);
  text.push_back(2);
  EXPECT_EQ(Guess(1, text, 4), Tokens{});
  EXPECT_EQ(Guess(1, text, 4), Continued(text, 4));
}

// --- under the scheduler

TEST_F(DraftTest, AnswersAreTheSameAndTakeFewerSteps) {
  std::int64_t steps[2];
  Story stories[2];
  for (const bool drafted : {false, true}) {
    MakeDraft({.errs_in = 10});
    Make({}, {.propose = false, .draft = drafted ? draft_ : nullptr, .propose_always = drafted});
    Submit(stories[drafted ? 1 : 0], Text(80), 200);
    RunAll();
    steps[drafted ? 1 : 0] = scheduler_->counters().steps;
  }
  EXPECT_EQ(stories[0].said, stories[1].said);
  EXPECT_EQ(stories[0].said.size(), 200u);
  EXPECT_LT(steps[1], steps[0] / 2);
}

// A request that has ended, was cancelled or has failed leaves nothing with the draft.
TEST_F(DraftTest, WhoIsGoneHoldsNothing) {
  MakeDraft();
  Make({}, {.draft = draft_, .propose_always = true, .preempt_every = 5});
  Story stories[3];
  for (int i = 0; i < 3; ++i) {
    Request request = Make(stories[i], Text(90, i), 60);
    request.use_cache = false;  // here the cache would keep tiles
    ASSERT_TRUE(scheduler_->Submit(std::move(request)));
  }
  for (int i = 0; i < 20; ++i) scheduler_->Step();
  scheduler_->RequestCancel(2);
  RunAll();
  EXPECT_GT(draft_->counters().guessed, 20);
  EXPECT_EQ(drafter_->complaint(), "");
  EXPECT_EQ(drafter_->pool().use().used, 0u);
}

// The stub's draft takes as long as the model itself. The first credit of the purse is 64 tokens,
// so at least that is lost; then it is asked seldom.
TEST_F(DraftTest, ADraftThatWinsNoTimeIsHardlyAsked) {
  MakeDraft({}, 128);
  Make({}, {.propose = false, .draft = draft_});
  Story story;
  Submit(story, Text(80), 1500);
  RunAll();
  const SchedulerCounters counters = scheduler_->counters();
  EXPECT_EQ(story.said.size(), 1500u);
  EXPECT_GT(counters.guessed, 50);
  EXPECT_LT(counters.guessed, 400);
  constexpr std::int64_t kAloneNs = 1500 * 2'300'000LL;
  EXPECT_LT(counters.model_ns + counters.draft_ns, kAloneNs * 11 / 10);
}

// --- whose tokens

TEST(SameVocabularyTest, TheFirstDifferenceIsNamed) {
  const testing::TinyModel a(testing::TinySpec{});
  const testing::TinyModel same(testing::TinySpec{.layers = 1, .seed = 2});
  const testing::TinyModel other(testing::TinySpec{.sentence_piece = true});
  EXPECT_TRUE(CheckSameVocabulary(a.model()->tokenizer(), same.model()->tokenizer()));
  const auto differs = CheckSameVocabulary(a.model()->tokenizer(), other.model()->tokenizer());
  ASSERT_FALSE(differs);
  EXPECT_EQ(differs.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(differs.error().message.find("same vocabulary"), std::string::npos);
}

}  // namespace
}  // namespace cairn::engine
