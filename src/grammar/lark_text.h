// SPDX-License-Identifier: Apache-2.0
// The words of a grammar in Lark's notation, and the terminals that are known by name. Private to
// src/grammar.
// Threads: one thread. Borrows: the text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace cairn::grammar {

class LarkText {
 public:
  explicit LarkText(std::string_view text) : text_(text) {}

  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[at_]; }
  std::string_view Rest() const { return text_.substr(at_); }
  bool Take(std::string_view word);
  // Blanks and comments (// and #, to the line's end); line ends too where they end nothing.
  void SkipSpace(bool lines);
  // Empty: no name begins here.
  std::string_view TakeName();
  // Absent: no digit is here. Numbers above 2^32 - 2 are that.
  std::optional<std::uint32_t> TakeNumber();
  // After the ": what stands to the other one, without its escapes.
  [[nodiscard]] Result<std::u32string> String();
  // After the /: what stands to the other one, as it is.
  [[nodiscard]] Result<std::string_view> Regex();
  // Letters right behind a literal.
  std::string_view TakeFlags();

  // An error that tells the line.
  std::unexpected<Error> Wrong(std::string_view what,
                               ErrorCode code = ErrorCode::kInvalidArgument) const;

 private:
  [[nodiscard]] Result<char32_t> Escaped();

  std::string_view text_;
  std::size_t at_ = 0;
};

// Upper case: of a terminal; else of a rule.
bool IsTerminalName(std::string_view name);
// The regular expression of a terminal of `common`; empty: there is none of that name.
std::string_view CommonTerminal(std::string_view name);

}  // namespace cairn::grammar
