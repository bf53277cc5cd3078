// SPDX-License-Identifier: Apache-2.0
// Bodies of Anthropic's, Ollama's and the Responses API: what comes of good ones, what is said of
// bad ones.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "server/anthropic_request.h"
#include "server/ollama_request.h"
#include "server/response_items.h"
#include "server/responses_request.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

template <typename T>
std::string MessageOf(const Result<T>& result) {
  return result ? "" : result.error().message;
}

const Conversation& ConversationOf(const Question& question) {
  return std::get<Conversation>(question.prompt);
}

void ExpectMessages(const Question& question, const char* expected) {
  EXPECT_EQ(ConversationOf(question).messages, json::parse(expected))
      << json::serialize(ConversationOf(question).messages);
}

Result<AnthropicRequest> Anthropic(const std::string& body) {
  return ReadAnthropicRequest(json::parse(body), false);
}

TEST(AnthropicRequestTest, BlocksBecomeMessagesThatTemplatesRead) {
  const auto request = Anthropic(R"({
    "model": "m", "max_tokens": 7, "stream": true, "stop_sequences": ["x"], "top_k": 3,
    "metadata": {"user_id": "eve"}, "thinking": {"type": "enabled", "budget_tokens": 1024},
    "system": [{"type": "text", "text": "Be", "cache_control": {"type": "ephemeral"}},
               {"type": "text", "text": "kind."}],
    "messages": [
      {"role": "user", "content": "Weather?"},
      {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "t1", "name": "get", "input": {"city": "Bonn"}}]},
      {"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "12"}]},
        {"type": "text", "text": "And?"}]},
      {"role": "assistant", "content": "It is"}],
    "tools": [{"name": "get", "description": "d", "input_schema": {"type": "object"}}]})");
  ASSERT_TRUE(request) << MessageOf(request);
  EXPECT_TRUE(request->stream);
  const Question& question = request->question;
  EXPECT_EQ(question.options.max_tokens, 7);
  EXPECT_EQ(question.options.sampling.top_k, 3);
  EXPECT_EQ(question.options.stop, std::vector<std::string>{"x"});
  EXPECT_EQ(question.tenant, "eve");
  ExpectMessages(question, R"([
    {"role": "system", "content": "Be\nkind."}, {"role": "user", "content": "Weather?"},
    {"role": "assistant", "content": "I look.", "reasoning_content": "hm", "tool_calls": [
      {"id": "t1", "type": "function", "function": {"name": "get", "arguments": {"city": "Bonn"}}}]},
    {"role": "tool", "tool_call_id": "t1", "content": "12"}, {"role": "user", "content": "And?"}])");
  const Conversation& conversation = ConversationOf(question);
  EXPECT_EQ(conversation.begun, "It is");
  EXPECT_EQ(conversation.variables.at("enable_thinking"), true);
  EXPECT_EQ(conversation.tools.tools, json::parse(R"([{"type": "function", "function":
    {"name": "get", "description": "d", "parameters": {"type": "object"}}}])"));
}

TEST(AnthropicRequestTest, WhatIsWrongIsNamed) {
  const std::pair<const char*, const char*> table[] = {
      {R"([])", "the body must be an object"},
      {R"({"messages": []})", "max_tokens is missing"},
      {R"({"max_tokens": 0, "messages": []})", "max_tokens must be at least 1"},
      {R"({"max_tokens": 5})", "messages is missing"},
      {R"({"max_tokens": 5, "messages": []})", "messages is empty"},
      {R"({"max_tokens": 5, "messages": [{"role": "system", "content": "x"}]})",
       "messages[0].role must be user or assistant"},
      {R"({"max_tokens": 5, "messages": [{"role": "user"}]})", "messages[0].content is missing"},
      {R"({"max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "image"}]}]})",
       "messages[0].content[0] is of type 'image'"},
      {R"({"max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "text"}]}]})",
       "messages[0].content[0].text is missing"},
      {R"({"max_tokens": 5, "system": 3, "messages": [{"role": "user", "content": "x"}]})",
       "system must be a string"},
      {R"({"max_tokens": 5, "tools": [{}], "messages": [{"role": "user", "content": "x"}]})",
       "tools[0].name is missing"},
      {R"({"max_tokens": 5, "tool_choice": {"type": "some"}, "tools": [{"name": "f"}],
           "messages": [{"role": "user", "content": "x"}]})",
       "tool_choice.type must be auto, any, tool or none"},
      {R"({"max_tokens": 5, "tools": [{"type": "web_search_20250305", "name": "web_search"}],
           "messages": [{"role": "user", "content": "x"}]})",
       "tools[0].type is 'web_search_20250305'"},
  };
  for (const auto& [body, words] : table) {
    const auto request = Anthropic(body);
    ASSERT_FALSE(request) << body;
    EXPECT_NE(MessageOf(request).find(words), std::string::npos) << MessageOf(request);
  }
}

