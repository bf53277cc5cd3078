// SPDX-License-Identifier: Apache-2.0
#include "server/openai_request.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "server/json_members.h"

namespace cairn::server {
namespace {

Result<OpenAiRequest> Read(Endpoint endpoint, const std::string& text) {
  return ReadOpenAiRequest(endpoint, OR_RETURN(ParseJson(text, kMostBodyBytes)));
}

// A chat body with one message and `more` members.
Result<OpenAiRequest> Chat(const std::string& more) {
  return Read(Endpoint::kChat, R"({"messages": [{"role": "user", "content": "Hi"}])" +
                                   (more.empty() ? "" : ", " + more) + "}");
}

Result<OpenAiRequest> WithMessages(const std::string& messages) {
  return Read(Endpoint::kChat, R"({"messages": )" + messages + "}");
}

Result<OpenAiRequest> Plain(const std::string& members) {
  return Read(Endpoint::kCompletions, "{" + members + "}");
}

std::string MessageOf(const Result<OpenAiRequest>& request) {
  return request ? "no error" : request.error().message;
}

TEST(OpenAiRequestTest, WhatAChatDoesNotSayIsAsInRun) {
  const auto request = Chat("");
  ASSERT_TRUE(request) << MessageOf(request);
  const engine::SamplingOptions ours;
  const engine::SamplingOptions& s = request->options.sampling;
  EXPECT_EQ(s.temperature, ours.temperature);
  EXPECT_EQ(s.top_k, ours.top_k);
  EXPECT_EQ(s.top_p, ours.top_p);
  EXPECT_EQ(s.min_p, ours.min_p);
  EXPECT_EQ(s.seed, 0u);
  EXPECT_EQ(request->options.max_tokens, -1);
  EXPECT_TRUE(request->options.stop.empty());
  EXPECT_EQ(request->choices, 1);
  EXPECT_TRUE(request->use_cache);
  EXPECT_FALSE(request->stream);
  EXPECT_TRUE(request->tools.tools.is_null());
  EXPECT_EQ(boost::json::serialize(request->messages), R"([{"role":"user","content":"Hi"}])");
}

TEST(OpenAiRequestTest, EveryMemberIsRead) {
  const auto request = Chat(
      R"("model": "m", "user": "u", "temperature": 1, "top_p": 0.5, "top_k": 7, "min_p": 0.25,
         "repeat_penalty": 1.5, "presence_penalty": -2, "frequency_penalty": 0.5, "seed": 9,
         "n": 3, "max_tokens": 5, "max_completion_tokens": 6.0, "stop": ["a", "b"],
         "repeat_last_n": 32, "cache_prompt": false, "stream": true)");
  ASSERT_TRUE(request) << MessageOf(request);
  const engine::SamplingOptions& s = request->options.sampling;
  EXPECT_EQ(request->model, "m");
  EXPECT_EQ(request->tenant, "u");
  EXPECT_EQ(s.temperature, 1.0f);
  EXPECT_EQ(s.top_p, 0.5f);
  EXPECT_EQ(s.top_k, 7);
  EXPECT_EQ(s.min_p, 0.25f);
  EXPECT_EQ(s.repeat_penalty, 1.5f);
  EXPECT_EQ(s.presence_penalty, -2.0f);
  EXPECT_EQ(s.frequency_penalty, 0.5f);
  EXPECT_EQ(s.seed, 9u);
  EXPECT_EQ(s.repeat_window, 32);
  EXPECT_EQ(request->choices, 3);
  EXPECT_EQ(request->options.max_tokens, 6);
  EXPECT_EQ(request->options.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(request->use_cache);
  EXPECT_TRUE(request->stream);
}

TEST(OpenAiRequestTest, SpellingsOfOtherServersAreRead) {
  EXPECT_EQ(Chat(R"("repetition_penalty": 1.25)")->options.sampling.repeat_penalty, 1.25f);
  EXPECT_EQ(Chat(R"("top_k": -1)")->options.sampling.top_k, 0);
  EXPECT_EQ(Chat(R"("max_tokens": -1)")->options.max_tokens, -1);
  EXPECT_EQ(Chat(R"("stop": "end")")->options.stop, std::vector<std::string>{"end"});
  EXPECT_EQ(Chat(R"("seed": -1)")->options.sampling.seed, ~std::uint64_t{0});
  EXPECT_EQ(Chat(R"("seed": 18446744073709551615)")->options.sampling.seed, ~std::uint64_t{0});
  const float top_p = Chat(R"("top_p": 0)")->options.sampling.top_p;
  EXPECT_GT(top_p, 0.0f);
  EXPECT_LT(top_p, 1e-30f);
}

TEST(OpenAiRequestTest, UnknownMembersAndThoseThatAskForNothingAreIgnored) {
  const auto request = Chat(
      R"("no_such_thing": {"a": 1}, "temperature": null, "stop": null, "logprobs": false,
         "top_logprobs": 0, "logit_bias": {}, "response_format": {"type": "text"}, "echo": false,
         "suffix": "", "functions": [], "tool_choice": "auto", "tools": [], "best_of": 1)");
  ASSERT_TRUE(request) << MessageOf(request);
  EXPECT_TRUE(request->tools.tools.is_null());
}

TEST(OpenAiRequestTest, WhatDoesNotExistYetIsUnsupportedAndNamed) {
  const std::pair<const char*, const char*> table[] = {
      {R"("echo": true)", "echo"},
      {R"("best_of": 4)", "best_of"},
      {R"("response_format": {"type": "xml"})", "response_format.type"},
      {R"("tool_choice": {"type": "custom"})", "tool_choice.type"},
      {R"("functions": [{"name": "f"}])", "functions"},
  };
  for (const auto& [members, name] : table) {
    const auto request = Chat(members);
    ASSERT_FALSE(request) << members;
    EXPECT_EQ(request.error().code, ErrorCode::kUnsupported) << members;
    EXPECT_NE(request.error().message.find(name), std::string::npos) << request.error().message;
    EXPECT_EQ(request.error().subject, name);
  }
}

TEST(OpenAiRequestTest, LogprobsBiasesAndWhatElseChangesAnswersIsRead) {
  EXPECT_EQ(Chat("")->options.likelihoods, -1);
  EXPECT_EQ(Chat(R"("logprobs": true)")->options.likelihoods, 0);
  EXPECT_EQ(Chat(R"("logprobs": true, "top_logprobs": 20)")->options.likelihoods, 20);
  EXPECT_EQ(Plain(R"("prompt": "x", "logprobs": 0)")->options.likelihoods, 0);
  EXPECT_EQ(Plain(R"("prompt": "x", "logprobs": 5)")->options.likelihoods, 5);
  EXPECT_EQ(Plain(R"("prompt": "x")")->options.likelihoods, -1);
  const auto bias = Chat(R"("logit_bias": {"7": -100, "5": 1.5})")->options.sampling.bias;
  ASSERT_EQ(bias.size(), 2u);
  EXPECT_EQ(bias[0].token, 5);
  EXPECT_EQ(bias[0].bias, 1.5f);
  EXPECT_EQ(bias[1].bias, -100.0f);
  const auto pairs = Chat(R"("logit_bias": [[9, false], [9, 3], [8, false]])");
  ASSERT_TRUE(pairs) << MessageOf(pairs);
  ASSERT_EQ(pairs->options.sampling.bias.size(), 2u);
  EXPECT_EQ(pairs->options.sampling.bias[0].bias, -engine::kBan);
  EXPECT_EQ(pairs->options.sampling.bias[1].bias, 3.0f) << "the last one counts";
  EXPECT_TRUE(Chat(R"("ignore_eos": true)")->options.ignore_end);
  EXPECT_TRUE(Chat(R"("return_progress": true)")->stream_progress);
  EXPECT_TRUE(Chat("")->separate_thoughts);
  EXPECT_FALSE(Chat(R"("reasoning_format": "none")")->separate_thoughts);
}

TEST(OpenAiRequestTest, WrongTypesAndRangesAreInvalidAndNamed) {
  const std::pair<const char*, const char*> table[] = {
      {R"("temperature": "hot")", "temperature must be a number from 0 to 100, got a string"},
      {R"("temperature": -0.5)", "temperature must be a number from 0 to 100, got -0.5"},
      {R"("temperature": 1e999)", "temperature"},
      {R"("top_p": 1.5)", "top_p"},
      {R"("min_p": 2)", "min_p"},
      {R"("top_k": 1.5)", "top_k must be a whole number"},
      {R"("top_k": -2)", "top_k"},
      {R"("repeat_penalty": 0)", "repeat_penalty must be a number above 0"},
      {R"("repetition_penalty": 1e-60)", "repetition_penalty"},
      {R"("presence_penalty": 11)", "presence_penalty"},
      {R"("frequency_penalty": [])", "frequency_penalty must be a number from -10 to 10, got an"},
      {R"("n": 0)", "n must be a whole number from 1 to 128, got 0"},
      {R"("n": 129)", "n must be"},
      {R"("n": true)", "n must be a whole number from 1 to 128, got a boolean"},
      {R"("max_tokens": 0)", "max_tokens must be at least 1"},
      {R"("max_tokens": -7)", "max_tokens"},
      {R"("max_completion_tokens": 18446744073709551615)", "max_completion_tokens"},
      {R"("seed": 0.5)", "seed"},
      {R"("seed": 1e30)", "seed"},
      {R"("stop": 3)", "stop must be a string"},
      {R"("stop": "")", "stop must be a string of 1 to 1024 bytes"},
      {R"("stop": ["a", null])", "stop[1]"},
      {R"("stream": 1)", "stream must be true or false, got 1"},
      {R"("cache_prompt": "no")", "cache_prompt"},
      {R"("model": 3)", "model"},
      {R"("user": ["me"])", "user"},
      {R"("response_format": "json")", "response_format"},
      {R"("logprobs": 3)", "logprobs must be true or false"},
      {R"("top_logprobs": 3)", "top_logprobs needs logprobs"},
      {R"("logprobs": true, "top_logprobs": 21)", "top_logprobs must be a whole number from 0"},
      {R"("logit_bias": "none")", "logit_bias must be an object"},
      {R"("logit_bias": {"x": 1})", "logit_bias.x must name a token"},
      {R"("logit_bias": {"5": 101})", "logit_bias.5 must be a number from -100 to 100"},
      {R"("logit_bias": {"5": null})", "logit_bias.5 must be a number"},
      {R"("logit_bias": {"5": true})", "logit_bias.5"},
      {R"("logit_bias": {"-5": 1})", "logit_bias.-5"},
      {R"("logit_bias": [[1]])", "logit_bias[0] must be [token, bias]"},
      {R"("logit_bias": [[1, 2], [1.5, 2]])", "logit_bias[1]"},
      {R"("reasoning_format": "all")", "reasoning_format"},
      {R"("chat_template_kwargs": [])", "chat_template_kwargs must be an object"},
      {R"("tools": {})", "tools must be an array"},
      {R"("tools": [1])", "tools[0]"},
      {R"("tool_choice": "required")", "tool_choice"},
  };
  for (const auto& [members, words] : table) {
    const auto request = Chat(members);
    ASSERT_FALSE(request) << members;
    EXPECT_EQ(request.error().code, ErrorCode::kInvalidArgument) << members;
    EXPECT_NE(request.error().message.find(words), std::string::npos) << request.error().message;
    EXPECT_TRUE(request.error().message.starts_with(request.error().subject + " "))
        << "the member that is named is the subject";
    EXPECT_FALSE(request.error().subject.empty());
  }
}

TEST(OpenAiRequestTest, TooManyStopsMessagesAndToolsAreLimits) {
  std::string stops = R"("stop": ["x")";
  for (int i = 0; i < 16; ++i) stops += R"(, "x")";
  // Items with their number behind what they begin with.
  const auto long_list = [](std::size_t count, const std::string& begin, const std::string& end) {
    std::string list = "[";
    for (std::size_t i = 0; i < count; ++i) {
      list += (i > 0 ? "," : "") + begin + std::to_string(i) + end;
    }
    return list + "]";
  };
  const auto tools = [&](std::size_t count) {
    return R"("tools": )" + long_list(count, R"({"type":"function","function":{"name":"f)", "\"}}");
  };
  const auto messages = [&](std::size_t count) {
    return long_list(count, R"({"role":"user","content":")", "\"}");
  };
  EXPECT_TRUE(Chat(tools(kMostTools)));
  EXPECT_TRUE(WithMessages(messages(kMostMessages)));
  for (const auto& request : {Chat(stops + "]"), Chat(tools(kMostTools + 1)),
                              WithMessages(messages(kMostMessages + 1))}) {
    ASSERT_FALSE(request);
    EXPECT_EQ(request.error().code, ErrorCode::kLimit) << request.error().message;
  }
}

TEST(OpenAiRequestTest, MessagesAreBroughtIntoTheFormOfTemplates) {
  const auto request = WithMessages(
      R"([{"role": "developer", "content": [{"type": "text", "text": "a"},
                                            {"type": "text", "text": "b"}]},
          {"role": "user", "name": "eve", "content": "<|im_end|>", "extra": 1},
          {"role": "assistant", "content": null, "refusal": null, "tool_calls": [
            {"id": "c1", "type": "function",
             "function": {"name": "f", "arguments": "{\"x\": [1]}"}},
            {"function": {"name": "g", "arguments": "no JSON"}},
            {"function": {"name": "h"}}]},
          {"role": "tool", "tool_call_id": "c1", "content": "12"}])");
  ASSERT_TRUE(request) << MessageOf(request);
  const auto expected = ParseJson(
      R"([{"role": "system", "content": "a\nb"},
          {"role": "user", "content": "<|im_end|>", "name": "eve"},
          {"role": "assistant", "content": "", "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"x": [1]}}},
            {"type": "function", "function": {"name": "g", "arguments": "no JSON"}},
            {"type": "function", "function": {"name": "h", "arguments": {}}}]},
          {"role": "tool", "content": "12", "tool_call_id": "c1"}])",
      kMostBodyBytes);
  EXPECT_EQ(request->messages, *expected) << boost::json::serialize(request->messages);
}

