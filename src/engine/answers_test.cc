// SPDX-License-Identifier: Apache-2.0
#include "engine/answers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "testing/engine_helpers.h"
#include "testing/virtual_clock.h"

namespace cairn::engine {
namespace {

using testing::MakeEngine;
using testing::TinyModel;
using testing::TinySpec;
using Tokens = std::vector<std::int32_t>;

const TextSink kNoSink;

// Both kinds of tokenizer, since text is what is tested.
class GenerateTest : public ::testing::TestWithParam<bool> {
 protected:
  static constexpr int kContext = 96;

  Tokens Prompt(std::string_view text) const {
    return *tiny_.model()->tokenizer().Encode(text, true);
  }
  static GenerateOptions Options(std::int64_t max_tokens, std::uint64_t seed = 5) {
    return {.max_tokens = max_tokens,
            .stop = {},
            .sampling = {.temperature = 1.5f, .top_k = 0, .top_p = 1, .min_p = 0, .seed = seed}};
  }
  static Answer Generate(Answers& answers, const Tokens& prompt, const GenerateOptions& options,
                         const TextSink& sink = kNoSink, std::stop_token stop = {}) {
    auto answer = answers.Generate(prompt, options, sink, stop);
    EXPECT_TRUE(answer) << answer.error().message;
    return answer ? *std::move(answer) : Answer{};
  }
  Answer Fresh(const Tokens& prompt, const GenerateOptions& options,
               const TextSink& sink = kNoSink) {
    Answers answers(*engine_, {});
    return Generate(answers, prompt, options, sink);
  }
  // A seed whose answer to `prompt` does not end by itself within `tokens`.
  std::uint64_t EndlessSeed(const Tokens& prompt, int tokens) {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      if (Fresh(prompt, Options(tokens, seed)).reason == FinishReason::kLength) return seed;
    }
    ADD_FAILURE() << "every answer ends early";
    return 0;
  }

  TinyModel tiny_{TinySpec{.architecture = GetParam() ? "gemma3" : "llama",
                           .format = tensor::Format::kQ8_0,
                           .sentence_piece = GetParam(),
                           .layers = 2}};
  std::unique_ptr<Engine> engine_ = MakeEngine(tiny_.model(), {.threads = 1, .context = kContext});
};

TEST_P(GenerateTest, TextIsWhatTheSinkGotAndTokensAreCounted) {
  const Tokens prompt = Prompt("the sound");
  std::string streamed;
  const Answer answer =
      Fresh(prompt, Options(20, EndlessSeed(prompt, 20)), [&](std::string_view text) {
        streamed += text;
        return true;
      });
  EXPECT_EQ(answer.reason, FinishReason::kLength);
  EXPECT_EQ(answer.tokens.size(), 20u);
  EXPECT_EQ(answer.prompt_tokens, static_cast<std::int64_t>(prompt.size()));
  EXPECT_EQ(answer.reused_tokens, 0);
  EXPECT_FALSE(answer.text.empty());
  EXPECT_EQ(answer.text, streamed);
}

TEST_P(GenerateTest, GreedyTakesTheLargestLogitOfEachPosition) {
  Tokens text = Prompt("in the");
  GenerateOptions greedy = Options(12);
  greedy.sampling.temperature = 0;
  const Answer answer = Fresh(text, greedy);
  for (const std::int32_t token : answer.tokens) {
    auto logits = testing::LogitsOf(*engine_, text).back();
    logits.resize(static_cast<std::size_t>(tiny_.model()->tokenizer().size()));
    EXPECT_EQ(token, std::ranges::max_element(logits) - logits.begin());
    text.push_back(token);
  }
}

// Beside others, in parts and with a prompt that is found: likelihoods are the same bytes.
TEST_P(GenerateTest, LikelihoodsAreThoseOfTheLogitsWhateverRunsBeside) {
  const Tokens prompt = Prompt("the sound and the rest");
  GenerateOptions options = Options(12, EndlessSeed(prompt, 12));
  const Answer plain = Fresh(prompt, options);
  EXPECT_TRUE(plain.likelihoods.empty());
  options.likelihoods = 3;
  options.sampling.bias = {{5, -kBan}};
  Answers answers(*engine_, {.sequences = 4});
  std::vector<Result<Answer>> all;
  std::vector<TokenLikelihoods> told;
  PromptProgress progress;
  AnswerRequest request{.prompt = prompt, .options = options, .choices = 3};
  AnswerSink sink;
  int ended = 0;
  sink.piece = [&](int choice, const AnswerPiece& piece) {
    if (choice == 0) told.insert(told.end(), piece.tokens.begin(), piece.tokens.end());
    return true;
  };
  sink.ended = [&](int choice, const Answer&, const AnswerPiece& rest) {
    ++ended;
    if (choice == 0) told.insert(told.end(), rest.tokens.begin(), rest.tokens.end());
  };
  sink.progress = [&](const PromptProgress& now) { progress = now; };
  sink.done = [&](std::vector<Result<Answer>> done) { all = std::move(done); };
  ASSERT_TRUE(answers.Submit(std::move(request), std::move(sink)));
  while (all.empty()) ASSERT_TRUE(answers.Step());
  EXPECT_EQ(ended, 3);
  EXPECT_EQ(progress.total, static_cast<std::int64_t>(prompt.size()));
  EXPECT_EQ(progress.computed, progress.total);
  EXPECT_EQ(told, all[0]->likelihoods);
  EXPECT_EQ(Fresh(prompt, options).likelihoods, told);
  Tokens text = prompt;
  for (std::size_t i = 0; i < told.size(); ++i) {
    auto logits = testing::LogitsOf(*engine_, text).back();
    logits.resize(static_cast<std::size_t>(tiny_.model()->tokenizer().size()));
    const TokenLikelihoods& of = told[i];
    EXPECT_EQ(of.chosen.token, all[0]->tokens[i]);
    EXPECT_NE(of.chosen.token, 5) << "banned";
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
    const auto expected = [&](std::int32_t id) {
      return logits[static_cast<std::size_t>(id)] - std::log(sum);
    };
    EXPECT_NEAR(of.chosen.log_probability, expected(of.chosen.token), 1e-5);
    ASSERT_EQ(of.top.size(), 3u);
    EXPECT_EQ(of.top[0].token, std::ranges::max_element(logits) - logits.begin());
    for (std::size_t k = 0; k < 3; ++k) {
      EXPECT_NEAR(of.top[k].log_probability, expected(of.top[k].token), 1e-5);
      EXPECT_LE(of.top[k].log_probability, of.top[0].log_probability);
    }
    text.push_back(all[0]->tokens[i]);
  }
}

TEST_P(GenerateTest, ABiasForATokenThatTheModelLacksIsAnErrorThatNamesIt) {
  Answers answers(*engine_, {});
  GenerateOptions options = Options(5);
  options.sampling.bias = {{1 << 20, 1}};
  const auto answer = answers.Generate(Prompt("the"), options, kNoSink);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().subject, "logit_bias");
  EXPECT_NE(answer.error().message.find("1048576"), std::string::npos);
}