TEST(AnthropicRequestTest, ToolChoicesAreThoseOfTheApi) {
  const auto read = [](const std::string& choice) {
    const auto request = Anthropic(R"({"max_tokens": 5, "tools": [{"name": "f", "strict": true},
      {"name": "g", "input_schema": {"type": "object"}}], "tool_choice": )" +
                                   choice + R"(, "messages": [{"role": "user", "content": "x"}]})");
    EXPECT_TRUE(request) << MessageOf(request);
    return request ? ConversationOf(request->question).tools : ToolUse{};
  };
  EXPECT_EQ(read(R"({"type": "auto"})").choice, ToolChoice::kAuto);
  EXPECT_EQ(read(R"({"type": "none"})").choice, ToolChoice::kNone);
  const ToolUse any = read(R"({"type": "any", "disable_parallel_tool_use": true})");
  EXPECT_EQ(any.choice, ToolChoice::kRequired);
  EXPECT_FALSE(any.parallel);
  EXPECT_TRUE(any.callable.empty());
  EXPECT_EQ(any.tools.at(0).at("function").at("strict"), true);
  const ToolUse named = read(R"({"type": "tool", "name": "g"})");
  EXPECT_EQ(named.choice, ToolChoice::kRequired);
  EXPECT_EQ(named.callable, std::vector<std::string>{"g"});
  EXPECT_TRUE(named.parallel);
}

