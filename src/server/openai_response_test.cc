// SPDX-License-Identifier: Apache-2.0
#include "server/openai_response.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace cairn::server {
namespace {

using engine::Answer;
using engine::FinishReason;

const ResponseHead kHead{.id = "x-1", .created_s = 1'700'000'000, .model = "tiny"};

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
    "choices": [
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
}

}  // namespace
}  // namespace cairn::server