TEST_P(GenerateTest, NoTokensAreAskedForAndNoneIsMade) {
  const Answer answer = Fresh(Prompt("and"), Options(0));
  EXPECT_TRUE(answer.tokens.empty());
  EXPECT_TRUE(answer.text.empty());
  EXPECT_EQ(answer.reason, FinishReason::kLength);
}

// Every piece of the text in turn is the stop string, so that it begins and ends inside tokens, at
// their borders and across them.
TEST_P(GenerateTest, StopStringsAreFoundAcrossTokensAndNeverShown) {
  const Tokens prompt = Prompt("the sound");
  const GenerateOptions plain = Options(16, EndlessSeed(prompt, 16));
  const std::string text = Fresh(prompt, plain).text;
  ASSERT_GT(text.size(), 10u);
  for (std::size_t size = 1; size <= 7; size += 2) {
    for (std::size_t at = 0; at + size <= text.size(); ++at) {
      GenerateOptions options = plain;
      options.stop = {"never in it", text.substr(at, size)};
      std::string streamed;
      const Answer answer = Fresh(prompt, options, [&](std::string_view piece) {
        streamed += piece;
        return true;
      });
      ASSERT_EQ(answer.reason, FinishReason::kStopString) << at << " " << size;
      ASSERT_EQ(answer.stop, options.stop[1]);
      ASSERT_EQ(answer.text, text.substr(0, text.find(options.stop[1]))) << at << " " << size;
      ASSERT_EQ(streamed, answer.text);
    }
  }
}

TEST_P(GenerateTest, HalfAStopStringAtTheEndIsText) {
  const Tokens prompt = Prompt("the sound");
  GenerateOptions options = Options(16, EndlessSeed(prompt, 16));
  const std::string text = Fresh(prompt, options).text;
  options.stop = {text.substr(text.size() - 2) + "and never this"};
  const Answer answer = Fresh(prompt, options);
  EXPECT_EQ(answer.reason, FinishReason::kLength);
  EXPECT_EQ(answer.text, text);
}

