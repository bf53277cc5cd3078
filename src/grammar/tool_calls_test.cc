// SPDX-License-Identifier: Apache-2.0
#include "grammar/tool_calls.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "grammar/test_texts.h"

namespace cairn::grammar {
namespace {

ToolCallForm Form(std::string_view format = "hermes") {
  return {.format = FindToolFormat(format),
          .tools = {{.name = "add",
                     .parameters = boost::json::parse(
                         R"({"type": "object", "properties": {"a": {"type": "integer"}},
                             "required": ["a"], "additionalProperties": false})")},
                    {.name = "now", .parameters = boost::json::parse(R"({"type": "object"})")}}};
}

std::shared_ptr<const Grammar> Compile(const ToolCallForm& form) {
  const auto grammar = CompileForm(FormOfToolCalls(form));
  EXPECT_TRUE(grammar) << grammar.error().message;
  return grammar ? *grammar : nullptr;
}

const std::string kAdd =
    "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"a\": 1}}\n</tool_call>";
const std::string kNow = "<tool_call>{\"name\":\"now\",\"arguments\":{}}</tool_call>";

TEST(ToolCallsTest, TextMayComeBeforeCallsAndIsFreeUntilTheyBegin) {
  const auto grammar = Compile(Form());
  for (const std::string& text :
       {std::string(), std::string("Hello, <b>world</b> <tool_cal"), std::string("<<tool<tool_"),
        std::string("</tool_call> <tool_call"), std::string(2000, '<') + std::string(2000, 'x'),
        kAdd, "Let me see.\n" + kAdd, kAdd + "\n" + kNow, "<<tool_call" + kAdd, "\u00e9" + kNow}) {
    EXPECT_TRUE(Takes(grammar, text)) << text;
  }
  for (const std::string& text :
       {std::string("a <tool_call> b"), kAdd + "more",
        std::string("<tool_call>{\"name\":\"other\",\"arguments\":{}}</tool_call>"),
        std::string("<tool_call>{\"name\":\"add\",\"arguments\":{}}</tool_call>"),
        std::string("<tool_call>{\"name\":\"add\",\"arguments\":{\"a\":\"1\"}}</tool_call>")}) {
    EXPECT_FALSE(Takes(grammar, text)) << text;
  }
}

TEST(ToolCallsTest, ACallMayBeRequiredAndAlone) {
  ToolCallForm form = Form();
  form.required = true;
  EXPECT_TRUE(Takes(Compile(form), kAdd + kNow));
  EXPECT_FALSE(Takes(Compile(form), "Hello"));
  EXPECT_FALSE(Takes(Compile(form), ""));
  EXPECT_FALSE(MayBegin(Compile(form), "H"));
  std::string many = kNow;
  for (std::uint32_t i = 1; i < kMostToolCalls; ++i) many += kNow;
  EXPECT_TRUE(Takes(Compile(form), many));
  EXPECT_FALSE(Takes(Compile(form), many + kNow));
  form.parallel = false;
  EXPECT_TRUE(Takes(Compile(form), kAdd));
  EXPECT_FALSE(Takes(Compile(form), kAdd + kNow));
}

TEST(ToolCallsTest, EveryFormatHasItsWayToWriteCalls) {
  struct Row {
    const char* format;
    const char* one;
    const char* two;  // null: there is one call at most
    const char* free;
    const char* wrong;
  };
  const Row rows[] = {
      {"hermes", R"(<tool_call>{"name": "now", "arguments": {}}</tool_call>)",
       R"(<tool_call>{"name": "now", "arguments": {}}</tool_call>
<tool_call>{"name": "add", "arguments": {"a": -3}}</tool_call>)",
       "plain {text}", R"(<tool_call>{"name": "now"}</tool_call>)"},
      {"llama3", R"({"name": "now", "parameters": {"x": 1}})", nullptr, "Plain {text}", "{text}"},
      {"mistral", R"([TOOL_CALLS] [{"name": "now", "arguments": {}}])",
       R"([TOOL_CALLS][{"name": "now", "arguments": {}}, {"name": "add", "arguments": {"a": 2}}])",
       "Plain text [TOOL", R"([TOOL_CALLS]{"name": "now", "arguments": {}})"},
      {"mistral-args", "[TOOL_CALLS]now[ARGS]{}",
       R"([TOOL_CALLS]now[ARGS]{}[TOOL_CALLS]add[ARGS]{"a": 2})", "a [ARGS] b",
       "[TOOL_CALLS]add[ARGS]{}"},
      {"deepseek-v3",
       "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>function"
       "<\uff5ctool\u2581sep\uff5c>now\n```json\n{}\n```<\uff5ctool\u2581call\u2581end\uff5c>"
       "<\uff5ctool\u2581calls\u2581end\uff5c>",
       "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>function"
       "<\uff5ctool\u2581sep\uff5c>now\n```json\n{}\n```<\uff5ctool\u2581call\u2581end\uff5c>\n"
       "<\uff5ctool\u2581call\u2581begin\uff5c>function<\uff5ctool\u2581sep\uff5c>now\n```json\n"
       "{}\n```<\uff5ctool\u2581call\u2581end\uff5c><\uff5ctool\u2581calls\u2581end\uff5c>",
       "a <\uff5ctool\u2581calls\u2581", "<\uff5ctool\u2581calls\u2581begin\uff5c>now"},
      {"deepseek-v3.1",
       "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>now"
       "<\uff5ctool\u2581sep\uff5c>{}<\uff5ctool\u2581call\u2581end\uff5c>"
       "<\uff5ctool\u2581calls\u2581end\uff5c>",
       nullptr, "a",
       "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581calls\u2581end\uff5c>"},
  };
  ASSERT_EQ(std::size(rows), ToolFormats().size());
  for (const Row& row : rows) {
    const ToolCallForm form = Form(row.format);
    const auto grammar = Compile(form);
    EXPECT_TRUE(Takes(grammar, row.one)) << row.one;
    EXPECT_TRUE(row.two == nullptr || Takes(grammar, row.two)) << row.two;
    EXPECT_TRUE(Takes(grammar, row.free)) << row.free;
    EXPECT_FALSE(Takes(grammar, row.wrong)) << row.wrong;
    ToolCallForm required = form;
    required.required = true;
    EXPECT_TRUE(Takes(Compile(required), row.one)) << row.one;
    EXPECT_FALSE(Takes(Compile(required), row.free)) << row.free;
  }
}

TEST(ToolCallsTest, ThoughtsComeFirstAndMayHoldAnything) {
  ToolCallForm form = Form();
  form.required = true;
  form.thoughts = ThoughtMarks{.begin = "<think>", .end = "</think>"};
  const std::string thoughts = "A <tool_call> or </thin...";
  EXPECT_TRUE(Takes(Compile(form), kAdd));
  EXPECT_TRUE(Takes(Compile(form), "\n<think>" + thoughts + "</think>\n\n" + kAdd));
  EXPECT_FALSE(Takes(Compile(form), thoughts + "</think>" + kAdd));
  EXPECT_FALSE(Takes(Compile(form), "<think>" + kAdd));
  form.thoughts->begun = true;
  EXPECT_TRUE(Takes(Compile(form), thoughts + "</think>\n" + kAdd));
  EXPECT_FALSE(Takes(Compile(form), kAdd));
  form.required = false;
  EXPECT_TRUE(Takes(Compile(form), thoughts + "</think>\n\nHello"));
  EXPECT_FALSE(Takes(Compile(form), "</think> Hello <tool_call> x"));
}

TEST(ToolCallsTest, AnAnswerWithoutACallMayHaveASchema) {
  ToolCallForm form = Form();
  form.content = boost::json::parse(R"({"type": "integer"})");
  EXPECT_TRUE(Takes(Compile(form), "12"));
  EXPECT_TRUE(Takes(Compile(form), kAdd));
  EXPECT_FALSE(Takes(Compile(form), "Hello"));
  form.tools.clear();
  form.thoughts = ThoughtMarks{.begin = "<think>", .end = "</think>", .begun = true};
  EXPECT_TRUE(Takes(Compile(form), "Twelve?\n</think>\n\n12"));
  EXPECT_FALSE(Takes(Compile(form), "12"));
  EXPECT_FALSE(Takes(Compile(form), "</think>" + kAdd));
}

TEST(ToolCallsTest, OnlyStrictToolsNeedASchemaThatIsSupported) {
  ToolCallForm form = Form();
  form.tools[0].parameters = boost::json::parse(R"({"type": "object", "not": {}})");
  EXPECT_TRUE(
      Takes(Compile(form), R"(<tool_call>{"name":"add","arguments":{"z":[1]}}</tool_call>)"));
  form.tools[0].strict = true;
  const auto refused = CompileForm(FormOfToolCalls(form));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("tool add"), std::string::npos) << refused.error().message;
  EXPECT_NE(refused.error().message.find("keyword not"), std::string::npos)
      << refused.error().message;
}

TEST(ToolCallsTest, WhatIsNoFormOfCallsIsRefused) {
  for (const char* text :
       {"{}", "[]", R"({"format": "none", "tools": []})", R"({"format": "hermes", "tools": []})",
        R"({"format": "hermes", "tools": [1]})"}) {
    const auto grammar = CompileForm({.kind = FormKind::kToolCalls, .text = text});
    ASSERT_FALSE(grammar) << text;
    EXPECT_EQ(grammar.error().code, ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace cairn::grammar