TEST(OpenAiRequestTest, BrokenMessagesAreInvalidAndNamed) {
  const std::pair<const char*, const char*> table[] = {
      {"[]", "messages is empty"},
      {"{}", "messages must be an array"},
      {"[1]", "messages[0]"},
      {R"([{"content": "x"}])", "messages[0]"},
      {R"([{"role": "robot", "content": "x"}])", "messages[0].role must be system"},
      {R"([{"role": "user"}])", "messages[0].content is missing"},
      {R"([{"role": "user", "content": null}])", "messages[0].content is missing"},
      {R"([{"role": "user", "content": 1}])", "messages[0].content"},
      {R"([{"role": "user", "content": ["x"]}])", "messages[0].content[0]"},
      {R"([{"role": "user", "content": [{"type": "text"}]}])", "content[0].text is missing"},
      {R"([{"role": "user", "content": [{"type": "image_url"}]}])", "image_url"},
      {R"([{"role": "assistant", "tool_calls": {}}])", "messages[0].tool_calls"},
      {R"([{"role": "assistant", "tool_calls": [{}]}])", "tool_calls[0].function"},
      {R"([{"role": "assistant", "tool_calls": [{"function": {}}]}])", "function.name is missing"},
      {R"([{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": 1}}]}])",
       "arguments"},
      {R"([{"role": "user", "content": "x", "name": 1}])", "messages[0].name"},
  };
  for (const auto& [messages, words] : table) {
    const auto request = WithMessages(messages);
    ASSERT_FALSE(request) << messages;
    EXPECT_NE(request.error().message.find(words), std::string::npos) << request.error().message;
  }
  EXPECT_EQ(MessageOf(Read(Endpoint::kChat, "{}")), "messages is missing");
  EXPECT_EQ(MessageOf(Read(Endpoint::kChat, "[]")), "the body must be an object, got an array");
}

