// SPDX-License-Identifier: Apache-2.0
// Engines and logits through the C interface.
#include "engine/engine.h"

#include <gtest/gtest.h>

#include <thread>

#include "testing/c_interface.h"
#include "testing/engine_helpers.h"

namespace cairn::capi {
namespace {

class SequenceTest : public OpenedTest {
 protected:
  void SetUp() override {
    OpenedTest::SetUp();
    vocabulary_ = static_cast<std::size_t>(tiny_.model()->program().vocabulary);
    EXPECT_WORKS(failure_, cairn_sequence_open(engine_, &sequence_, failure_.place()));
  }
  void TearDown() override {
    cairn_sequence_free(sequence_);
    OpenedTest::TearDown();
  }
  testing::LogitRows Append(const Tokens& tokens, std::size_t rows) {
    std::vector<float> logits(rows * vocabulary_ + 1, -77);
    EXPECT_WORKS(failure_, cairn_sequence_append(sequence_, tokens.data(), tokens.size(),
                                                 logits.data(), rows, nullptr, failure_.place()));
    EXPECT_EQ(logits.back(), -77);
    testing::LogitRows split;
    for (std::size_t row = 0; row < rows; ++row) {
      const auto* begin = logits.data() + row * vocabulary_;
      split.emplace_back(begin, begin + vocabulary_);
    }
    return split;
  }
  testing::LogitRows Expected(const Tokens& tokens) {
    const auto engine = testing::MakeEngine(tiny_.model(), {.threads = 1, .context = kContext});
    return testing::LogitsOf(*engine, tokens);
  }

