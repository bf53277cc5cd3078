// SPDX-License-Identifier: Apache-2.0
// What is found out about templates, with those of tests/templates, and what becomes of
// conversations then.
#include "server/tool_prompt.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fstream>
#include <sstream>

#include "testing/tiny_models.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

class ToolPromptTest : public ::testing::Test {
 protected:
  model::ChatPrompt Chat(const std::string& name) const {
    std::ifstream file(CAIRN_SOURCE_DIR "/tests/templates/" + name + ".jinja");
    std::stringstream source;
    source << file.rdbuf();
    auto chat = model::ChatPrompt::Create(*tiny_.model(), source.str(),
                                          [] { return std::chrono::local_seconds{}; });
    EXPECT_TRUE(chat) << name;
    return *std::move(chat);
  }
  // The text that the model reads.
  std::string Prompt(const std::string& name, const char* messages, const char* body) const {
    const model::ChatPrompt chat = Chat(name);
    const auto use = ReadToolUse(json::parse(body).get_object());
    EXPECT_TRUE(use);
    const auto told = WriteTools(json::parse(messages), *use, ToolTemplateOf(chat));
    const auto rendered = chat.Render(told.messages, told.tools.is_null() ? nullptr : &told.tools);
    EXPECT_TRUE(rendered) << name << ": " << rendered.error().message;
    return rendered ? rendered->Text() : std::string();
  }

 private:
  testing::TinyModel tiny_{{}};
};

constexpr const char* kTools = R"({"tools": [{"type": "function", "function": {"name": "weather",
  "description": "Of a city", "parameters": {"type": "object", "properties": {"city": {"type":
  "string"}}}}}]})";
// Two calls, whose results come in the other order, and what the user says then.
constexpr const char* kHistory = R"([
  {"role": "user", "content": "Oslo, Bonn?"},
  {"role": "assistant", "content": "", "tool_calls": [
    {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}},
    {"id": "call_b", "type": "function", "function": {"name": "clock", "arguments": {}}}]},
  {"role": "tool", "tool_call_id": "call_b", "content": "noon"},
  {"role": "tool", "tool_call_id": "call_a", "content": "4 degrees"},
  {"role": "assistant", "content": "Cold."},
  {"role": "user", "content": "Thanks"}])";

TEST_F(ToolPromptTest, TheFormatIsThatInWhichATemplateWritesCalls) {
  struct Row {
    const char* name;
    const char* format;
    bool writes_calls, shows_tools;
  };
  const Row rows[] = {
      {"hermes_tools", "hermes", true, true},
      {"qwen25", "hermes", true, true},
      {"qwen3", "hermes", true, true},
      {"llama31_tools", "llama3", true, true},
      {"mistral_v3_tools", "mistral", true, true},
      {"mistral_tekken", "mistral-args", true, true},
      {"deepseek_v3", "deepseek-v3", true, false},
      // Calls in other forms, or none.
      {"qwen3_coder", "hermes", false, false},
      {"glm45", "hermes", false, false},
      {"seed_oss", "hermes", false, false},
      {"functionary", "hermes", false, false},
      {"harmony_macros", "hermes", false, false},
      {"granite", "hermes", false, false},
      {"command_r_tools", "hermes", false, false},
      {"smollm2", "hermes", false, false},
      {"gemma3", "hermes", false, false},
      {"vicuna", "hermes", false, false},
  };
  for (const Row& row : rows) {
    const ToolTemplate how = ToolTemplateOf(Chat(row.name));
    EXPECT_EQ(how.format->name, row.format) << row.name;
    EXPECT_EQ(how.writes_calls, row.writes_calls) << row.name;
    EXPECT_EQ(how.shows_tools, row.shows_tools) << row.name;
  }
  EXPECT_TRUE(ToolTemplateOf(Chat("deepseek_v3")).null_content);
  EXPECT_TRUE(ToolTemplateOf(Chat("smollm2")).takes_system);
  EXPECT_FALSE(ToolTemplateOf(Chat("gemma")).takes_system);
}

