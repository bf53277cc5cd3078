// SPDX-License-Identifier: Apache-2.0
#include "server/tool_use.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "grammar/test_texts.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

constexpr const char* kTools = R"("tools": [
  {"type": "function", "function": {"name": "add", "parameters": {"type": "object",
    "properties": {"a": {"type": "integer"}}, "required": ["a"]}}},
  {"function": {"name": "now"}},
  {"type": "function", "function": {"name": "odd", "parameters": {"not": {}}}}])";

Result<ToolUse> Read(const std::string& members) {
  return ReadToolUse(json::parse("{" + members + "}").get_object());
}

Result<std::shared_ptr<const grammar::Grammar>> Compile(
    const std::string& members, const std::optional<RequiredForm>& content = {}) {
  const ToolUse use = OR_RETURN(Read(members));
  const RequiredForm form =
      OR_RETURN(FormOfTools(use, grammar::GenericToolFormat(), std::nullopt, content));
  grammar::CompiledForms forms;
  return CompileForm(form, forms);
}

std::string CallOf(const char* name, const char* arguments) {
  return std::string("<tool_call>{\"name\": \"") + name + "\", \"arguments\": " + arguments +
         "}</tool_call>";
}

TEST(ToolUseTest, ChoicesSayWhatMayAndMustBeCalled) {
  struct Row {
    const char* choice;
    bool text, add, now, two;
  };
  const Row rows[] = {
      {R"("x": 1)", true, true, true, true},
      {R"("tool_choice": "auto", "parallel_tool_calls": false)", true, true, true, false},
      {R"("tool_choice": {"type": "function", "function": {"name": "add"}})", false, true, false,
       true},
      {R"("tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools":
          [{"type": "function", "function": {"name": "now"}}]}})",
       false, false, true, false},
      {R"("tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools":
          [{"function": {"name": "add"}}, {"function": {"name": "now"}}]}})",
       true, true, true, true},
  };
  for (const Row& row : rows) {
    const auto grammar = Compile(std::string(kTools) + "," + row.choice);
    ASSERT_TRUE(grammar) << row.choice << ": " << grammar.error().message;
    const std::string add = CallOf("add", "{\"a\": 1}"), now = CallOf("now", "{}");
    EXPECT_EQ(grammar::Takes(*grammar, "Hello"), row.text) << row.choice;
    EXPECT_EQ(grammar::Takes(*grammar, add), row.add) << row.choice;
    EXPECT_EQ(grammar::Takes(*grammar, now), row.now) << row.choice;
    EXPECT_EQ(grammar::Takes(*grammar, add + "\n" + add), row.two) << row.choice;
    EXPECT_FALSE(grammar::Takes(*grammar, CallOf("add", "{\"a\": \"1\"}"))) << row.choice;
  }
}

TEST(ToolUseTest, NoneHidesTheTools) {
  const auto use = Read(std::string(kTools) + R"(, "tool_choice": "none")");
  ASSERT_TRUE(use) << use.error().message;
  EXPECT_FALSE(use->shown());
  EXPECT_TRUE(Read(kTools)->shown());
  EXPECT_FALSE(Read(R"("tools": [])")->shown());
}

TEST(ToolUseTest, AFunctionWithoutParametersTakesNone) {
  const auto grammar = Compile(kTools);
  ASSERT_TRUE(grammar) << grammar.error().message;
  EXPECT_TRUE(grammar::Takes(*grammar, CallOf("now", "{}")));
  EXPECT_FALSE(grammar::Takes(*grammar, CallOf("now", "{\"a\": 1}")));
}

TEST(ToolUseTest, ASchemaThatIsNotSupportedIsRefusedWhereItMustBeKept) {
  const auto free = Compile(kTools);
  ASSERT_TRUE(free) << free.error().message;
  EXPECT_TRUE(grammar::Takes(*free, CallOf("odd", "{\"any\": [null]}")));
  EXPECT_FALSE(grammar::MayBegin(*free, "<tool_call>{\"name\": \"odd\", \"arguments\": ["));
  for (const std::string& members :
       {std::string(kTools) + R"(, "tool_choice": "required")",
        std::string(R"("tools": [{"function": {"name": "odd", "strict": true, "parameters":
                       {"not": {}}}}])")}) {
    const auto refused = Compile(members);
    ASSERT_FALSE(refused) << members;
    EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
    EXPECT_EQ(refused.error().subject, "tools");
    EXPECT_NE(refused.error().message.find("tool odd"), std::string::npos);
    EXPECT_NE(refused.error().message.find("keyword not"), std::string::npos)
        << refused.error().message;
  }
}

