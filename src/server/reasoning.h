// SPDX-License-Identifier: Apache-2.0
// Thoughts that a model writes before what it says, told apart from that while the text is made.
//
// Templates of models that think name the marks around thoughts. Thoughts come first or not at
// all: an answer that does not begin with the mark is what the model says, byte for byte.
// Threads: plain values; one splitter for one answer.
// Test: reasoning_test.cc.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cairn::server {

struct ReasoningMarks {
  std::string begin;
  std::string end;
};

// Those that a chat template writes, if any.
std::optional<ReasoningMarks> ReasoningMarksOf(std::string_view chat_template);

// Whether a prompt ends with the mark, so that the answer begins inside the thoughts.
bool BeginsThoughts(std::string_view prompt, const ReasoningMarks& marks);

class ReasoningSplitter {
 public:
  struct Parts {
    std::string reasoning;  // without the white space around the thoughts
    std::string content;    // without the white space between the thoughts and it
  };

  // `begun`: the text begins inside the thoughts.
  ReasoningSplitter(ReasoningMarks marks, bool begun)
      : marks_(std::move(marks)), state_(begun ? State::kBeforeThoughts : State::kStart) {}

  // What is known of the text so far and was not told before.
  Parts Push(std::string_view text);
  // The text has ended: what was held back.
  Parts Finish();

 private:
  enum class State { kStart, kBeforeThoughts, kThoughts, kBeforeContent, kContent };

  bool Advance(bool ended, Parts& parts);

  ReasoningMarks marks_;
  State state_;
  std::string held_;
};

}  // namespace cairn::server