  std::size_t vocabulary_ = 0;
  cairn_sequence* sequence_ = nullptr;
};

testing::LogitRows Last(const testing::LogitRows& rows, std::size_t count) {
  return {rows.end() - static_cast<std::ptrdiff_t>(count), rows.end()};
}

TEST_F(SequenceTest, LogitsAreTheEnginesOwnInEveryCut) {
  const Tokens tokens = testing::RandomTokens(*tiny_.model(), 60, 3);
  const auto expected = Expected(tokens);
  EXPECT_TRUE(testing::SameBytes(Append({tokens.begin(), tokens.begin() + 20}, 20),
                                 {expected.begin(), expected.begin() + 20}));
  EXPECT_TRUE(Append({tokens.begin() + 20, tokens.begin() + 30}, 0).empty());
  EXPECT_TRUE(
      testing::SameBytes(Append({tokens.begin() + 30, tokens.end()}, 7), Last(expected, 7)));
  EXPECT_EQ(cairn_sequence_length(sequence_), 60);
}

TEST_F(SequenceTest, WhatWasTruncatedIsComputedAgain) {
  const Tokens tokens = testing::RandomTokens(*tiny_.model(), 60, 3);
  const Tokens others = testing::RandomTokens(*tiny_.model(), 20, 9);
  Append(tokens, 1);
  for (const std::int64_t length : {41, 17, 1, 0}) {
    EXPECT_WORKS(failure_, cairn_sequence_truncate(sequence_, length, failure_.place()));
    EXPECT_EQ(cairn_sequence_length(sequence_), length);
    Tokens whole(tokens.begin(), tokens.begin() + length);
    whole.insert(whole.end(), others.begin(), others.end());
    EXPECT_TRUE(testing::SameBytes(Append(others, 20), Last(Expected(whole), 20))) << length;
  }
}

TEST_F(SequenceTest, CancelledItIsAsBefore) {
  const Tokens tokens = testing::RandomTokens(*tiny_.model(), 30, 3);
  Append(tokens, 1);
  cairn_cancel* cancel = nullptr;
  EXPECT_WORKS(failure_, cairn_cancel_new(&cancel, failure_.place()));
  cairn_cancel_request(cancel);
  EXPECT_FAILS(failure_, CAIRN_CANCELLED, "cancelled",
               cairn_sequence_append(sequence_, tokens.data(), tokens.size(), nullptr, 0, cancel,
                                     failure_.place()));
  cairn_cancel_free(cancel);
  EXPECT_EQ(cairn_sequence_length(sequence_), 30);
  Tokens twice = tokens;
  twice.insert(twice.end(), tokens.begin(), tokens.end());
  EXPECT_TRUE(testing::SameBytes(Append(tokens, 30), Last(Expected(twice), 30)));
}

TEST_F(SequenceTest, WhatHasNoMeaningIsRefusedAndChangesNothing) {
  const Tokens tokens = testing::RandomTokens(*tiny_.model(), 10, 3);
  Append(tokens, 1);
  std::vector<float> logits(vocabulary_);
  const auto append = [&](const Tokens& more, std::size_t rows) {
    return cairn_sequence_append(sequence_, more.data(), more.size(), logits.data(), rows, nullptr,
                                 failure_.place());
  };
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "logits", append(tokens, 11));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "token", append({-1}, 1));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "token", append({5, 1 << 30}, 1));
  EXPECT_FAILS(failure_, CAIRN_LIMIT, "context", append(Tokens(kContext, 5), 1));
  EXPECT_FAILS(
      failure_, CAIRN_INVALID_ARGUMENT, "sequence",
      cairn_sequence_append(nullptr, tokens.data(), 1, nullptr, 0, nullptr, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "tokens",
               cairn_sequence_append(sequence_, nullptr, 1, nullptr, 0, nullptr, failure_.place()));
  EXPECT_FAILS(
      failure_, CAIRN_INVALID_ARGUMENT, "logits",
      cairn_sequence_append(sequence_, tokens.data(), 1, nullptr, 1, nullptr, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "length",
               cairn_sequence_truncate(sequence_, 11, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "length",
               cairn_sequence_truncate(sequence_, -1, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "sequence",
               cairn_sequence_truncate(nullptr, 0, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "place",
               cairn_sequence_open(engine_, nullptr, failure_.place()));
  EXPECT_EQ(cairn_sequence_length(nullptr), 0);
  cairn_sequence_free(nullptr);
  EXPECT_EQ(cairn_sequence_length(sequence_), 10);
  Tokens twice = tokens;
  twice.insert(twice.end(), tokens.begin(), tokens.end());
  EXPECT_TRUE(testing::SameBytes(Append(tokens, 1), Last(Expected(twice), 1)));
}

TEST_F(SequenceTest, BesideAnswersBothAreWhatTheyAreAlone) {
  const Tokens tokens = testing::RandomTokens(*tiny_.model(), 200, 3);
  const std::string alone = Generate(Encode("the sound of"), Options(60));
  std::string beside;
  std::thread other([&] { beside = Generate(Encode("the sound of"), Options(60)); });
  testing::LogitRows rows;
  for (std::size_t at = 0; at < tokens.size(); at += 10) {
    const auto begin = tokens.begin() + static_cast<std::ptrdiff_t>(at);
    std::vector<float> logits(vocabulary_);
    EXPECT_EQ(cairn_sequence_append(sequence_, &*begin, 10, logits.data(), 1, nullptr, nullptr),
              CAIRN_OK);
    rows = {logits};
  }
  other.join();
  EXPECT_EQ(beside, alone);
  EXPECT_TRUE(testing::SameBytes(rows, Last(Expected(tokens), 1)));
}

using EngineTest = OpenedTest;

TEST_F(EngineTest, InfoIsWhatWasAskedFor) {
  cairn_engine_info info{.size = sizeof(info)};
  EXPECT_WORKS(failure_, cairn_engine_describe(engine_, &info, failure_.place()));
  EXPECT_EQ(info.context, kContext);
  EXPECT_EQ(info.threads, 2);
  EXPECT_EQ(info.running, 0);
  EXPECT_EQ(info.waiting, 0);
  EXPECT_GT(info.kv_budget, 0u);
  EXPECT_NE(std::string(info.isa), "");
}

TEST_F(EngineTest, TheInstructionSetAndKeysAndValuesCanBeChosen) {
  cairn_engine_options options;
  cairn_engine_options_init(&options, sizeof(options));
  options.isa = "portable";
  options.kv = CAIRN_KV_Q8;
  options.context = 128;
  cairn_engine* engine = nullptr;
  EXPECT_WORKS(failure_, cairn_engine_open(model_, &options, &engine, failure_.place()));
  cairn_engine_info info{.size = sizeof(info)};
  EXPECT_WORKS(failure_, cairn_engine_describe(engine, &info, failure_.place()));
  EXPECT_STREQ(info.isa, "portable");
  EXPECT_EQ(info.context, 128);
  cairn_engine_free(engine);
}

TEST_F(EngineTest, WhatHasNoMeaningIsRefusedByName) {
  const auto open = [&](auto change) {
    cairn_engine_options options;
    cairn_engine_options_init(&options, sizeof(options));
    change(options);
    auto* engine = reinterpret_cast<cairn_engine*>(8);
    const cairn_status status = cairn_engine_open(model_, &options, &engine, failure_.place());
    EXPECT_EQ(engine, reinterpret_cast<cairn_engine*>(8));
    return status;
  };
  using O = cairn_engine_options;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "no-such-set",
               open([](O& o) { o.isa = "no-such-set"; }));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "kv is 9", open([](O& o) { o.kv = 9; }));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "sequences", open([](O& o) { o.sequences = 0; }));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "sequences",
               open([](O& o) { o.sequences = 257; }));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "waiting", open([](O& o) { o.waiting = -1; }));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "context", open([](O& o) { o.context = -1; }));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "", open([](O& o) { o.threads = -3; }));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "", open([](O& o) { o.threads = 100'000; }));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "", open([](O& o) { o.step_rows = 0; }));
  EXPECT_FAILS(failure_, CAIRN_LIMIT, "context", open([](O& o) { o.context = 1 << 30; }));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "size", open([](O& o) { o.size = 0; }));
  cairn_engine* engine = nullptr;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "model",
               cairn_engine_open(nullptr, nullptr, &engine, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "place",
               cairn_engine_open(model_, nullptr, nullptr, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "engine",
               cairn_engine_describe(nullptr, nullptr, failure_.place()));
  cairn_engine_free(nullptr);
}

}  // namespace
}  // namespace cairn::capi