TEST(OpenAiRequestTest, ToolsAreOfTheConversation) {
  auto request = Chat(
      R"("tools": [{"type": "function", "function": {"name": "f", "parameters": {"a": 1.5}}}],
         "tool_choice": "required")");
  ASSERT_TRUE(request) << MessageOf(request);
  const Prompt prompt = TakePrompt(*request);
  const ToolUse& tools = std::get<Conversation>(prompt).tools;
  EXPECT_EQ(tools.tools.at(0).at("function").at("parameters").at("a"), 1.5);
  EXPECT_EQ(tools.choice, ToolChoice::kRequired);
}

TEST(OpenAiRequestTest, PromptIsTextOrTokens) {
  const auto text = Plain(R"("prompt": "Once")");
  ASSERT_TRUE(text) << MessageOf(text);
  EXPECT_EQ(std::get<std::string>(text->prompt), "Once");
  EXPECT_EQ(text->options.max_tokens, 16) << "the API's default";
  EXPECT_EQ(std::get<std::string>(Plain(R"("prompt": ["Once"])")->prompt), "Once");
  EXPECT_EQ(Plain(R"("prompt": "Once", "max_tokens": -1)")->options.max_tokens, -1);
  EXPECT_EQ(std::get<1>(Plain(R"("prompt": [5, 2147483647])")->prompt),
            (std::vector<std::int32_t>{5, 2147483647}));
  const std::pair<const char*, const char*> table[] = {
      {R"("max_tokens": 3)", "prompt is missing"},
      {R"("prompt": [])", "prompt is empty"},
      {R"("prompt": ["a", "b"])", "more than one text"},
      {R"("prompt": [[1, 2]])", "prompt must be"},
      {R"("prompt": {})", "prompt must be"},
      {R"("prompt": [1, "a"])", "prompt[1]"},
      {R"("prompt": [-1])", "prompt[0]"},
      {R"("prompt": [2147483648])", "prompt[0]"},
      {R"("prompt": [1.5])", "prompt[0]"},
      {R"("prompt": [1], "suffix": "x")", "suffix needs"},
  };
  for (const auto& [members, words] : table) {
    EXPECT_NE(MessageOf(Plain(members)).find(words), std::string::npos)
        << MessageOf(Plain(members));
  }
}

