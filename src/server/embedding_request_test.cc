// SPDX-License-Identifier: Apache-2.0
#include "server/embedding_request.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace cairn::server {
namespace {

using Tokens = std::vector<std::int32_t>;

TEST(EmbeddingRequestTest, EveryFormOfInputIsRead) {
  const auto read = [](std::string_view text) {
    auto request = ReadEmbeddingRequest(boost::json::parse(text));
    EXPECT_TRUE(request) << request.error().message;
    return std::move(request->inputs);
  };
  EXPECT_EQ(std::get<std::string>(read(R"({"input":"one"})")[0]), "one");
  const auto texts = read(R"({"input":["one","two"]})");
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_EQ(std::get<std::string>(texts[1]), "two");
  const auto ids = read(R"({"input":[1,2,3]})");
  ASSERT_EQ(ids.size(), 1u);
  EXPECT_EQ(std::get<Tokens>(ids[0]), (Tokens{1, 2, 3}));
  const auto lists = read(R"({"input":[[1,2],[3],"text"]})");
  ASSERT_EQ(lists.size(), 3u);
  EXPECT_EQ(std::get<Tokens>(lists[1]), Tokens{3});
}

TEST(EmbeddingRequestTest, MembersAreReadAndUnknownOnesIgnored) {
  const auto request = ReadEmbeddingRequest(boost::json::parse(
      R"({"model":"m","input":"a","encoding_format":"base64","dimensions":64,"user":"u","x":{}})"));
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->model, "m");
  EXPECT_TRUE(request->base64);
  EXPECT_EQ(request->dimensions, 64);
  EXPECT_FALSE(request->truncate);
}

TEST(EmbeddingRequestTest, WhatIsWrongIsNamed) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"[]", "the body must be an object"},
      {"{}", "input is missing"},
      {R"({"input":5})", "input must be a string"},
      {R"({"input":""})", "input must not be empty"},
      {R"({"input":[]})", "input must not be empty"},
      {R"({"input":["a",""]})", "input[1] must not be empty"},
      {R"({"input":["a",5]})", "input[1] must be a string or an array of token ids, got a number"},
      {R"({"input":[1,"a"]})", "input must hold token ids, got a string"},
      {R"({"input":[[1,-2]]})", "input[0] must hold token ids"},
      {R"({"input":[[2147483648]]})", "input[0] must hold token ids"},
      {R"({"input":[[]]})", "input[0] must not be empty"},
      {R"({"input":"a","dimensions":0})", "dimensions must be a whole number from 1"},
      {R"({"input":"a","dimensions":1.5})", "dimensions must be a whole number"},
      {R"({"input":"a","encoding_format":"f16"})", "encoding_format must be float or base64"},
      {R"({"input":"a","model":7})", "model must be a string"},
      {R"({"input":"a","truncate":"yes"})", "truncate must be true or false"},
  };
  for (const auto& [text, message] : cases) {
    const auto request = ReadEmbeddingRequest(boost::json::parse(text));
    ASSERT_FALSE(request) << text;
    EXPECT_EQ(request.error().code, ErrorCode::kInvalidArgument);
    EXPECT_TRUE(request.error().message.starts_with(message)) << request.error().message;
  }
}

TEST(EmbeddingRequestTest, MoreInputsThanTheCapAreRefused) {
  boost::json::array many(kMostEmbedInputs, "a");
  EXPECT_TRUE(ReadEmbeddingRequest(boost::json::object{{"input", many}}));
  many.push_back("a");
  EXPECT_FALSE(ReadEmbeddingRequest(boost::json::object{{"input", many}}));
}

TEST(RerankRequestTest, DocumentsAreTextsOrObjects) {
  const auto request = ReadRerankRequest(boost::json::parse(
      R"({"model":"m","query":"q","documents":["a",{"text":"b"}],"top_n":1,"return_documents":true})"));
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->documents, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(request->top, 1);
  EXPECT_TRUE(request->with_documents);
}

TEST(RerankRequestTest, WhatIsWrongIsNamed) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {R"({"documents":["a"]})", "query is missing or empty"},
      {R"({"query":"q"})", "documents is missing"},
      {R"({"query":"q","documents":[]})", "documents must be an array"},
      {R"({"query":"q","documents":"a"})", "documents must be an array"},
      {R"({"query":"q","documents":["a",{"title":"b"}]})", "documents[1] must be a string"},
      {R"({"query":"q","documents":["a"],"top_n":0})", "top_n must be"},
  };
  for (const auto& [text, message] : cases) {
    const auto request = ReadRerankRequest(boost::json::parse(text));
    ASSERT_FALSE(request) << text;
    EXPECT_TRUE(request.error().message.starts_with(message)) << request.error().message;
  }
}

}  // namespace
}  // namespace cairn::server
