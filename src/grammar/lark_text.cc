// SPDX-License-Identifier: Apache-2.0
#include "grammar/lark_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/printable.h"
#include "grammar/code_points.h"
#include "grammar/expressions.h"

namespace cairn::grammar {
namespace {

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The names of Lark's library `common`; what they match, in expressions of ours.
constexpr std::array<std::pair<std::string_view, std::string_view>, 23> kCommon{{
    {"DIGIT", "[0-9]"},
    {"HEXDIGIT", "[0-9A-Fa-f]"},
    {"INT", "[0-9]+"},
    {"SIGNED_INT", "[+-]?[0-9]+"},
    {"DECIMAL", "[0-9]+\\.[0-9]*|\\.[0-9]+"},
    {"FLOAT", "[0-9]+[Ee][+-]?[0-9]+|([0-9]+\\.[0-9]*|\\.[0-9]+)([Ee][+-]?[0-9]+)?"},
    {"SIGNED_FLOAT", "[+-]?([0-9]+[Ee][+-]?[0-9]+|([0-9]+\\.[0-9]*|\\.[0-9]+)([Ee][+-]?[0-9]+)?)"},
    {"NUMBER", "([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([Ee][+-]?[0-9]+)?"},
    {"SIGNED_NUMBER", "[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)([Ee][+-]?[0-9]+)?"},
    {"ESCAPED_STRING", "\"([^\"\\\\\\n]|\\\\[^\\n])*\""},
    {"LCASE_LETTER", "[a-z]"},
    {"UCASE_LETTER", "[A-Z]"},
    {"LETTER", "[A-Za-z]"},
    {"WORD", "[A-Za-z]+"},
    {"CNAME", "[A-Z_a-z][0-9A-Z_a-z]*"},
    {"WS_INLINE", "[ \\t]+"},
    {"WS", "[ \\t\\f\\r\\n]+"},
    {"CR", "\\r"},
    {"LF", "\\n"},
    {"NEWLINE", "(\\r?\\n)+"},
    {"SH_COMMENT", "#[^\\n]*"},
    {"CPP_COMMENT", "\\/\\/[^\\n]*"},
    {"C_COMMENT", "\\/\\*([^*]|\\*+[^*\\/])*\\*+\\/"},
}};

}  // namespace

bool IsTerminalName(std::string_view name) {
  const auto first = std::ranges::find_if(name, IsLetter);
  return first != name.end() && *first <= 'Z';
}

std::string_view CommonTerminal(std::string_view name) {
  const auto* found = std::ranges::find(kCommon, name, &decltype(kCommon)::value_type::first);
  return found != kCommon.end() ? found->second : std::string_view();
}

std::unexpected<Error> LarkText::Wrong(std::string_view what, ErrorCode code) const {
  const std::string_view read = text_.substr(0, std::min(at_, text_.size()));
  return Fail(code, fmt::format("grammar, line {}: {}", 1 + std::ranges::count(read, '\n'), what));
}

bool LarkText::Take(std::string_view word) {
  if (!Rest().starts_with(word)) return false;
  at_ += word.size();
  return true;
}

void LarkText::SkipSpace(bool lines) {
  while (!AtEnd()) {
    const char c = Peek();
    if (c == '#' || Rest().starts_with("//")) {
      at_ = std::min(text_.find_first_of("\r\n", at_), text_.size());
    } else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'))) {
      ++at_;
    } else {
      return;
    }
  }
}

std::string_view LarkText::TakeName() {
  const std::size_t first = at_;
  const auto goes_on = [&] {
    return IsLetter(Peek()) || Peek() == '_' || (at_ > first && IsDigit(Peek()));
  };
  while (goes_on()) ++at_;
  return text_.substr(first, at_ - first);
}

std::optional<std::uint32_t> LarkText::TakeNumber() {
  if (!IsDigit(Peek())) return std::nullopt;
  std::uint64_t value = 0;
  for (; IsDigit(Peek()); ++at_) {
    value = std::min<std::uint64_t>(value * 10 + static_cast<unsigned>(Peek() - '0'), kEndless - 1);
  }
  return static_cast<std::uint32_t>(value);
}

std::string_view LarkText::TakeFlags() {
  const std::size_t first = at_;
  while (Peek() >= 'a' && Peek() <= 'z') ++at_;
  return text_.substr(first, at_ - first);
}

Result<std::u32string> LarkText::String() {
  std::u32string characters;
  while (!Take("\"")) {
    if (AtEnd() || Peek() == '\n') return Wrong("a literal without its end");
    if (Take("\\")) {
      characters += OR_RETURN(Escaped());
      continue;
    }
    const ReadCodePoint read = FirstCodePoint(Rest());
    if (read.bytes == 0) return Wrong("ill-formed UTF-8");
    characters += read.value;
    at_ += read.bytes;
  }
  return characters;
}

Result<char32_t> LarkText::Escaped() {
  constexpr std::string_view kNames = "nrtfv\\\"'/";
  constexpr std::u32string_view kValues = U"\n\r\t\f\v\\\"'/";
  const char c = Peek();
  ++at_;
  if (const auto known = kNames.find(c); known != std::string_view::npos) return kValues[known];
  const int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
  std::uint32_t value = 0;
  for (int i = 0; i < digits; ++i, ++at_) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    const char lower = static_cast<char>(Peek() | 0x20);
    const auto digit = kDigits.find(IsDigit(Peek()) ? Peek() : lower);
    if (digit == std::string_view::npos) return Wrong("expected hexadecimal digits");
    value = value << 4 | static_cast<std::uint32_t>(digit);
  }
  if (digits == 0) {
    return Wrong(fmt::format("\\{} is not known", Printable(std::string_view(&c, 1))));
  }
  if (value > kLastCodePoint || CodePoints{{value, value}}.empty()) {
    return Wrong("the number of no character");
  }
  return static_cast<char32_t>(value);
}

Result<std::string_view> LarkText::Regex() {
  const std::size_t first = at_;
  for (; Peek() != '/'; ++at_) {
    if (Peek() == '\\') ++at_;
    if (AtEnd() || Peek() == '\n') return Wrong("a regular expression without its end");
  }
  ++at_;
  return text_.substr(first, at_ - 1 - first);
}

}  // namespace cairn::grammar
