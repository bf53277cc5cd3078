// SPDX-License-Identifier: Apache-2.0
#include "server/tool_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace cairn::server {
namespace {

// The events of an answer that comes in pieces of so many bytes, each kind in one piece.
std::string Read(std::string_view format, std::string_view answer, std::size_t piece) {
  ToolReader reader(*grammar::FindToolFormat(format));
  std::string out, open;
  const auto add = [&](const std::vector<AnswerEvent>& events) {
    for (const AnswerEvent& event : events) {
      std::string kind = "|text:";
      if (event.kind == AnswerEvent::Kind::kCall) kind = fmt::format("|call {}:", event.call);
      if (event.kind == AnswerEvent::Kind::kArguments) kind = "|arguments:";
      if (open != kind) out += kind;
      open = kind;
      out += event.text;
    }
  };
  for (std::size_t at = 0; at < answer.size(); at += piece) {
    add(reader.Push(answer.substr(at, piece)));
  }
  add(reader.Finish());
  return out;
}

TEST(ToolReaderTest, EveryFormatIsReadInPiecesOfAnySize) {
  struct Row {
    const char* format;
    const char* answer;
    const char* events;
  };
  const Row rows[] = {
      {"hermes", "Hello, world. \n", "|text:Hello, world. \n"},
      {"hermes", "  a < b <tool", "|text:  a < b <tool"},
      {"hermes", "", ""},
      {"hermes", " \n ", "|text: \n "},
      {"hermes",
       "I look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": "
       "\"}\\\"{\\\\\"}}\n</tool_call>",
       "|text:I look.|call 0:f|arguments:{\"a\": \"}\\\"{\\\\\"}"},
      {"hermes",
       "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n<tool_call>\n"
       "{ \"name\" : \"h\" ,\n \"arguments\" : {\"x\": [1, {\"y\": 2}]} }\n</tool_call>\n",
       "|call 0:f|arguments:{}|call 1:h|arguments:{\"x\": [1, {\"y\": 2}]}"},
      {"hermes", "<<tool_call>{\"na", "|text:<"},
      {"hermes", "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n<tool_",
       "|call 0:f|arguments:{}"},
      {"hermes", "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":", "|call 0:f|arguments:{\"a\":"},
      {"hermes", "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call><|im_end|>",
       "|call 0:f|arguments:{}|text:<|im_end|>"},
      {"mistral",
       "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}, \"id\": \"123456789\"}, "
       "{\"name\": \"g\", \"arguments\": {\"b\": 1}}]",
       "|call 0:f|arguments:{}|call 1:g|arguments:{\"b\": 1}"},
      {"mistral-args", "Well. [TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[ARGS]{}",
       "|text:Well.|call 0:f|arguments:{\"a\": 1}|call 1:g|arguments:{}"},
      {"llama3", "{\"name\": \"f\", \"parameters\": {\"a\": {}}}",
       "|call 0:f|arguments:{\"a\": {}}"},
      {"llama3", "No {call} here", "|text:No {call} here"},
      {"deepseek-v3",
       "Hm <\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>function"
       "<\uff5ctool\u2581sep\uff5c>f\n```json\n{\"a\": 1}\n```<\uff5ctool\u2581call\u2581end\uff5c>"
       "\n<\uff5ctool\u2581call\u2581begin\uff5c>function<\uff5ctool\u2581sep\uff5c>g\n```json\n{}"
       "\n```<\uff5ctool\u2581call\u2581end\uff5c><\uff5ctool\u2581calls\u2581end\uff5c>",
       "|text:Hm|call 0:f|arguments:{\"a\": 1}|call 1:g|arguments:{}"},
      {"deepseek-v3.1",
       "<\uff5ctool\u2581calls\u2581begin\uff5c><\uff5ctool\u2581call\u2581begin\uff5c>f"
       "<\uff5ctool\u2581sep\uff5c>{}<\uff5ctool\u2581call\u2581end\uff5c>"
       "<\uff5ctool\u2581calls\u2581end\uff5c>",
       "|call 0:f|arguments:{}"},
  };
  for (const Row& row : rows) {
    for (const std::size_t piece : {1u, 2u, 3u, 7u, 1000u}) {
      EXPECT_EQ(Read(row.format, row.answer, piece), row.events)
          << row.format << " in pieces of " << piece << ": " << row.answer;
    }
  }
}

TEST(ToolReaderTest, AMarkerWithoutACallIsTextAfterAWhile) {
  const std::string endless(10'000, 'x');
  const std::string events = Read("hermes", "<tool_call>" + endless, 100);
  EXPECT_EQ(events, "|text:" + endless);
}

}  // namespace
}  // namespace cairn::server