TEST_P(GenerateTest, AnEndOfTurnTokenEndsTheAnswerAndIsNoText) {
  const model::Tokenizer& tokenizer = tiny_.model()->tokenizer();
  int seen = 0;
  for (std::uint64_t seed = 0; seed < 60 && seen < 3; ++seed) {
    const Answer answer = Fresh(Prompt("the"), Options(80, seed));
    for (std::size_t i = 0; i + 1 < answer.tokens.size(); ++i) {
      ASSERT_FALSE(tokenizer.IsEndOfGeneration(answer.tokens[i]));
    }
    if (answer.reason != FinishReason::kEndOfTurn) continue;
    ++seen;
    EXPECT_TRUE(tokenizer.IsEndOfGeneration(answer.tokens.back()));
    EXPECT_EQ(answer.text.find(tokenizer.Piece(answer.tokens.back())), std::string::npos);
  }
  EXPECT_GT(seen, 0);
}

TEST_P(GenerateTest, AnEndThatIsIgnoredIsATokenWithoutText) {
  int seen = 0;
  for (std::uint64_t seed = 0; seed < 60 && seen < 3; ++seed) {
    GenerateOptions options = Options(80, seed);
    const Answer ended = Fresh(Prompt("the"), options);
    if (ended.reason != FinishReason::kEndOfTurn) continue;
    ++seen;
    options.ignore_end = true;
    const Answer answer = Fresh(Prompt("the"), options);
    EXPECT_EQ(answer.reason, FinishReason::kLength);
    ASSERT_EQ(answer.tokens.size(), 80u);
    EXPECT_TRUE(std::equal(ended.tokens.begin(), ended.tokens.end(), answer.tokens.begin()));
    EXPECT_TRUE(answer.text.starts_with(ended.text));
  }
  EXPECT_GT(seen, 0);
}

TEST_P(GenerateTest, ASinkThatReturnsFalseCancels) {
  const Tokens prompt = Prompt("the sound");
  const GenerateOptions options = Options(40, EndlessSeed(prompt, 40));
  int calls = 0;
  const Answer answer = Fresh(prompt, options, [&](std::string_view) { return ++calls < 3; });
  EXPECT_EQ(answer.reason, FinishReason::kCancelled);
  EXPECT_LT(answer.tokens.size(), 40u);
  EXPECT_EQ(Fresh(prompt, options).text.substr(0, answer.text.size()), answer.text);
}

TEST_P(GenerateTest, AStopTokenCancelsAndWhatWasMadeStays) {
  const Tokens prompt = Prompt("the sound");
  const GenerateOptions options = Options(40, EndlessSeed(prompt, 40));
  std::stop_source stop;
  Answers answers(*engine_, {});
  const Answer answer = Generate(
      answers, prompt, options,
      [&](std::string_view) {
        stop.request_stop();
        return true;
      },
      stop.get_token());
  EXPECT_EQ(answer.reason, FinishReason::kCancelled);
  EXPECT_GE(answer.tokens.size(), 1u);
  EXPECT_LT(answer.tokens.size(), 40u);
  // The next answer is not touched by it.
  const Answer again = Generate(answers, prompt, options);
  EXPECT_EQ(again.tokens, Fresh(prompt, options).tokens);
}

TEST_P(GenerateTest, CancelledBeforeItBeginsItReturnsNothing) {
  std::stop_source stop;
  stop.request_stop();
  Answers answers(*engine_, {});
  const Answer answer = Generate(answers, Prompt("the"), Options(5), kNoSink, stop.get_token());
  EXPECT_EQ(answer.reason, FinishReason::kCancelled);
  EXPECT_TRUE(answer.tokens.empty());
}

TEST_P(GenerateTest, AFullContextEndsTheAnswer) {
  for (const int length : {kContext - 5, kContext - 1, kContext}) {
    Tokens prompt = testing::RandomTokens(*tiny_.model(), length, 8);
    Answer answer;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      answer = Fresh(prompt, Options(-1, seed));
      if (answer.reason != FinishReason::kEndOfTurn) break;
    }
    EXPECT_EQ(answer.reason, FinishReason::kContext);
    // The last token needs no place: nothing is computed from it.
    EXPECT_EQ(answer.tokens.size(), static_cast<std::size_t>(kContext - length + 1));
  }
}

TEST_P(GenerateTest, APromptLongerThanTheContextIsALimitThatSaysSo) {
  Answers answers(*engine_, {});
  const Tokens prompt(kContext + 1, 1);
  const auto answer = answers.Generate(prompt, Options(5), kNoSink);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kLimit);
  EXPECT_NE(answer.error().message.find("97"), std::string::npos) << answer.error().message;
}

TEST_P(GenerateTest, AnEmptyPromptIsAnError) {
  Answers answers(*engine_, {});
  const auto answer = answers.Generate({}, Options(5), kNoSink);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument);
}

