// SPDX-License-Identifier: Apache-2.0
#include "grammar/gbnf.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/printable.h"

namespace cairn::grammar {
namespace {

constexpr int kMostGroups = 200;  // inside one another

bool IsOfName(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Result<std::shared_ptr<const Grammar>> Read() {
    SkipSpace(true);
    while (at_ < text_.size()) {
      OR_RETURN(Rule());
      SkipSpace(true);
    }
    for (const auto& [name, rule] : rules_) {
      if (!rule.defined) {
        return Fail(ErrorCode::kInvalidArgument,
                    fmt::format("grammar: the rule {} is used and not defined", Printable(name)));
      }
    }
    const auto root = rules_.find("root");
    if (root == rules_.end()) {
      return Fail(ErrorCode::kInvalidArgument, "grammar: there is no rule named root");
    }
    return Grammar::Compile(out_, root->second.id);
  }

 private:
  struct Named {
    RuleId id = 0;
    bool defined = false;
  };

  std::unexpected<Error> Wrong(std::string_view what,
                               ErrorCode code = ErrorCode::kInvalidArgument) {
    const auto line =
        1 + std::count(text_.begin(),
                       text_.begin() + static_cast<std::ptrdiff_t>(std::min(at_, text_.size())),
                       '\n');
    return Fail(code, fmt::format("grammar, line {}: {}", line, what));
  }
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool Take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  // Blanks and comments; line ends too where they end nothing.
  void SkipSpace(bool lines) {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find_first_of("\r\n", at_), text_.size());
      } else if (c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r'))) {
        ++at_;
      } else {
        return;
      }
    }
  }
  std::string_view TakeName() {
    const std::size_t first = at_;
    while (at_ < text_.size() && IsOfName(text_[at_])) ++at_;
    return text_.substr(first, at_ - first);
  }
  Named& RuleOf(std::string_view name) {
    const auto found = rules_.find(name);
    if (found != rules_.end()) return found->second;
    return rules_.emplace(std::string(name), Named{.id = out_.AddRule(std::string(name))})
        .first->second;
  }

  Result<void> Rule() {
    const std::string_view name = TakeName();
    if (name.empty()) return Wrong("expected the name of a rule");
    SkipSpace(false);
    if (!Take("::=")) return Wrong(fmt::format("expected ::= after {}", Printable(name)));
    Named& rule = RuleOf(name);
    if (rule.defined) return Wrong(fmt::format("the rule {} is defined twice", Printable(name)));
    rule.defined = true;
    const RuleId id = rule.id;
    SkipSpace(true);
    out_.Define(id, OR_RETURN(Alternatives(false)));
    if (at_ < text_.size() && Peek() != '\n' && Peek() != '\r') {
      return Wrong(fmt::format("'{}' is not expected here", Printable(text_.substr(at_, 1))));
    }
    return {};
  }

  Result<ExpressionId> Alternatives(bool inside) {
    std::vector<ExpressionId> ways;
    while (true) {
      ways.push_back(OR_RETURN(Sequence(inside)));
      const std::size_t before = at_;
      SkipSpace(true);
      if (!Take("|")) {
        at_ = before;
        return out_.Choice(ways);
      }
      SkipSpace(true);
    }
  }

  Result<ExpressionId> Sequence(bool inside) {
    std::vector<ExpressionId> parts;
    while (true) {
      SkipSpace(inside);
      const auto part = OR_RETURN(Item());
      if (!part) return out_.Sequence(parts);
      parts.push_back(OR_RETURN(Repeated(*part)));
    }
  }

  // Absent where none begins here.
  Result<std::optional<ExpressionId>> Item() {
    const char c = Peek();
    if (c == '"') return OR_RETURN(Literal());
    if (c == '[') return out_.Characters(OR_RETURN(Class()));
    if (c == '.') {
      ++at_;
      return out_.Characters(CodePoints::All());
    }
    if (c == '(') {
      ++at_;
      if (++groups_ > kMostGroups) {
        return Wrong(fmt::format("groups are taken {} deep inside one another", kMostGroups),
                     ErrorCode::kLimit);
      }
      SkipSpace(true);
      const ExpressionId group = OR_RETURN(Alternatives(true));
      SkipSpace(true);
      if (!Take(")")) return Wrong("a ( without its )");
      --groups_;
      return group;
    }
    if (!IsOfName(c)) return std::nullopt;
    const std::string_view name = TakeName();
    return out_.Call(RuleOf(name).id);
  }

  Result<ExpressionId> Repeated(ExpressionId part) {
    while (true) {
      std::uint32_t min = 0, max = kEndless;
      if (Take("*")) {
      } else if (Take("+")) {
        min = 1;
      } else if (Take("?")) {
        max = 1;
      } else if (Peek() == '{') {
        OR_RETURN(Counts(min, max));
      } else {
        return part;
      }
      part = out_.Repeat(part, min, max);
    }
  }

  Result<void> Counts(std::uint32_t& min, std::uint32_t& max) {
    ++at_;
    const auto number = [&]() -> std::optional<std::uint32_t> {
      SkipSpace(false);
      const std::size_t first = at_;
      std::uint64_t value = 0;
      for (; Peek() >= '0' && Peek() <= '9'; ++at_) {
        value = std::min<std::uint64_t>(value * 10 + static_cast<unsigned>(Peek() - '0'), kEndless);
      }
      SkipSpace(false);
      if (at_ == first) return std::nullopt;
      return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, kEndless - 1));
    };
    const auto least = number();
    const bool comma = Take(",");
    const auto most = comma ? number() : least;
    if ((!least && !(comma && most)) || !Take("}"))
      return Wrong("expected {n}, {n,}, {,m} or {n,m}");
    min = least.value_or(0);
    max = most.value_or(kEndless);
    if (min > kMostCount || (most && max > kMostCount)) {
      return Wrong(fmt::format("counts are taken up to {}", kMostCount), ErrorCode::kLimit);
    }
    if (max < min) return Wrong("the counts are the wrong way round");
    return {};
  }

  Result<ExpressionId> Literal() {
    ++at_;
    std::string bytes;
    while (!Take("\"")) {
      if (at_ >= text_.size() || Peek() == '\n') return Wrong("a literal without its end");
      AppendUtf8(OR_RETURN(Character()), bytes);
    }
    return out_.Bytes(bytes);
  }

  Result<CodePoints> Class() {
    ++at_;
    const bool negated = Take("^");
    CodePoints set;
    while (!Take("]")) {
      if (at_ >= text_.size() || Peek() == '\n') return Wrong("a [ without its ]");
      const char32_t first = OR_RETURN(Character());
      char32_t last = first;
      if (Peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        last = OR_RETURN(Character());
        if (last < first) return Wrong("a range whose ends make none");
      }
      set.Add(first, last);
    }
    return negated ? set.Complement() : set;
  }

  Result<char32_t> Character() {
    if (Peek() == '\\') return Escaped();
    const auto [value, bytes] = FirstCodePoint(text_.substr(at_));
    if (bytes == 0) return Wrong("ill-formed UTF-8, or the end");
    at_ += bytes;
    return value;
  }

  Result<char32_t> Escaped() {
    ++at_;
    const char c = Peek();
    ++at_;
    switch (c) {
      case 'n': return U'\n';
      case 'r': return U'\r';
      case 't': return U'\t';
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
      case '^':
      case '/': return static_cast<char32_t>(c);
      case 'x': return Hex(2);
      case 'u': return Hex(4);
      case 'U': return Hex(8);
      default: break;
    }
    return Wrong(fmt::format("\\{} is not known", Printable(std::string_view(&c, 1))));
  }

  Result<char32_t> Hex(int digits) {
    std::uint32_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = Peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return Wrong("expected hexadecimal digits");
      value = value << 4 | static_cast<std::uint32_t>(digit);
    }
    if (value > kLastCodePoint || CodePoints{{value, value}}.empty()) {
      return Wrong("the number of no character");
    }
    return static_cast<char32_t>(value);
  }

  std::string_view text_;
  Expressions out_;
  std::map<std::string, Named, std::less<>> rules_;
  std::size_t at_ = 0;
  int groups_ = 0;
};

}  // namespace

Result<std::shared_ptr<const Grammar>> CompileGbnf(std::string_view text) {
  if (text.size() > kMostGrammarBytes) {
    return Fail(ErrorCode::kLimit, fmt::format("a grammar of {} bytes; at most {} are taken",
                                               text.size(), kMostGrammarBytes));
  }
  return Reader(text).Read();
}

}  // namespace cairn::grammar