TEST_F(ToolPromptTest, EveryTemplateTellsOfToolsCallsAndResults) {
  for (const char* name :
       {"hermes_tools", "qwen25", "qwen3", "mistral_tekken", "deepseek_v3", "qwen3_coder", "glm45",
        "harmony_macros", "granite", "smollm2", "gemma", "gemma3"}) {
    const std::string prompt = Prompt(name, kHistory, kTools);
    for (const char* part : {"weather", "Oslo", "clock", "noon", "4 degrees", "Cold.", "Thanks"}) {
      EXPECT_NE(prompt.find(part), std::string::npos) << name << " lacks " << part << ":\n"
                                                      << prompt;
    }
    const std::string hidden = Prompt(name, R"([{"role": "user", "content": "Hi"}])",
                                      R"({"tools": [{"function": {"name": "weather"}}],
                                          "tool_choice": "none"})");
    EXPECT_EQ(hidden.find("weather"), std::string::npos) << name;
  }
}

TEST_F(ToolPromptTest, TheGenericFormTellsAllInMessages) {
  const std::string prompt = Prompt("smollm2", kHistory, kTools);
  for (const char* part :
       {"You can call tools.",
        R"({"name":"weather","description":"Of a city","parameters":{"type":"object",)",
        "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\":\"Oslo\"}}\n</tool_call>\n"
        "<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call><|im_end|>",
        "<|im_start|>user\n<tool_response>\nnoon\n</tool_response>\n<tool_response>\n4 degrees\n"
        "</tool_response><|im_end|>"}) {
    EXPECT_NE(prompt.find(part), std::string::npos) << part << " is not in\n" << prompt;
  }
  const std::string forced = Prompt("smollm2", R"([{"role": "system", "content": "Be kind."},
                                                   {"role": "user", "content": "Hi"}])",
                                    R"({"tools": [{"function": {"name": "f"}}],
                                        "tool_choice": "required"})");
  EXPECT_NE(forced.find("Be kind.\nYou can call tools."), std::string::npos) << forced;
  EXPECT_NE(forced.find("Answer with a call."), std::string::npos);
}

TEST_F(ToolPromptTest, ResultsAndWhatTheUserSaysThenAreOneMessage) {
  const auto told = WriteTools(json::parse(R"([{"role": "user", "content": "a"},
                      {"role": "assistant", "content": "b", "tool_calls": [
                        {"type": "function", "function": {"name": "f", "arguments": {}}}]},
                      {"role": "tool", "content": "c"}, {"role": "user", "content": "d"}])"),
                               {}, {});
  EXPECT_EQ(told.messages, json::parse(R"([
    {"role": "user", "content": "a"},
    {"role": "assistant",
     "content": "b\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>"},
    {"role": "user", "content": "<tool_response>\nc\n</tool_response>\nd"}])"))
      << json::serialize(told.messages);
  EXPECT_TRUE(told.tools.is_null());
}

TEST_F(ToolPromptTest, IdsAndNamesThatAreMissingAreFoundByOrderAndName) {
  const auto written = [](const ToolTemplate& how, const char* messages) {
    return WriteTools(json::parse(messages), {}, how).messages;
  };
  const ToolTemplate mistral{.format = grammar::FindToolFormat("mistral"), .writes_calls = true};
  const auto ids = written(mistral, kHistory);
  const json::value first = ids.at(1).at("tool_calls").at(0).at("id");
  EXPECT_EQ(first.as_string().size(), 9u);
  EXPECT_EQ(ids.at(3).at("tool_call_id"), first);
  EXPECT_EQ(ids.at(3).at("name"), "weather");
  EXPECT_EQ(ids.at(2).at("tool_call_id"), ids.at(1).at("tool_calls").at(1).at("id"));
  EXPECT_NE(ids.at(2).at("tool_call_id"), first);
  // As Ollama's clients send them.
  const ToolTemplate hermes{.writes_calls = true, .text_arguments = true};
  const auto named = written(hermes, R"([
    {"role": "assistant", "content": "", "tool_calls": [
      {"type": "function", "function": {"name": "f", "arguments": {"x": 1}}},
      {"type": "function", "function": {"name": "g", "arguments": {}}}]},
    {"role": "tool", "name": "g", "content": "2"}, {"role": "tool", "content": "1"}])");
  const auto& calls = named.at(0).at("tool_calls");
  EXPECT_EQ(named.at(1).at("tool_call_id"), calls.at(1).at("id"));
  EXPECT_EQ(named.at(2).at("tool_call_id"), calls.at(0).at("id"));
  EXPECT_EQ(named.at(2).at("name"), "f");
  EXPECT_EQ(calls.at(0).at("function").at("arguments"), R"({"x":1})");
}

}  // namespace
}  // namespace cairn::server
