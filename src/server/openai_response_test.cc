// SPDX-License-Identifier: Apache-2.0
#include "server/openai_response.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "testing/tiny_models.h"

namespace cairn::server {
namespace {

using engine::Answer;
using engine::FinishReason;

const ResponseHead kHead{
    .id = "x-1", .created_s = 1'700'000'000, .model = "tiny", .fingerprint = "fp-1"};

std::vector<Result<Answer>> TwoAnswers() {
  Answer first, second;
  first.text = "one \"quoted\"\n";
  first.tokens = {1, 2, 3};
  first.reason = FinishReason::kEndOfTurn;
  first.prompt_tokens = 10;
  first.reused_tokens = 8;
  second = first;
  second.text = "two";
  second.tokens = {4};
  second.reason = FinishReason::kLength;
  return {first, second};
}

TEST(OpenAiResponseTest, ChatCompletionHasTheMembersOfTheApi) {
  const Response response = ToResponse(Endpoint::kChat, kHead, TwoAnswers());
  EXPECT_EQ(response.status, 200);
  const auto expected = boost::json::parse(R"({
    "id": "x-1", "object": "chat.completion", "created": 1700000000, "model": "tiny",
    "system_fingerprint": "fp-1", "choices": [
      {"index": 0, "message": {"role": "assistant", "content": "one \"quoted\"\n"},
       "logprobs": null, "finish_reason": "stop"},
      {"index": 1, "message": {"role": "assistant", "content": "two"},
       "logprobs": null, "finish_reason": "length"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14,
              "prompt_tokens_details": {"cached_tokens": 8}}})");
  EXPECT_EQ(boost::json::value(response.body), expected) << boost::json::serialize(response.body);
}

TEST(OpenAiResponseTest, PlainCompletionHasTextsInPlaceOfMessages) {
  const Response response = ToResponse(Endpoint::kCompletions, kHead, TwoAnswers());
  EXPECT_EQ(response.body.at("object"), "text_completion");
  const auto& choice = response.body.at("choices").at(1).get_object();
  EXPECT_EQ(choice.at("text"), "two");
  EXPECT_FALSE(choice.contains("message"));
}

TEST(OpenAiResponseTest, ThoughtsGoIntoAMemberOfTheirOwn) {
  auto answers = TwoAnswers();
  answers[0]->text = "<think>\nhm\n</think>\n\nYes";
  const AnswerForm form{.parts = {.reasoning = ReasoningMarks{"<think>", "</think>"}}};
  const auto body = ToResponse(Endpoint::kChat, kHead, answers, form).body;
  const auto& message = body.at("choices").at(0).at("message").get_object();
  EXPECT_EQ(message.at("content"), "Yes");
  EXPECT_EQ(message.at("reasoning_content"), "hm");
  const auto& plain = body.at("choices").at(1).at("message").get_object();
  EXPECT_EQ(plain.at("content"), "two");
  EXPECT_FALSE(plain.contains("reasoning_content"));
}

TEST(OpenAiResponseTest, CallsGoIntoAMemberOfTheirOwn) {
  auto answers = TwoAnswers();
  answers[0]->text = "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>";
  answers[1]->text = "Well.\n" + answers[0]->text;
  const AnswerForm form{.parts = {.tools = &grammar::GenericToolFormat()}};
  const auto body = ToResponse(Endpoint::kChat, kHead, answers, form).body;
  const auto& choices = body.at("choices").get_array();
  const auto expected = boost::json::parse(R"({"index": 0, "logprobs": null,
    "finish_reason": "tool_calls", "message": {"role": "assistant", "content": null, "tool_calls": [
      {"id": "?", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]}})");
  boost::json::value first = choices[0];
  auto& id = first.at("message").at("tool_calls").at(0).at("id");
  EXPECT_EQ(id.as_string().size(), 9u);
  EXPECT_NE(id, choices[1].at("message").at("tool_calls").at(0).at("id"));
  id = "?";
  EXPECT_EQ(first, expected) << boost::json::serialize(first);
  EXPECT_EQ(choices[1].at("message").at("content"), "Well.");
  EXPECT_EQ(choices[1].at("finish_reason"), "length") << "it was cut";
}

TEST(OpenAiResponseTest, LogprobsHaveTheMembersOfTheApi) {
  const testing::TinyModel tiny({});
  const model::Tokenizer& tokenizer = tiny.model()->tokenizer();
  const auto ids = *tokenizer.Encode("the \xc3\xa9", false);
  auto answers = TwoAnswers();
  for (const std::int32_t id : ids) {
    answers[0]->likelihoods.push_back(
        {.chosen = {id, -0.5f}, .top = {{ids[0], -0.25f}, {id, -0.5f}}});
  }
  const AnswerForm form{.tokenizer = &tokenizer};
  const auto chat = ToResponse(Endpoint::kChat, kHead, answers, form).body;
  const auto& content = chat.at("choices").at(0).at("logprobs").at("content").get_array();
  ASSERT_EQ(content.size(), ids.size());
  std::string bytes;
  for (const auto& entry : content) {
    EXPECT_EQ(entry.at("logprob"), -0.5);
    EXPECT_EQ(entry.at("top_logprobs").at(0).at("logprob"), -0.25);
    for (const auto& byte : entry.at("bytes").get_array()) {
      bytes += static_cast<char>(byte.to_number<int>());
    }
  }
  EXPECT_EQ(bytes, "the \xc3\xa9");
  EXPECT_TRUE(chat.at("choices").at(1).at("logprobs").at("content").get_array().empty());

  const auto plain = ToResponse(Endpoint::kCompletions, kHead, answers, form).body;
  const auto& logprobs = plain.at("choices").at(0).at("logprobs").get_object();
  EXPECT_EQ(logprobs.at("tokens").get_array().size(), ids.size());
  EXPECT_EQ(logprobs.at("token_logprobs").at(0), -0.5);
  EXPECT_EQ(logprobs.at("text_offset").at(0), 0);
  const auto first = tokenizer.Decode({ids.data(), 1}, true);
  EXPECT_EQ(logprobs.at("text_offset").at(1), static_cast<std::int64_t>(first.size()));
  EXPECT_EQ(logprobs.at("top_logprobs").at(0).at(first), -0.25) << "the likelier of equal texts";
}

TEST(OpenAiResponseTest, FinishReasonsAreThoseOfTheApi) {
  const std::pair<FinishReason, const char*> table[] = {{FinishReason::kEndOfTurn, "stop"},
                                                        {FinishReason::kStopString, "stop"},
                                                        {FinishReason::kLength, "length"},
                                                        {FinishReason::kContext, "length"},
                                                        {FinishReason::kCancelled, "cancelled"}};
  for (const auto& [reason, name] : table) {
    auto answers = TwoAnswers();
    answers[0]->reason = reason;
    const Response response = ToResponse(Endpoint::kChat, kHead, answers);
    EXPECT_EQ(response.body.at("choices").at(0).at("finish_reason"), name);
  }
}

TEST(OpenAiResponseTest, OneFailedChoiceMakesTheResponseAnError) {
  auto answers = TwoAnswers();
  answers[1] = Fail(ErrorCode::kNumeric, "layer 3 left the finite numbers");
  const Response response = ToResponse(Endpoint::kChat, kHead, answers);
  EXPECT_EQ(response.status, 500);
  EXPECT_EQ(boost::json::serialize(response.body),
            R"({"error":{"message":"layer 3 left the finite numbers","type":"server_error",)"
            R"("param":null,"code":null}})");
}

TEST(OpenAiResponseTest, ErrorsHaveTheStatusOfTheirKind) {
  const std::pair<ErrorCode, int> table[] = {{ErrorCode::kInvalidArgument, 400},
                                             {ErrorCode::kUnsupported, 400},
                                             {ErrorCode::kLimit, 400},
                                             {ErrorCode::kNotFound, 404},
                                             {ErrorCode::kOutOfMemory, 503},
                                             {ErrorCode::kIo, 500},
                                             {ErrorCode::kBusy, 503}};
  for (const auto& [code, status] : table) {
    const Response response = ToResponse(Error{code, "why"});
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.body.at("error").at("type"),
              status < 500 ? "invalid_request_error" : "server_error");
  }
  const Response named = ToResponse(Error{ErrorCode::kInvalidArgument, "n must be 1", "n"});
  EXPECT_EQ(named.body.at("error").at("param"), "n");
}

}  // namespace
}  // namespace cairn::server