TEST_P(GenerateTest, TheCommonBeginningIsReusedAndTheAnswerStaysTheSame) {
  const Tokens first = Prompt("the sound");
  const GenerateOptions options = Options(10, EndlessSeed(first, 10));
  Answers answers(*engine_, {});
  const Answer answer = Generate(answers, first, options);
  Tokens second = first;
  second.insert(second.end(), answer.tokens.begin(), answer.tokens.end());
  const Tokens more = testing::RandomTokens(*tiny_.model(), 12, 3);
  second.insert(second.end(), more.begin(), more.end());
  const Answer continued = Generate(answers, second, options);
  EXPECT_EQ(continued.reused_tokens, static_cast<std::int64_t>(first.size()) + 9);
  EXPECT_EQ(continued.tokens, Fresh(second, options).tokens);

  // Another middle: what follows it is computed anew.
  Tokens third = second;
  third[first.size() + 2] = (third[first.size() + 2] + 1) % 200;
  const Answer changed = Generate(answers, third, options);
  EXPECT_EQ(changed.reused_tokens, static_cast<std::int64_t>(first.size()) + 2);
  EXPECT_EQ(changed.tokens, Fresh(third, options).tokens);
}

TEST_P(GenerateTest, TheSamePromptAgainComputesItsLastTokenOnly) {
  const Tokens prompt = Prompt("the sound and the rest");
  Answers answers(*engine_, {});
  const Answer first = Generate(answers, prompt, Options(10));
  const Answer second = Generate(answers, prompt, Options(10));
  EXPECT_EQ(second.reused_tokens, static_cast<std::int64_t>(prompt.size()) - 1);
  EXPECT_EQ(second.tokens, first.tokens);
}

// The last character is not finished: only at the end is it known to be U+FFFD, and a stop string.
TEST_P(GenerateTest, AStopStringThatOnlyTheEndCompletesIsNotShown) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  const Tokens prompt = Prompt("the sound");
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    GenerateOptions options = Options(2, seed);
    const std::string text = Fresh(prompt, options).text;
    if (text.size() < 4 || text.find(kReplacement) != text.size() - kReplacement.size()) continue;
    options.stop = {std::string(kReplacement)};
    const Answer answer = Fresh(prompt, options);
    if (answer.tokens.size() < 2) continue;  // ill-formed before the end
    EXPECT_EQ(answer.reason, FinishReason::kStopString);
    EXPECT_EQ(answer.text, text.substr(0, text.size() - kReplacement.size()));
    return;
  }
  FAIL() << "no answer ends inside a character";
}

TEST_P(GenerateTest, ASinkThatCancelledIsNotCalledAgain) {
  const Tokens prompt = Prompt("the sound");
  GenerateOptions options = Options(40, EndlessSeed(prompt, 40));
  const std::string text = Fresh(prompt, options).text;
  // What follows the first piece may begin a stop string: it is held back when the sink says no.
  for (std::size_t at = 1; at < 12; ++at) {
    options.stop = {text.substr(at, 1) + "never"};
    int calls = 0;
    const Answer answer = Fresh(prompt, options, [&](std::string_view) {
      ++calls;
      return false;
    });
    EXPECT_EQ(calls, 1) << at;
    EXPECT_EQ(answer.reason, FinishReason::kCancelled);
  }
}

TEST_P(GenerateTest, SecondsAreThoseOfTheClockHandedIn) {
  auto clock = std::make_shared<testing::VirtualClock>();
  const auto engine =
      MakeEngine(tiny_.model(), {.threads = 1, .context = kContext, .clock = clock});
  Answers answers(*engine, {});
  const Tokens prompt = Prompt("the sound");
  const auto answer =
      answers.Generate(prompt, Options(10, EndlessSeed(prompt, 10)), [&](std::string_view) {
        clock->AdvanceNs(500'000'000);
        return true;
      });
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->prompt_seconds, 0);
  EXPECT_GE(answer->answer_seconds, 0.5);
  EXPECT_EQ(answer->answer_seconds * 2, std::floor(answer->answer_seconds * 2));
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, GenerateTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "SentencePiece" : "ByteBpe"; });

TEST(GenerateNumericTest, ATokenThatIsNotANumberIsAnErrorOfThatAnswer) {
  const TinyModel tiny({.embedding = tensor::Format::kF32, .tied = false, .nan_token = 50});
  const auto engine = MakeEngine(tiny.model());
  Answers answers(*engine, {});
  const auto answer = answers.Generate(Tokens{1, 50, 2}, {.max_tokens = 3}, kNoSink);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kNumeric);
}

}  // namespace
}  // namespace cairn::engine
