// SPDX-License-Identifier: Apache-2.0
#include "server/openai_batch.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace cairn::server {
namespace {

constexpr const char* kGood =
    R"({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions",
        "body": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}})";

std::string With(const std::string& method, const std::string& url, const std::string& body) {
  return R"({"custom_id": "a", "method": )" + method + R"(, "url": )" + url + R"(, "body": )" +
         body + "}";
}

TEST(OpenAiBatchTest, LineGivesItsIdAndItsRequest) {
  const auto line = ParseBatchLine(kGood);
  ASSERT_TRUE(line) << line.error().message;
  EXPECT_EQ(line->custom_id, "a");
  ASSERT_TRUE(line->request) << line->request.error().message;
  EXPECT_EQ(line->request->endpoint, Endpoint::kChat);
  EXPECT_EQ(line->request->model, "m");
}

TEST(OpenAiBatchTest, LineWithoutAnIdIsAnError) {
  for (const char* bad : {"", "{", "3", "[]", "{}", R"({"custom_id": 3})", R"({"custom_id": ""})",
                          R"({"custom_id": null})"}) {
    const auto line = ParseBatchLine(bad);
    ASSERT_FALSE(line) << bad;
    EXPECT_FALSE(line.error().message.empty());
  }
  const std::string long_id(kMostCustomIdBytes + 1, 'x');
  EXPECT_FALSE(ParseBatchLine(R"({"custom_id": ")" + long_id + R"("})"));
  EXPECT_EQ(ParseBatchLine(std::string(kMostBatchLineBytes + 1, ' ')).error().code,
            ErrorCode::kLimit);
}

TEST(OpenAiBatchTest, WhatIsWrongAfterTheIdIsTheAnswerOfTheLine) {
  const std::string url = R"("/v1/completions")", body = R"({"prompt": "x"})";
  const std::pair<std::string, const char*> table[] = {
      {With(R"("GET")", url, body), "method"},
      {With("3", url, body), "method"},
      {With(R"("POST")", R"("/v1/embeddings")", body), "/v1/embeddings"},
      {With(R"("POST")", "null", body), "url"},
      {With(R"("POST")", url, "null"), "body is missing"},
      {With(R"("POST")", url, "[]"), "body"},
      {With(R"("POST")", url, "{}"), "prompt is missing"},
      {With(R"("POST")", url, R"({"prompt": "x", "stream": true})"), "stream"},
  };
  for (const auto& [text, words] : table) {
    const auto line = ParseBatchLine(text);
    ASSERT_TRUE(line) << text;
    EXPECT_EQ(line->custom_id, "a");
    ASSERT_FALSE(line->request) << text;
    EXPECT_NE(line->request.error().message.find(words), std::string::npos)
        << line->request.error().message;
  }
}

TEST(OpenAiBatchTest, ResultHasTheMembersOfTheApiAndIsReadAgain) {
  const Response response{.status = 200, .body = {{"id", "chatcmpl-7"}}};
  const std::string text = BatchResult(7, "a\"\n", response);
  ASSERT_TRUE(text.starts_with(kBatchResultStart));
  EXPECT_EQ(text.find('\n'), text.size() - 1);
  EXPECT_EQ(boost::json::parse(text), boost::json::parse(R"({
      "id": "batch_req_7", "custom_id": "a\"\n", "error": null,
      "response": {"status_code": 200, "request_id": "req_7", "body": {"id": "chatcmpl-7"}}})"));
  const auto record = ParseBatchResult(text);
  ASSERT_TRUE(record) << record.error().message;
  EXPECT_EQ(record->custom_id, "a\"\n");
  EXPECT_EQ(record->line, 7);
  EXPECT_TRUE(record->answered);
}

TEST(OpenAiBatchTest, FailureIsReadAgainByItsLine) {
  const std::string broken =
      BatchFailureResult(3, std::nullopt, BatchFailure::kInvalidLine, "line 3: it is no JSON");
  EXPECT_EQ(boost::json::parse(broken), boost::json::parse(R"({
      "id": "batch_req_3", "custom_id": null, "response": null,
      "error": {"code": "invalid_line", "message": "line 3: it is no JSON"}})"));
  const std::string twice = BatchFailureResult(9, "a", BatchFailure::kDuplicateId, "again");
  for (const auto& [text, line] : {std::pair(broken, 3), std::pair(twice, 9)}) {
    const auto record = ParseBatchResult(text);
    ASSERT_TRUE(record) << record.error().message;
    EXPECT_EQ(record->line, line);
    EXPECT_FALSE(record->answered);
  }
}

TEST(OpenAiBatchTest, OtherLinesAreNoResults) {
  for (const std::string& text :
       {std::string(kGood), std::string("{}"), std::string("text"),
        std::string(R"({"id": "batch_req_x", "custom_id": "a", "response": {}, "error": null})"),
        std::string(R"({"id": "batch_req_1", "custom_id": "a"})"),
        std::string(R"({"id": "batch_req_1", "custom_id": null, "response": {}, "error": null})"),
        std::string(R"({"id": "batch_req_1", "custom_id": "a", "response": {}, "error": {}})")}) {
    const auto record = ParseBatchResult(text);
    ASSERT_FALSE(record) << text;
    EXPECT_EQ(record.error().code, ErrorCode::kCorrupt);
  }
}

}  // namespace
}  // namespace cairn::server
