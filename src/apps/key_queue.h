// SPDX-License-Identifier: Apache-2.0
// Bytes from a terminal as characters, with pasted text made safe for a line editor.
//
// Terminals put ESC [ 200 ~ and ESC [ 201 ~ around a paste (when asked to). Inside, a line break
// must not end the line and a control character must not run a command: line breaks and tabs become
// signs, other control characters go. Outside, bytes pass as UTF-8 characters.
// Threads: a plain value, one thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cairn::apps {

inline constexpr wchar_t kPastedBreak = L'\u21B5';  // shown for a line break in a paste
inline constexpr wchar_t kPastedTab = L'\u21E5';

class KeyQueue {
 public:
  void Push(std::string_view bytes);
  // The next character; nothing where bytes are missing. `complete`: no more bytes will come soon,
  // so an unfinished sequence is taken as it is.
  std::optional<wchar_t> Pop(bool complete);
  bool empty() const { return at_ == bytes_.size(); }
  // How a line looks that a person would see had the keys been used already: backspace and Ctrl-U
  // take back, Enter and a pasted line break are kPastedBreak, keys that move are left out. Well-
  // formed UTF-8 without control characters. The keys stay.
  std::string Preview() const;

 private:
  std::optional<wchar_t> PopCharacter(bool complete);
  void SkipSequence();
  bool SkipMark(std::string_view mark, bool complete, bool& wait);

  std::string_view Rest() const { return std::string_view(bytes_).substr(at_); }

  std::string bytes_;
  std::size_t at_ = 0;  // bytes_ before it are used
  bool pasting_ = false;
};

// The text of a line in which KeyQueue put signs: they become what they stand for, also where the
// line comes from the history.
std::string WithoutPasteSigns(std::string_view line);

}  // namespace cairn::apps
