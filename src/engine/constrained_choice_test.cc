// SPDX-License-Identifier: Apache-2.0
// Answers that must have a form: they have it, and it is the same bytes in any company.
#include "engine/constrained_choice.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "engine/answers.h"
#include "grammar/answer_form.h"
#include "testing/engine_helpers.h"

namespace cairn::engine {
namespace {

using testing::MakeEngine;
using testing::TinyModel;
using testing::TinySpec;

constexpr const char* kSchema =
    R"({"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "counted":
        {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 999}, "maxItems": 4},
        "kind": {"enum": ["river", "lake", "sea"]}}, "required": ["name", "counted", "kind"]})";

class ConstrainedTest : public ::testing::TestWithParam<bool> {
 protected:
  std::shared_ptr<const grammar::Grammar> Compile(grammar::FormKind kind, const char* text) {
    return *grammar::CompileForm({.kind = kind, .text = text});
  }
  AnswerRequest Request(std::uint64_t seed, std::shared_ptr<const grammar::Grammar> grammar) {
    AnswerRequest request;
    request.prompt = *tiny_.model()->tokenizer().Encode("the sound", true);
    request.options = {
        .max_tokens = 200,
        .sampling = {.temperature = 1.5f, .top_k = 0, .top_p = 1, .min_p = 0, .seed = seed},
        .grammar = std::move(grammar)};
    return request;
  }
  // The answers to all at once, in their order.
  std::vector<Answer> All(std::vector<AnswerRequest> requests, const SchedulerOptions& options) {
    Answers answers(*engine_, options);
    std::vector<Answer> made(requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i) {
      AnswerSink sink;
      sink.done = [&made, i](std::vector<Result<Answer>> done) {
        EXPECT_TRUE(done[0]) << done[0].error().message;
        if (done[0]) made[i] = *std::move(done[0]);
      };
      EXPECT_TRUE(answers.Submit(std::move(requests[i]), std::move(sink)));
    }
    while (answers.Step()) {
    }
    expected_won_ = answers.scheduler().counters().accepted;
    return made;
  }

  TinyModel tiny_{TinySpec{.architecture = GetParam() ? "gemma3" : "llama",
                           .format = tensor::Format::kQ8_0,
                           .sentence_piece = GetParam(),
                           .layers = 2}};
  std::unique_ptr<Engine> engine_ = MakeEngine(tiny_.model(), {.threads = 1, .context = 256});
  std::int64_t expected_won_ = 0;
};

TEST_P(ConstrainedTest, AnswersHaveTheirForm) {
  const auto schema = Compile(grammar::FormKind::kJsonSchema, kSchema);
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    const Answer answer = All({Request(seed, schema)}, {})[0];
    if (answer.reason == FinishReason::kLength) continue;
    ASSERT_EQ(answer.reason, FinishReason::kEndOfTurn);
    boost::system::error_code failed;
    const auto value = boost::json::parse(answer.text, failed);
    ASSERT_FALSE(failed) << answer.text;
    EXPECT_LE(value.at("counted").as_array().size(), 4u);
  }
  const Answer choice =
      All({Request(3, Compile(grammar::FormKind::kChoices, R"(["yes", "no"])"))}, {})[0];
  EXPECT_TRUE(choice.text == "yes" || choice.text == "no") << choice.text;
  EXPECT_EQ(choice.reason, FinishReason::kEndOfTurn);
}

TEST_P(ConstrainedTest, CompanyAndProposalsChangeNothing) {
  const auto schema = Compile(grammar::FormKind::kJsonSchema, kSchema);
  const auto regex = Compile(grammar::FormKind::kRegex, "(ab?c{1,5} ){2,9}");
  const auto requests = [&] {
    std::vector<AnswerRequest> all;
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      all.push_back(Request(seed, seed % 3 == 2 ? nullptr : seed % 2 == 0 ? schema : regex));
      all.back().options.max_tokens = 60;
    }
    return all;
  };
  std::vector<Answer> alone;
  for (AnswerRequest& request : requests()) {
    std::vector<AnswerRequest> one;
    one.push_back(std::move(request));
    alone.push_back(All(std::move(one), {.propose = false})[0]);
  }
  for (const bool always : {false, true}) {
    const auto together = All(
        requests(), {.propose = true, .propose_always = always, .preempt_every = always ? 5 : 0});
    for (std::size_t i = 0; i < alone.size(); ++i) {
      EXPECT_EQ(together[i].text, alone[i].text) << i;
      EXPECT_EQ(together[i].tokens, alone[i].tokens) << i;
    }
    EXPECT_TRUE(!always || expected_won_ > 0);
  }
}

TEST_P(ConstrainedTest, AStopTextCutsAForm) {
  AnswerRequest request = Request(0, Compile(grammar::FormKind::kRegex, "[a-c]{20}x[a-c]{20}"));
  request.options.stop = {"x"};
  std::vector<AnswerRequest> one;
  one.push_back(std::move(request));
  const Answer answer = All(std::move(one), {})[0];
  EXPECT_EQ(answer.reason, FinishReason::kStopString);
  EXPECT_EQ(answer.text.size(), 20u) << answer.text;
  EXPECT_EQ(answer.text.find_first_not_of("abc"), std::string::npos) << answer.text;
}

INSTANTIATE_TEST_SUITE_P(Tokenizers, ConstrainedTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "SentencePiece" : "ByteBpe"; });

}  // namespace
}  // namespace cairn::engine
