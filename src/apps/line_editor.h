// SPDX-License-Identifier: Apache-2.0
// Reads lines from a person: editing and history by libedit, or plain lines where standard input is
// no terminal.
//
// Keys typed while an answer streams are not lost and not echoed into it: they wait for the next
// line. A pasted text of several lines arrives as one line whose line breaks show as a sign.
// Threads: the main thread.
// Owns: the editor, its history and the terminal's settings, which it puts back.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "apps/interrupts.h"

namespace cairn::apps {

enum class LineEnd { kEnter, kInterrupted, kEndOfFile };
struct Line {
  LineEnd end = LineEnd::kEnter;
  std::string text;  // without the line break; what was typed before Ctrl-C
};

class LineEditor {
 public:
  // `history`: a file, loaded now and written after every line; one that cannot be is done without.
  // `completions`: words that Tab completes at the start of a line.
  LineEditor(const std::string& history, std::vector<std::string> completions,
             Interrupts& interrupts);
  ~LineEditor();
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;

  // Shows the prompt and waits. Afterwards the terminal stays quiet (no echo) until the next call.
  Line Read(const std::string& prompt);
  bool is_terminal() const;

  // Between calls of Read: takes the keys that have come to standard input, for the next Read, and
  // returns false when no more will come. From any thread, one at a time.
  bool TakeKeys();
  // How the line that they begin will look.
  std::string Preview() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cairn::apps
