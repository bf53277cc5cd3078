// SPDX-License-Identifier: Apache-2.0
// Reading an answer while it is made: what of it is text, and what calls tools.
//
// Every byte is in one of the events, or is a marker, a name or white space around calls. A call
// that was cut before its arguments is left out. Threads: one at a time. Cost: linear in the
// answer. Test: tool_reader_test.cc, tests/fuzz/openai_fuzz.cc.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "grammar/tool_formats.h"

namespace cairn::server {

// A part of an answer.
struct AnswerEvent {
  enum class Kind { kThought, kText, kCall, kArguments };
  Kind kind = Kind::kText;
  std::string text;  // of kCall the tool's name
  int call = 0;      // of kCall and kArguments: which one, from 0
  bool operator==(const AnswerEvent&) const = default;
};

class ToolReader {
 public:
  // `format` must outlive it.
  explicit ToolReader(const grammar::ToolFormat& format) : format_(&format) {}

  // What is known of the text so far and was not told before. Pieces are whole characters.
  std::vector<AnswerEvent> Push(std::string_view piece);
  // Nothing follows: what was held back.
  std::vector<AnswerEvent> Finish();
  int calls() const { return calls_; }

 private:
  enum class State { kStart, kText, kHead, kArguments, kTail };

  void Take(char c);
  void TakeText(char c);
  void TakeHead(char c);
  void TakeArguments(char c);
  void TakeTail(char c);
  void EndCall();
  void Tell(AnswerEvent::Kind kind, std::string_view text);
  std::string NameBeforeArguments() const;

  const grammar::ToolFormat* format_;
  State state_ = State::kStart;
  int calls_ = 0;
  std::string held_;  // of kText: white space and what may begin a marker; of others: all of it
  std::vector<AnswerEvent> events_;
  int depth_ = 0;  // of kArguments
  bool in_string_ = false, escaped_ = false;
};

}  // namespace cairn::server
