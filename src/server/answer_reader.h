// SPDX-License-Identifier: Apache-2.0
// What is in the text of an answer: thoughts, what the model says, calls of tools.
// Threads: plain values; one reader for one answer. Test: answer_reader_test.cc.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/reasoning.h"
#include "server/tool_reader.h"

namespace cairn::server {

// What there can be in an answer.
struct AnswerParts {
  std::optional<ReasoningMarks> reasoning = {};  // absent: thoughts are what the model says
  bool thinking = false;                         // the answer begins inside the thoughts
  const grammar::ToolFormat* tools = nullptr;    // how calls are written; null: there are none
};

class AnswerReader {
 public:
  explicit AnswerReader(const AnswerParts& parts);

  // What is known of the text so far and was not told before.
  std::vector<AnswerEvent> Push(std::string_view text);
  // The text has ended: what was held back.
  std::vector<AnswerEvent> Finish();
  int calls() const { return tools_ ? tools_->calls() : 0; }

 private:
  void Tell(const ReasoningSplitter::Parts& parts, std::vector<AnswerEvent>& events);

  std::optional<ReasoningSplitter> splitter_;
  std::optional<ToolReader> tools_;
};

struct ToolCall {
  std::string name;
  std::string arguments;  // the text of an object, or its beginning where the answer was cut
};
// Absent where the call was cut.
std::optional<boost::json::object> ArgumentsOf(const ToolCall& call);

struct ReadAnswer {
  std::string reasoning, content;
  std::vector<ToolCall> calls;
};
ReadAnswer ReadWhole(const AnswerParts& parts, std::string_view text);

// The id of a call: nine letters and digits, as some templates want them; the same for the same
// request, choice and call.
std::string ToolCallId(std::string_view request, int choice, int call);

}  // namespace cairn::server