TEST(OpenAiRequestTest, HostileTextIsAnError) {
  std::string deep(100'000, '[');
  std::string deep_member =
      R"({"messages": )" + std::string(100, '[') + std::string(100, ']') + "}";
  for (const std::string& text :
       {deep, deep_member, std::string("{\"a\": \"\xff\"}"), std::string("{\"a\": \"\\ud800\"}"),
        std::string("{} {}"), std::string(), std::string("{\"a\": 1,}")}) {
    const auto parsed = ParseJson(text, kMostBodyBytes);
    ASSERT_FALSE(parsed) << text.substr(0, 40);
    EXPECT_LT(parsed.error().message.size(), 200u);
  }
  EXPECT_EQ(ParseJson("[1, 2]", 5).error().code, ErrorCode::kLimit);
  const std::string long_role =
      R"([{"role": ")" + std::string(1 << 20, '\x7f') + R"(", "content": ""}])";
  EXPECT_LT(MessageOf(WithMessages(long_role)).size(), 300u);
}

TEST(OpenAiRequestTest, PathsNameTheirEndpoint) {
  for (const Endpoint endpoint : {Endpoint::kChat, Endpoint::kCompletions}) {
    EXPECT_EQ(EndpointOf(PathOf(endpoint)), endpoint);
  }
  EXPECT_EQ(EndpointOf("/v1/embeddings"), std::nullopt);
  EXPECT_EQ(EndpointOf(""), std::nullopt);
}

}  // namespace
}  // namespace cairn::server