TEST(OllamaRequestTest, OptionsAndNamesOfTheirOwnAreRead) {
  const auto request = ReadOllamaChat(json::parse(R"({
    "model": "m:latest", "stream": false, "keep_alive": "1h30m", "think": true,
    "options": {"temperature": 0, "num_predict": 9, "num_ctx": 4096, "stop": ["a"], "seed": 3},
    "messages": [{"role": "assistant", "thinking": "hm", "tool_calls": [
                   {"function": {"name": "f", "arguments": {"x": 1}}}]},
                 {"role": "tool", "tool_name": "f", "content": "2"}]})"));
  ASSERT_TRUE(request) << MessageOf(request);
  EXPECT_FALSE(request->stream);
  EXPECT_EQ(request->keep_alive, std::chrono::seconds(5400));
  const auto& options = request->question.options;
  EXPECT_EQ(options.sampling.temperature, 0);
  EXPECT_EQ(options.sampling.seed, 3u);
  EXPECT_EQ(options.max_tokens, 9);
  EXPECT_EQ(options.stop, std::vector<std::string>{"a"});
  ExpectMessages(request->question, R"([
    {"role": "assistant", "content": "", "reasoning_content": "hm", "tool_calls": [
      {"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]},
    {"role": "tool", "content": "2", "name": "f"}])");
  EXPECT_EQ(ConversationOf(request->question).variables.at("enable_thinking"), true);

  const auto plain =
      ReadOllamaGenerate(json::parse(R"({"model": "m", "prompt": "Hi", "system": "Be kind."})"));
  ASSERT_TRUE(plain) << MessageOf(plain);
  EXPECT_TRUE(plain->stream) << "the API's default";
  ExpectMessages(plain->question, R"([{"role": "system", "content": "Be kind."},
                                      {"role": "user", "content": "Hi"}])");
  const auto raw = ReadOllamaGenerate(json::parse(R"({"model": "m", "prompt": "x", "raw": true})"));
  EXPECT_EQ(std::get<MarkedText>(raw->question.prompt).text, "x");
  EXPECT_TRUE(ReadOllamaChat(json::parse(R"({"model": "m"})"))->empty);
  EXPECT_TRUE(ReadOllamaGenerate(json::parse(R"({"model": "m"})"))->empty);
}

TEST(OllamaRequestTest, FormatIsAFormOfTheAnswer) {
  const auto form = [](const char* format) {
    return ReadOllamaChat(json::parse(std::string(R"({"model": "m", "format": )") + format + "}"))
        ->question.form;
  };
  EXPECT_EQ(form(R"("json")")->form.kind, grammar::FormKind::kJsonObject);
  EXPECT_EQ(form(R"({"type": "integer"})")->form.text, R"({"type":"integer"})");
  EXPECT_FALSE(form(R"("")"));
}

TEST(OllamaRequestTest, DurationsAreThoseOfTheApi) {
  const std::pair<const char*, std::int64_t> good[] = {{"300", 300},
                                                       {"0", 0},
                                                       {"-1", -1},
                                                       {"1.9", 1},
                                                       {R"("5m")", 300},
                                                       {R"("0")", 0},
                                                       {R"("-1")", -1},
                                                       {R"("-1m")", -1},
                                                       {R"("2h1s")", 7201},
                                                       {R"("1.5m")", 90},
                                                       {"1e300", 1'000'000'000}};
  for (const auto& [text, seconds] : good) {
    const auto read = ReadKeepAlive(json::parse(text));
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(read->count(), seconds) << text;
  }
  for (const char* text : {R"("soon")", R"("5")", R"("")", R"("5m!")", R"(".s")", "true", "[]"}) {
    EXPECT_FALSE(ReadKeepAlive(json::parse(text))) << text;
  }
}

TEST(OllamaRequestTest, WhatIsWrongIsNamed) {
  const std::pair<const char*, const char*> table[] = {
      {R"({"messages": []})", "model is missing"},
      {R"({"model": "m", "format": "xml"})", "format must be"},
      {R"({"model": "m", "format": 3})", "format must be"},
      {R"({"model": "m", "options": 3})", "options must be an object"},
      {R"({"model": "m", "options": {"temperature": "hot"}})", "options.temperature"},
      {R"({"model": "m", "options": {"num_predict": -3}})", "options.num_predict"},
      {R"({"model": "m", "messages": {}})", "messages must be an array"},
      {R"({"model": "m", "messages": [{"role": "user", "content": "x", "images": ["aa"]}]})",
       "messages[0].images"},
      {R"({"model": "m", "messages": [{"role": "user", "content": "x", "images": 3}]})",
       "messages[0].images"},
      {R"({"model": "m", "keep_alive": {}})", "keep_alive"},
      {R"({"model": "m", "think": []})", "think"},
  };
  for (const auto& [body, words] : table) {
    const auto request = ReadOllamaChat(json::parse(body));
    ASSERT_FALSE(request) << body;
    EXPECT_NE(MessageOf(request).find(words), std::string::npos) << MessageOf(request);
  }
  for (const char* member : {R"("template": "x")", R"("images": "aa")", R"("context": {})",
                             R"("raw": true, "think": [])"}) {
    const std::string body = R"({"model": "m", "prompt": "x", )" + std::string(member) + "}";
    EXPECT_FALSE(ReadOllamaGenerate(json::parse(body))) << body;
  }
}

// Behind "resp_1" there is a conversation, behind other names nothing.
Result<ResponsesRequest> ReadResponses(const json::value& body) {
  return ReadResponsesRequest(body, [](const std::string& id) -> Result<json::array> {
    if (id != "resp_1")
      return Fail(ErrorCode::kNotFound, "no such response", "previous_response_id");
    return json::parse(R"([{"id": "a", "role": "user", "content": "Hi"},
                           {"type": "message", "role": "assistant",
                            "content": [{"type": "output_text", "text": "Ho"}]}])")
        .as_array();
  });
}

TEST(ResponsesRequestTest, ItemsBecomeMessagesThatTemplatesRead) {
  const auto request = ReadResponses(json::parse(R"({
    "model": "m", "instructions": "Be kind.", "max_output_tokens": 9, "stream": true,
    "temperature": 0.5, "store": true, "reasoning": {"effort": "low"},
    "input": [
      {"role": "user", "content": [{"type": "input_text", "text": "a"},
                                   {"type": "input_text", "text": "b"}]},
      {"type": "reasoning", "summary": []},
      {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"x\": 1}"},
      {"type": "function_call", "call_id": "d", "name": "f", "arguments": "{}"},
      {"type": "function_call_output", "call_id": "c", "output": "2"},
      {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "3"}]},
      {"role": "developer", "content": "Go on."}],
    "tools": [{"type": "function", "name": "f", "parameters": {}}]})"));
  ASSERT_TRUE(request) << MessageOf(request);
  EXPECT_TRUE(request->stream);
  EXPECT_EQ(request->question.options.max_tokens, 9);
  EXPECT_EQ(request->echo.at("temperature"), 0.5);
  ExpectMessages(request->question, R"([
    {"role": "system", "content": "Be kind."}, {"role": "user", "content": "a\nb"},
    {"role": "assistant", "content": "", "tool_calls": [
      {"id": "c", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}},
      {"id": "d", "type": "function", "function": {"name": "f", "arguments": {}}}]},
    {"role": "tool", "content": "2", "tool_call_id": "c"},
    {"role": "assistant", "content": "3"}, {"role": "system", "content": "Go on."}])");
  EXPECT_EQ(ConversationOf(request->question).tools.tools,
            json::parse(R"([{"type": "function", "function": {"name": "f", "parameters": {}}}])"));
  const auto text = ReadResponses(json::parse(R"({"input": "Hi"})"));
  ASSERT_TRUE(text);
  ExpectMessages(text->question, R"([{"role": "user", "content": "Hi"}])");
}

