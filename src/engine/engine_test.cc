// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "testing/engine_helpers.h"

namespace cairn::engine {
namespace {

using testing::LogitRows;
using testing::MakeEngine;
using testing::MakeSequence;
using testing::RandomTokens;
using testing::SameBytes;
using testing::TinyModel;
using testing::TinySpec;
using Tokens = std::vector<std::int32_t>;

const LogitsSink kNoSink = [](int, int, std::span<const float>) {};

class EngineTest : public ::testing::Test {
 protected:
  ErrorCode StepError(std::vector<StepEntry> entries) {
    const auto stepped = engine_->Step(entries, kNoSink);
    EXPECT_FALSE(stepped);
    return stepped ? ErrorCode::kIo : stepped.error().code;
  }

  TinyModel tiny_{TinySpec{}};
  std::unique_ptr<Engine> engine_ = MakeEngine(
      tiny_.model(), {.threads = 2, .context = 64, .step_rows = 32, .step_sequences = 2});
  Sequence a_ = MakeSequence(*engine_), b_ = MakeSequence(*engine_);
  const Tokens good_ = {1, 2, 3};
};

TEST_F(EngineTest, TokensOutsideTheVocabularyAreRefusedAndNothingGrows) {
  for (const std::int32_t token : {-1, tiny_.model()->program().vocabulary, INT32_MAX, INT32_MIN}) {
    const Tokens bad = {1, token};
    EXPECT_EQ(StepError({{.sequence = &a_, .tokens = good_, .sampled = 1},
                         {.sequence = &b_, .tokens = bad, .sampled = 1}}),
              ErrorCode::kInvalidArgument);
    EXPECT_EQ(a_.size(), 0);
    EXPECT_EQ(b_.size(), 0);
  }
}

TEST_F(EngineTest, EntriesThatContradictThemselvesAreRefused) {
  EXPECT_EQ(StepError({{.sequence = &a_, .tokens = {}, .sampled = 0}}),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(StepError({{.sequence = &a_, .tokens = good_, .sampled = 4}}),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(StepError({{.sequence = &a_, .tokens = good_, .sampled = -1}}),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(StepError({{.sequence = nullptr, .tokens = good_, .sampled = 1}}),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(StepError({{.sequence = &a_, .tokens = good_, .sampled = 1},
                       {.sequence = &a_, .tokens = good_, .sampled = 1}}),
            ErrorCode::kInvalidArgument);
}

TEST_F(EngineTest, TooManyRowsOrSequencesAreALimit) {
  const Tokens many(33, 1);
  EXPECT_EQ(StepError({{.sequence = &a_, .tokens = many, .sampled = 1}}), ErrorCode::kLimit);
  Sequence c = MakeSequence(*engine_);
  EXPECT_EQ(StepError({{.sequence = &a_, .tokens = good_, .sampled = 1},
                       {.sequence = &b_, .tokens = good_, .sampled = 1},
                       {.sequence = &c, .tokens = good_, .sampled = 1}}),
            ErrorCode::kLimit);
}

TEST_F(EngineTest, AFullContextIsALimitAndTheSequenceStaysUsable) {
  const Tokens text = RandomTokens(*tiny_.model(), 64, 1);
  testing::Append(*engine_, a_, text);
  EXPECT_EQ(StepError({{.sequence = &a_, .tokens = good_, .sampled = 1}}), ErrorCode::kLimit);
  EXPECT_EQ(a_.size(), 64);
  a_.Truncate(61);
  EXPECT_EQ(testing::Append(*engine_, a_, good_).size(), 3u);
}

TEST_F(EngineTest, AnEmptyStepDoesNothing) { EXPECT_TRUE(engine_->Step({}, kNoSink)); }

TEST_F(EngineTest, ACancelledStepLeavesTheSequenceAsItWas) {
  const Tokens text = RandomTokens(*tiny_.model(), 30, 1);
  const LogitRows expected = testing::LogitsOf(*engine_, text);
  std::stop_source stop;
  stop.request_stop();
  const auto cancelled = engine_->Prefill(a_, text, 30, kNoSink, stop.get_token());
  ASSERT_FALSE(cancelled);
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
  EXPECT_EQ(a_.size(), 0);
  EXPECT_TRUE(SameBytes(testing::Append(*engine_, a_, text), expected));
}

TEST_F(EngineTest, PrefillNumbersTheSampledRowsThroughAllChunks) {
  const Tokens text = RandomTokens(*tiny_.model(), 64, 1);
  const LogitRows all = testing::LogitsOf(*engine_, text);
  for (const std::int64_t last : {0, 1, 31, 32, 33, 64}) {
    testing::SoilKv(*engine_);
    Sequence sequence = MakeSequence(*engine_);
    const LogitRows rows = testing::Append(*engine_, sequence, text, last);
    EXPECT_TRUE(SameBytes(rows, LogitRows(all.end() - last, all.end()))) << last;
  }
}

// Rows that nothing samples still leave their keys and values, in the last layer too.
TEST_F(EngineTest, StepsThatSampleNothingStoreEverything) {
  const Tokens text = RandomTokens(*tiny_.model(), 40, 1);
  const LogitRows all = testing::LogitsOf(*engine_, text);
  for (const std::size_t chunk : {1, 5, 20}) {
    testing::SoilKv(*engine_);
    Sequence sequence = MakeSequence(*engine_);
    for (std::size_t at = 0; at < 20; at += chunk) {
      testing::Append(*engine_, sequence, std::span(text).subspan(at, chunk), 0);
    }
    const LogitRows rest = testing::Append(*engine_, sequence, std::span(text).subspan(20));
    EXPECT_TRUE(SameBytes(rest, LogitRows(all.begin() + 20, all.end()))) << chunk;
  }
}

TEST_F(EngineTest, OptionsOutOfRangeAreErrors) {
  const auto code = [&](const EngineOptions& options) {
    const auto engine = Engine::Create(tiny_.model(), options);
    return engine ? std::optional<ErrorCode>() : engine.error().code;
  };
  EXPECT_EQ(code({.threads = 257}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.threads = -1}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.context = -5}), ErrorCode::kLimit);
  EXPECT_EQ(code({.context = 4097}), ErrorCode::kLimit);
  EXPECT_EQ(code({.step_rows = 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.step_rows = 65537}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({.step_sequences = 0}), ErrorCode::kInvalidArgument);
}

TEST(EngineContextTest, TheModelsOwnContextIsTheMostHoweverShort) {
  const TinyModel tiny(TinySpec{.context = 100});
  EXPECT_EQ(MakeEngine(tiny.model())->context(), 100);
}

// --- values that are not finite -------------------------------------------------------------

constexpr std::int32_t kPoison = 50;

class NotFiniteTest : public ::testing::TestWithParam<tensor::Format> {
 protected:
  TinyModel tiny_{TinySpec{.format = GetParam(),
                           .embedding = tensor::Format::kF32,
                           .tied = false,
                           .nan_token = kPoison}};
  std::unique_ptr<Engine> engine_ = MakeEngine(tiny_.model());
};

TEST_P(NotFiniteTest, OneSequenceFailsAndTheOthersKeepTheirBytes) {
  const auto clean = [&](std::uint64_t seed) {
    Tokens tokens = RandomTokens(*tiny_.model(), 20, seed);
    std::ranges::replace(tokens, kPoison, kPoison + 1);
    return tokens;
  };
  const Tokens texts[] = {clean(1), clean(2), clean(3)};
  Tokens poisoned = texts[1];
  poisoned[7] = kPoison;
  Sequence sequences[] = {MakeSequence(*engine_), MakeSequence(*engine_), MakeSequence(*engine_)};
  std::vector<StepEntry> entries;
  for (int i = 0; i < 3; ++i) {
    entries.push_back({.sequence = &sequences[i],
                       .tokens = i == 1 ? std::span<const std::int32_t>(poisoned) : texts[i],
                       .sampled = 20,
                       .failure = {}});
  }
  LogitRows rows[3];
  const auto stepped = engine_->Step(entries, [&](int entry, int, std::span<const float> logits) {
    rows[entry].emplace_back(logits.begin(), logits.end());
  });
  ASSERT_TRUE(stepped) << stepped.error().message;
  for (const int good : {0, 2}) {
    EXPECT_FALSE(entries[static_cast<std::size_t>(good)].failure);
    EXPECT_EQ(sequences[good].size(), 20);
    EXPECT_TRUE(SameBytes(rows[good], testing::LogitsOf(*engine_, texts[good])));
  }
  ASSERT_TRUE(entries[1].failure);
  EXPECT_EQ(entries[1].failure->code, ErrorCode::kNumeric);
  EXPECT_NE(entries[1].failure->message.find("layer 0"), std::string::npos)
      << entries[1].failure->message;
  EXPECT_EQ(sequences[1].size(), 0);
  // What the failed step stored is gone.
  EXPECT_TRUE(SameBytes(testing::Append(*engine_, sequences[1], texts[1]),
                        testing::LogitsOf(*engine_, texts[1])));
}

TEST_P(NotFiniteTest, FailsWhereNothingIsSampledToo) {
  Sequence sequence = MakeSequence(*engine_);
  const Tokens poisoned = {1, kPoison, 2};
  const auto done = engine_->Prefill(sequence, poisoned, 0, kNoSink);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kNumeric);
  EXPECT_EQ(sequence.size(), 0);
}

// A row of the output matrix makes a logit that is not a number, behind everything that looks.
TEST(NotFiniteLogitsTest, TheEntryFailsAndTheSinkDoesNotSeeThem) {
  const TinyModel tiny({.embedding = tensor::Format::kF32, .tied = true, .nan_token = kPoison});
  const auto engine = MakeEngine(tiny.model());
  Sequence sequence = MakeSequence(*engine);
  int rows = 0;
  const auto done = engine->Prefill(sequence, Tokens{1, 2, 3}, 2,
                                    [&](int, int, std::span<const float>) { ++rows; });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kNumeric);
  EXPECT_EQ(rows, 0);
  EXPECT_EQ(sequence.size(), 0);
}

INSTANTIATE_TEST_SUITE_P(Formats, NotFiniteTest,
                         ::testing::Values(tensor::Format::kF32, tensor::Format::kQ8_0),
                         [](const auto& info) {
                           return std::string(tensor::Traits(info.param).name);
                         });

}  // namespace
}  // namespace cairn::engine
