// SPDX-License-Identifier: Apache-2.0
#include "model/jinja_lexer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace cairn::model::jinja {
namespace {

// All line ends become \n; one at the end goes, as Jinja2's keep_trailing_newline=False has it.
std::string NormaliseLines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
      out.push_back('\n');
    } else {
      out.push_back(source[i]);
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(NormaliseLines(source)), rest_(source_) {}

  std::vector<Token> Run() {
    while (at_ < rest_.size()) Root();
    Emit(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void Bad(const std::string& what) const {
    FailInvalid(fmt::format("chat template, line {}: {}", LineAt(at_), what));
  }
  int LineAt(std::size_t at) const {
    // Kept incrementally: tokens come in order.
    if (at < counted_) return line_;
    line_ += static_cast<int>(std::count(rest_.begin() + static_cast<std::ptrdiff_t>(counted_),
                                         rest_.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
    counted_ = at;
    return line_;
  }
  void Emit(TokenKind kind, std::string text) {
    tokens_.push_back({kind, std::move(text), LineAt(std::min(at_, rest_.size()))});
  }
  bool At(std::string_view what, std::size_t at) const {
    return rest_.substr(std::min(at, rest_.size())).starts_with(what);
  }
  std::size_t SkipSpace(std::size_t at) const {
    while (at < rest_.size()) {
      std::size_t next = at;
      if (!IsSpace(NextCodePoint(rest_, &next))) break;
      at = next;
    }
    return at;
  }

  // The text before a tag, stripped as the tag's sign and lstrip_blocks ask.
  void EmitData(std::string_view text, char sign, bool variable) {
    if (sign == '-') {
      text = StripRight(text);
    } else if (sign != '+' && !variable) {
      const std::size_t line = text.rfind('\n') + 1;  // npos + 1 is 0
      if ((line > 0 || line_starting_) && AllSpace(text.substr(line))) text = text.substr(0, line);
    }
    if (!text.empty()) Emit(TokenKind::kData, std::string(text));
  }
  static bool AllSpace(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
      if (!IsSpace(NextCodePoint(text, &i))) return false;
    }
    return true;
  }
  static std::string_view StripRight(std::string_view text) {
    std::size_t keep = 0;
    for (std::size_t i = 0; i < text.size();) {
      if (!IsSpace(NextCodePoint(text, &i))) keep = i;
    }
    return text.substr(0, keep);
  }

  void Root() {
    const std::size_t begin = at_;
    std::size_t open = begin;
    for (;; ++open) {
      open = rest_.find('{', open);
      if (open == std::string_view::npos || open + 1 >= rest_.size()) {
        Emit(TokenKind::kData, std::string(rest_.substr(begin)));
        at_ = rest_.size();
        return;
      }
      const char next = rest_[open + 1];
      if (next == '%' || next == '{' || next == '#') break;
    }
    const char kind = rest_[open + 1];
    std::size_t after = open + 2;
    const char sign = after < rest_.size() && (rest_[after] == '-' || rest_[after] == '+')
                          ? rest_[after++]
                          : '\0';
    EmitData(rest_.substr(begin, open - begin), sign, kind == '{');
    at_ = after;
    line_starting_ = false;
    if (kind == '#') return Comment();
    if (kind == '%' && RawBegin()) return Raw();
    Emit(kind == '{' ? TokenKind::kVariableBegin : TokenKind::kBlockBegin, "");
    Tag(kind == '{');
  }

  // The end of a tag at `at` ("}}", "%}", "#}"), with its sign and the whitespace it takes; the
  // position after it, or nothing.
  std::optional<std::size_t> TagEnd(std::string_view close, std::size_t at, bool plus, bool trim) {
    if (At(close, at)) {
      at += close.size();
      if (trim && at < rest_.size() && rest_[at] == '\n') ++at;
      return at;
    }
    if (at < rest_.size() && At(close, at + 1)) {
      if (rest_[at] == '-') return SkipSpace(at + 1 + close.size());
      if (plus && rest_[at] == '+') return at + 1 + close.size();
    }
    return std::nullopt;
  }
  void Advance(std::size_t to) {
    at_ = to;
    line_starting_ = to > 0 && rest_[to - 1] == '\n';
  }

  void Comment() {
    for (std::size_t i = at_; i < rest_.size(); ++i) {
      if (rest_[i] != '#' && rest_[i] != '-' && rest_[i] != '+') continue;
      if (const auto end = TagEnd("#}", i, true, true)) return Advance(*end);
    }
    if (at_ < rest_.size()) Bad("missing end of comment tag");
  }

  // "raw" and the end of its tag stand at at_; moves past them.
  bool RawBegin() {
    std::size_t at = SkipSpace(at_);
    if (!At("raw", at)) return false;
    at = SkipSpace(at + 3);
    const auto end = TagEnd("%}", at, false, false);
    if (!end) return false;
    Advance(*end);
    return true;
  }
  void Raw() {
    for (std::size_t i = at_; (i = rest_.find("{%", i)) != std::string_view::npos; ++i) {
      std::size_t at = i + 2;
      const char sign =
          at < rest_.size() && (rest_[at] == '-' || rest_[at] == '+') ? rest_[at++] : 0;
      at = SkipSpace(at);
      if (!At("endraw", at)) continue;
      const auto end = TagEnd("%}", SkipSpace(at + 6), true, true);
      if (!end) continue;
      EmitData(rest_.substr(at_, i - at_), sign, false);
      return Advance(*end);
    }
    if (at_ < rest_.size()) Bad("missing end of raw directive");
  }

  // Tokens up to the end of the tag.
  void Tag(bool variable) {
    std::string open;  // brackets
    while (true) {
      if (open.empty()) {
        const auto end = variable ? TagEnd("}}", at_, false, false) : TagEnd("%}", at_, true, true);
        if (end) {
          Emit(variable ? TokenKind::kVariableEnd : TokenKind::kBlockEnd, "");
          return Advance(*end);
        }
      }
      const std::size_t next = SkipSpace(at_);
      if (next != at_) {
        at_ = next;
        continue;
      }
      if (at_ >= rest_.size()) Bad("unexpected end of template inside a tag");
      if (Number() || Name() || String()) continue;
      Operator(open);
    }
  }

  // Digits of `accept` with single underscores between them, from `at`; the end.
  template <typename Accept>
  std::size_t Digits(std::size_t at, Accept accept, bool leading_underscore) const {
    std::size_t end = at;
    while (end < rest_.size()) {
      const bool underscore = rest_[end] == '_' && (end > at || leading_underscore);
      const std::size_t digit = end + (underscore ? 1 : 0);
      if (digit >= rest_.size() || !accept(rest_[digit])) break;
      end = digit + 1;
    }
    return end;
  }
  static bool Decimal(char c) { return c >= '0' && c <= '9'; }
  std::size_t Decimals(std::size_t at) const { return Digits(at, Decimal, false); }

  bool Float() {
    if (at_ > 0 && rest_[at_ - 1] == '.') return false;
    const std::size_t whole = Decimals(at_);
    std::size_t end = whole;
    if (end < rest_.size() && rest_[end] == '.') {
      const std::size_t fraction = Decimals(end + 1);
      if (fraction > end + 1) end = fraction;
    }
    if (end < rest_.size() && (rest_[end] == 'e' || rest_[end] == 'E')) {
      std::size_t exponent = end + 1;
      if (exponent < rest_.size() && (rest_[exponent] == '+' || rest_[exponent] == '-')) ++exponent;
      const std::size_t stop = Decimals(exponent);
      if (stop > exponent) end = stop;
    }
    if (end == whole) return false;
    EmitNumber(TokenKind::kFloat, end);
    return true;
  }
  void EmitNumber(TokenKind kind, std::size_t end) {
    std::string digits(rest_.substr(at_, end - at_));
    std::erase(digits, '_');
    Emit(kind, std::move(digits));
    at_ = end;
  }
  bool Number() {
    if (!Decimal(rest_[at_])) return false;
    if (Float()) return true;
    std::size_t end = at_ + 1;
    if (rest_[at_] == '0') {
      const char base = at_ + 1 < rest_.size() ? static_cast<char>(rest_[at_ + 1] | 0x20) : '\0';
      const auto accept = [base](char c) {
        const char lower = static_cast<char>(c | 0x20);
        if (base == 'b') return c == '0' || c == '1';
        if (base == 'o') return c >= '0' && c <= '7';
        return Decimal(c) || (lower >= 'a' && lower <= 'f');
      };
      const std::size_t stop =
          base == 'b' || base == 'o' || base == 'x' ? Digits(at_ + 2, accept, true) : 0;
      end = stop > at_ + 2 ? stop
                           : Digits(
                                 at_ + 1, [](char c) { return c == '0'; }, true);
    } else {
      end = Digits(at_ + 1, Decimal, true);
    }
    EmitNumber(TokenKind::kInteger, end);
    return true;
  }

  bool Name() {
    std::size_t end = at_;
    while (end < rest_.size()) {
      std::size_t next = end;
      if (!IsWord(NextCodePoint(rest_, &next))) break;
      end = next;
    }
    if (end == at_) return false;
    std::string name(rest_.substr(at_, end - at_));
    Emit(TokenKind::kName, std::move(name));
    at_ = end;
    return true;
  }

  bool String() {
    const char quote = rest_[at_];
    if (quote != '\'' && quote != '"') return false;
    std::size_t end = at_ + 1;
    while (end < rest_.size() && rest_[end] != quote) end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) Bad("a string is not closed");
    Emit(TokenKind::kString, Unescape(rest_.substr(at_ + 1, end - at_ - 1)));
    at_ = end + 1;
    return true;
  }

  char32_t HexEscape(std::string_view body, std::size_t* at, std::size_t digits) const {
    char32_t c = 0;
    for (std::size_t i = 0; i < digits; ++i, ++*at) {
      const char h = *at < body.size() ? body[*at] : 'x';
      const char lower = static_cast<char>(h | 0x20);
      if (Decimal(h))
        c = c * 16 + static_cast<char32_t>(h - '0');
      else if (lower >= 'a' && lower <= 'f')
        c = c * 16 + static_cast<char32_t>(lower - 'a' + 10);
      else
        Bad("a truncated escape in a string");
    }
    if (c > 0x10ffff) Bad("an escape in a string beyond Unicode");
    return c;
  }

  // The escapes of a Python string literal.
  std::string Unescape(std::string_view body) const {
    std::string out;
    for (std::size_t i = 0; i < body.size();) {
      if (body[i] != '\\' || i + 1 >= body.size()) {
        out.push_back(body[i++]);
        continue;
      }
      const char c = body[i + 1];
      i += 2;
      static constexpr std::string_view kFrom = "\\'\"abfnrtv";
      static constexpr std::string_view kTo = "\\'\"\a\b\f\n\r\t\v";
      if (const auto simple = kFrom.find(c); simple != std::string_view::npos) {
        out.push_back(kTo[simple]);
      } else if (c == '\n') {
        continue;
      } else if (c >= '0' && c <= '7') {
        char32_t value = static_cast<char32_t>(c - '0');
        for (int n = 0; n < 2 && i < body.size() && body[i] >= '0' && body[i] <= '7'; ++n, ++i) {
          value = value * 8 + static_cast<char32_t>(body[i] - '0');
        }
        AppendCodePoint(value, out);
      } else if (c == 'x' || c == 'u' || c == 'U') {
        AppendCodePoint(HexEscape(body, &i, c == 'x' ? 2 : c == 'u' ? 4 : 8), out);
      } else if (c == 'N') {
        Bad("names of characters (\\N{...}) are not supported");
      } else {
        out.push_back('\\');
        out.push_back(c);
      }
    }
    return out;
  }

  void Operator(std::string& open) {
    static constexpr std::array<std::string_view, 26> kOperators = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    for (const std::string_view op : kOperators) {
      if (!At(op, at_)) continue;
      if (op == "(" || op == "[" || op == "{") open.push_back(op[0]);
      if (op == ")" || op == "]" || op == "}") {
        const char expected = op == ")" ? '(' : op == "]" ? '[' : '{';
        if (open.empty() || open.back() != expected) Bad(fmt::format("unexpected '{}'", op));
        open.pop_back();
      }
      Emit(TokenKind::kOperator, std::string(op));
      at_ += op.size();
      return;
    }
    std::size_t end = at_;
    NextCodePoint(rest_, &end);
    Bad(fmt::format("unexpected character '{}'", rest_.substr(at_, end - at_)));
  }

  const std::string source_;
  const std::string_view rest_;
  std::size_t at_ = 0;
  bool line_starting_ = true;
  mutable std::size_t counted_ = 0;
  mutable int line_ = 1;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> Lex(std::string_view source) { return Lexer(source).Run(); }

}  // namespace cairn::model::jinja
