// SPDX-License-Identifier: Apache-2.0
// Strings of the template interpreter: UTF-8 bytes that remember where they came from.
//
// Every byte is marked as the template's own (its literals, the bos and eos tokens) or as input
// (messages, tools, further variables). Whatever the interpreter makes of strings keeps the marks
// of the bytes it keeps; what it computes (numbers, casing that changes the length) counts as
// input. Threads: plain values. Cost: two bytes of memory for a byte of text. Lengths and positions
// of the Python semantics are code points: counting them is linear in the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace cairn::model::jinja {

// How the interpreter gives up. Thrown inside the jinja_*.cc files only; ChatTemplate::Parse and
// ChatTemplate::Render turn it into a Result: an expression can fail at every node, and the
// evaluator stays readable this way.
struct Failure {
  Error error;
};
[[noreturn]] void FailInvalid(std::string message);
[[noreturn]] void FailLimit(std::string message);

enum class Origin : char { kInput = 0, kTemplate = 1 };

// The longest string that may be made.
inline constexpr std::size_t kMaxStringBytes = std::size_t{64} << 20;

class Text {
 public:
  Text() = default;
  Text(std::string_view bytes, Origin origin) { Append(bytes, origin); }

  std::string_view bytes() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  Origin OriginAt(std::size_t i) const { return static_cast<Origin>(origins_[i]); }

  // All of these fail with kLimit beyond kMaxStringBytes.
  void Append(std::string_view bytes, Origin origin);
  void Append(const Text& other) { AppendSlice(other, 0, other.size()); }
  void AppendSlice(const Text& other, std::size_t begin, std::size_t end);
  // Bytes [begin, end).
  Text Slice(std::size_t begin, std::size_t end) const;
  // Every byte as the template's own only if all of them are.
  bool AllFromTemplate() const { return origins_.find('\0') == std::string::npos; }

 private:
  std::string bytes_;
  std::string origins_;
};

// Code points of well-formed UTF-8; `*at` moves on. Text must not be at its end.
char32_t NextCodePoint(std::string_view text, std::size_t* at);
void AppendCodePoint(char32_t c, std::string& out);
std::size_t CountCodePoints(std::string_view text);
// The byte offset of each code point, and the size at the end.
std::vector<std::size_t> CodePointOffsets(std::string_view text);

// The first place of `part` at or after `from`, and the last one; npos where there is none. Both
// are linear in the text, whatever is in it: templates choose both sides.
std::size_t FindFirst(std::string_view text, std::string_view part, std::size_t from = 0);
std::size_t FindLast(std::string_view text, std::string_view part);

// As Python's str methods see a character. Case mapping covers ASCII, Latin, Greek, Cyrillic and
// Armenian; other letters keep their case.
bool IsSpace(char32_t c);
bool IsDigit(char32_t c);  // ASCII only
bool IsUpper(char32_t c);
bool IsLower(char32_t c);
bool IsAlpha(char32_t c);  // every code point above Latin-1 that is not space or punctuation
bool IsWord(char32_t c);   // letter, digit or underscore
char32_t ToUpper(char32_t c);
char32_t ToLower(char32_t c);
// Case mapping of a text; marks stay, since every character maps to one (U+00DF to two).
Text Upper(const Text& text);
Text Lower(const Text& text);

}  // namespace cairn::model::jinja
