// SPDX-License-Identifier: Apache-2.0
#include "server/answer_reader.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

AnswerParts Parts() {
  return {.reasoning = ReasoningMarks{"<think>", "</think>"},
          .tools = &grammar::GenericToolFormat()};
}

TEST(AnswerReaderTest, ThoughtsTextAndCallsAreToldApart) {
  const std::string answer =
      "<think>A <tool_call> perhaps</think>\n\nI look.\n<tool_call>{\"name\": \"f\", "
      "\"arguments\": {\"a\": 1}}</tool_call>\n<tool_call>{\"name\": \"g\", \"arguments\": {";
  const ReadAnswer read = ReadWhole(Parts(), answer);
  EXPECT_EQ(read.reasoning, "A <tool_call> perhaps");
  EXPECT_EQ(read.content, "I look.");
  ASSERT_EQ(read.calls.size(), 2u);
  EXPECT_EQ(read.calls[0].name, "f");
  EXPECT_EQ(ArgumentsOf(read.calls[0]), (boost::json::object{{"a", 1}}));
  EXPECT_EQ(read.calls[1].arguments, "{");
  EXPECT_FALSE(ArgumentsOf(read.calls[1])) << "it was cut";

  AnswerReader reader(Parts());
  std::vector<AnswerEvent> events;
  for (const char c : answer) {
    for (AnswerEvent& event : reader.Push(std::string_view(&c, 1))) events.push_back(event);
  }
  for (AnswerEvent& event : reader.Finish()) events.push_back(event);
  EXPECT_EQ(reader.calls(), 2);
  std::string text;
  for (const AnswerEvent& event : events) {
    if (event.kind == AnswerEvent::Kind::kText) text += event.text;
  }
  EXPECT_EQ(text, read.content);
}

TEST(AnswerReaderTest, WhatIsNotLookedForIsText) {
  const std::string answer = "<think>x</think>\n<tool_call>{}</tool_call>\n";
  EXPECT_EQ(ReadWhole({}, answer).content, answer);
  EXPECT_TRUE(ReadWhole({}, answer).calls.empty());
  EXPECT_TRUE(AnswerReader({}).Push("").empty());
}

TEST(AnswerReaderTest, IdsAreNineLettersAndDifferByRequestChoiceAndCall) {
  const std::string id = ToolCallId("r1", 0, 0);
  EXPECT_EQ(id.size(), 9u);
  EXPECT_EQ(id, ToolCallId("r1", 0, 0));
  EXPECT_NE(id, ToolCallId("r2", 0, 0));
  EXPECT_NE(id, ToolCallId("r1", 1, 0));
  EXPECT_NE(id, ToolCallId("r1", 0, 1));
}

}  // namespace
}  // namespace cairn::server