TEST(ResponsesRequestTest, WhatCameBeforeStandsBehindTheNewInstructions) {
  const auto request = ReadResponses(json::parse(
      R"({"input": "What?", "previous_response_id": "resp_1", "instructions": "Be kind."})"));
  ASSERT_TRUE(request) << MessageOf(request);
  EXPECT_TRUE(request->store);
  EXPECT_EQ(request->echo.at("previous_response_id"), "resp_1");
  ExpectMessages(request->question, R"([
    {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Ho"}, {"role": "user", "content": "What?"}])");
  ASSERT_EQ(request->items.size(), 3U);
  EXPECT_EQ(KeptItem(request->items[0].as_object(), "x").at("id"), "a");
  EXPECT_EQ(KeptItem(request->items[2].as_object(), "x"),
            json::parse(R"({"role": "user", "content": [{"type": "input_text", "text": "What?"}],
                            "id": "x", "type": "message"})"));
  const auto unkept = ReadResponses(json::parse(R"({"input": "What?", "store": false})"));
  ASSERT_TRUE(unkept);
  EXPECT_FALSE(unkept->store);
}

TEST(ResponsesRequestTest, ToolChoicesAndFormsAreThoseOfTheApi) {
  const auto read = [](const std::string& members) {
    auto request = ReadResponses(json::parse(
        R"({"input": "x", "tools": [{"type": "function", "name": "f", "strict": true},
                                    {"type": "function", "name": "g"}], )" +
        members + "}"));
    EXPECT_TRUE(request) << MessageOf(request);
    return request ? std::move(request->question) : Question{};
  };
  const Question named = read(R"("tool_choice": {"type": "function", "name": "g"},
                                 "parallel_tool_calls": false)");
  EXPECT_EQ(ConversationOf(named).tools.callable, std::vector<std::string>{"g"});
  EXPECT_EQ(ConversationOf(named).tools.choice, ToolChoice::kRequired);
  EXPECT_FALSE(ConversationOf(named).tools.parallel);
  const Question allowed = read(R"("tool_choice": {"type": "allowed_tools", "mode": "auto",
                                   "tools": [{"type": "function", "name": "f"}]})");
  EXPECT_EQ(ConversationOf(allowed).tools.callable, std::vector<std::string>{"f"});
  EXPECT_EQ(ConversationOf(allowed).tools.choice, ToolChoice::kAuto);
  const Question schema = read(R"("text": {"format": {"type": "json_schema", "name": "n",
                                  "strict": true, "schema": {"type": "integer"}}})");
  ASSERT_TRUE(schema.form);
  EXPECT_EQ(schema.form->form.text, R"({"type":"integer"})");
  EXPECT_EQ(read(R"("text": {"format": {"type": "json_object"}})").form->form.kind,
            grammar::FormKind::kJsonObject);
  EXPECT_FALSE(read(R"("text": {"verbosity": "low"})").form);
}

TEST(ResponsesRequestTest, WhatIsWrongOrNotKeptIsNamed) {
  const std::pair<const char*, const char*> table[] = {
      {R"({})", "input is missing"},
      {R"({"input": []})", "input is empty"},
      {R"({"input": 3})", "input must be a string or an array"},
      {R"({"input": [{"type": "item_reference", "id": "x"}]})", "input[0] is of type"},
      {R"({"input": [{"role": "user", "content": [{"type": "input_image"}]}]})",
       "input[0].content[0] is of type"},
      {R"({"input": "x", "previous_response_id": "resp_2"})", "no such response"},
      {R"({"input": "x", "previous_response_id": 3})", "previous_response_id must be"},
      {R"({"input": "x", "conversation": "c"})", "conversation"},
      {R"({"input": "x", "background": true})", "background"},
      {R"({"input": "x", "text": {"format": {"type": "xml"}}})", "text.format.type must be"},
      {R"({"input": "x", "text": {"format": {"type": "json_schema"}}})", "text.format.schema"},
      {R"({"input": "x", "tools": [{"type": "web_search"}]})", "tools[0] is of type"},
      {R"({"input": "x", "max_output_tokens": 0})", "max_output_tokens"},
  };
  for (const auto& [body, words] : table) {
    const auto request = ReadResponses(json::parse(body));
    ASSERT_FALSE(request) << body;
    EXPECT_NE(MessageOf(request).find(words), std::string::npos) << MessageOf(request);
  }
}

}  // namespace
}  // namespace cairn::server
