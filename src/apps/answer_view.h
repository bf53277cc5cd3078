// SPDX-License-Identifier: Apache-2.0
// An answer on its way to standard output.
//
// Where that is no terminal, the bytes of the answer and nothing else. On a terminal lines are
// broken between words, and in the chat the prompt stays below the answer and shows what is being
// typed while the text streams; the keys themselves wait for LineEditor::Read. Only what changes is
// drawn, each time in one write, so nothing flickers. Threads: one caller; a thread of its own
// watches the keyboard between construction and Finish. Borrows the console and the editor: nobody
// else writes or reads until Finish.
#pragma once

#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "apps/console.h"
#include "apps/line_editor.h"
#include "apps/word_wrap.h"

namespace cairn::apps {

class AnswerView {
 public:
  // `editor`: of the chat, or null. `prompt` is what stands before typed text; `waiting` is shown
  // when the first piece of the answer is slow to come. `break_lines`: between words.
  AnswerView(Console& console, LineEditor* editor, std::string prompt, std::string waiting,
             bool break_lines);
  ~AnswerView() { Finish(); }
  AnswerView(const AnswerView&) = delete;
  AnswerView& operator=(const AnswerView&) = delete;

  // Whole characters. False where nobody reads any more.
  bool Write(std::string_view text);
  // Shows what was held back and takes the prompt away; the cursor is behind the answer.
  void Finish();

 private:
  void Watch();
  void Draw(std::string_view text);
  std::string Footer() const;
  std::string TypedLine() const;

  Console& console_;
  LineEditor* const editor_;
  const std::string prompt_;
  const std::string waiting_;
  WordWrap wrap_;
  bool wraps_ = false;   // standard output is a terminal
  bool footer_ = false;  // and one that can keep a prompt below the text
  bool finished_ = false;
  bool started_ = false;  // the answer has begun
  bool slow_ = false;     // it takes its time
  int leave_ = -1;        // eventfd: ends the thread
  std::mutex mutex_;      // guards what is drawn and the editor's keys
  std::thread thread_;
};

}  // namespace cairn::apps
