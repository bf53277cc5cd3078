// SPDX-License-Identifier: Apache-2.0
// Breaks lines between words while a text streams into a terminal.
//
// What is shown is the text itself, with three differences: a line break where a word would not
// fit, spaces for tabs, and U+FFFD for control characters (a model must not command the terminal).
// Lines between ``` marks are code: they are left whole, so that what is copied from the terminal
// is what was written. A word is shown at once while there is much room, and held back near the
// margin. Nothing is ever taken back from the screen, so a character whose width the terminal sees
// differently shifts a margin and garbles nothing.
// Threads: a plain value, one thread. Cost: linear in the text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cairn::apps {

// Makes wcwidth and libedit know UTF-8: the user's locale where it does, else Debian's built-in
// one.
void UseUtf8Locale();

// Columns of one character on a terminal, as the locale's wcwidth has it; -1: a control character.
int ColumnsOf(wchar_t character);

class WordWrap {
 public:
  // Without `break_lines` all text is treated as code.
  explicit WordWrap(bool break_lines = true) : break_lines_(break_lines) {}

  // What to show for `text` (whole characters) on a terminal of `columns` now. The locale must be
  // one of UTF-8.
  std::string Push(std::string_view text, int columns);
  // What was held back.
  std::string Flush(int columns);
  // Grows with every line that was begun, whoever broke the one before.
  std::int64_t lines() const { return lines_; }

 private:
  void Add(wchar_t character, std::string_view bytes);
  void AddCode(std::string_view bytes, int width);
  void PlaceWord();
  void BreakLine();
  void EndLine();

  std::string out_;
  std::string word_;    // held back
  std::string blanks_;  // before word_, shown only if word_ stays on this line
  int word_columns_ = 0;
  int column_ = 0;  // of the cursor once out_ is shown
  int columns_ = 80;
  bool open_ = false;  // the beginning of the present word has been shown
  bool break_lines_;
  bool code_ = false;  // between ``` marks
  std::string lead_;   // the first characters of the line, blanks left out
  std::int64_t lines_ = 0;
};

// The end of a well-formed text, as much as fits into `columns`.
std::string_view LastColumns(std::string_view text, int columns);

// Whole lines of text for a terminal, broken between words; ends as `text` does.
std::string Wrapped(std::string_view text, int columns);

}  // namespace cairn::apps