TEST(ToolUseTest, TheFormOfAnAnswerHoldsWhereNothingIsCalled) {
  const auto form = [](grammar::FormKind kind, const char* text) {
    return RequiredForm{.member = "response_format", .form = {.kind = kind, .text = text}};
  };
  const auto object = Compile(kTools, form(grammar::FormKind::kJsonObject, ""));
  ASSERT_TRUE(object) << object.error().message;
  EXPECT_TRUE(grammar::Takes(*object, "{\"x\": 1}"));
  EXPECT_TRUE(grammar::Takes(*object, CallOf("now", "{}")));
  EXPECT_FALSE(grammar::Takes(*object, "Hello"));
  const auto schema =
      Compile(kTools, form(grammar::FormKind::kJsonSchema, R"({"type": "integer"})"));
  ASSERT_TRUE(schema) << schema.error().message;
  EXPECT_TRUE(grammar::Takes(*schema, "12"));
  const grammar::ThoughtMarks thoughts{.begin = "<think>", .end = "</think>", .begun = true};
  const auto after =
      FormAfterThoughts(form(grammar::FormKind::kJsonSchema, R"({"type": "integer"})"), thoughts);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->member, "response_format");
  EXPECT_TRUE(grammar::Takes(*grammar::CompileForm(after->form), "Hm.</think>\n7"));
  EXPECT_FALSE(FormAfterThoughts(form(grammar::FormKind::kRegex, "a+"), thoughts));
  const auto regex = Compile(kTools, form(grammar::FormKind::kRegex, "a+"));
  ASSERT_FALSE(regex);
  EXPECT_EQ(regex.error().subject, "response_format");
}

TEST(ToolUseTest, WhatIsWrongIsNamed) {
  const std::string tools = kTools;
  const std::pair<std::string, const char*> table[] = {
      {R"("tools": {})", "tools must be an array"},
      {R"("tools": [1])", "tools[0] must be an object"},
      {R"("tools": [{"type": "web_search"}])", "tools[0] is of type 'web_search'"},
      {R"("tools": [{"type": "function"}])", "tools[0].function must be an object"},
      {R"("tools": [{"function": {"name": 1}}])", "tools[0].function.name"},
      {R"("tools": [{"function": {"name": "a b"}}])", "tools[0].function.name must be a name"},
      {R"("tools": [{"function": {"name": "f"}}, {"function": {"name": "f"}}])",
       "tools[1].function.name stands"},
      {R"("tools": [{"function": {"name": "f", "parameters": []}}])",
       "tools[0].function.parameters"},
      {R"("tools": [{"function": {"name": "f", "strict": "yes"}}])", "tools[0].function.strict"},
      {R"("tools": [{"function": {"name": "f", "parameters": {"type": "string"}}}])",
       "tools[0].function.parameters must be the schema of an object"},
      {R"("tool_choice": "required")", "tool_choice requires a call"},
      {R"("tool_choice": "always")", "tool_choice must be"},
      {R"("tool_choice": {"type": "custom"})", "tool_choice.type must be"},
      {R"("tool_choice": {"type": "function", "function": {}})",
       "tool_choice.function.name is missing"},
      {tools + R"(, "tool_choice": {"type": "function", "function": {"name": "g"}})",
       "tool_choice names no tool: g"},
      {tools + R"(, "tool_choice": {"type": "allowed_tools"})", "tool_choice.allowed_tools must"},
      {tools + R"(, "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "x",
                    "tools": [1]}})",
       "tool_choice.allowed_tools.mode"},
      {R"("parallel_tool_calls": "no")", "parallel_tool_calls must be true or false"},
  };
  for (const auto& [members, words] : table) {
    const auto grammar = Compile(members);
    ASSERT_FALSE(grammar) << members;
    EXPECT_NE(grammar.error().message.find(words), std::string::npos) << grammar.error().message;
    EXPECT_TRUE(grammar.error().message.starts_with(grammar.error().subject)) << members;
  }
}

}  // namespace
}  // namespace cairn::server
