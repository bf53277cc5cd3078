// SPDX-License-Identifier: Apache-2.0
#include "grammar/regex.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "base/printable.h"

namespace cairn::grammar {
namespace {

constexpr int kMostGroups = 200;  // inside one another

const CodePoints kDigits{{'0', '9'}};
const CodePoints kWord{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const CodePoints kSpaces{{9, 13}, {32, 32}};
// What \S leaves out.
const CodePoints kAllSpaces{{9, 13},          {28, 32},         {0x85, 0x85},     {0xA0, 0xA0},
                            {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F},
                            {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const CodePoints kLineEnds{{10, 10}, {13, 13}, {0x2028, 0x2029}};

class Reader {
 public:
  Reader(Expressions& out, std::string_view text, RegexExtent extent, const CharacterWriter& write)
      : out_(out), text_(text), extent_(extent), write_(write) {}

  Result<ExpressionId> Read() {
    const ExpressionId whole = OR_RETURN(Alternatives(true));
    if (at_ < text_.size()) return Wrong(ErrorCode::kInvalidArgument, "a ) without its (");
    return whole;
  }

 private:
  std::unexpected<Error> Wrong(ErrorCode code, std::string_view what) const {
    return Fail(code, fmt::format("regular expression, at byte {}: {}", at_, what));
  }
  bool Take(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool AtEnd() const { return at_ >= text_.size() || text_[at_] == '|' || text_[at_] == ')'; }

  Result<ExpressionId> Alternatives(bool top) {
    std::vector<ExpressionId> ways;
    do {
      ways.push_back(OR_RETURN(Alternative(top)));
    } while (Take("|"));
    return out_.Choice(ways);
  }

  Result<ExpressionId> Alternative(bool top) {
    const ExpressionId anything = top && extent_ == RegexExtent::kSomewhere
                                      ? out_.Star(write_(CodePoints::All()))
                                      : Expressions::kEmpty;
    std::vector<ExpressionId> parts;
    if (!(top && Take("^"))) parts.push_back(anything);
    bool ended = false;
    while (!AtEnd()) {
      if (Peek() == '^') return Wrong(ErrorCode::kUnsupported, "^ is taken at the beginning alone");
      if (Peek() == '$') {
        ++at_;
        if (!top || !AtEnd()) {
          return Wrong(ErrorCode::kUnsupported, "$ is taken at the end alone");
        }
        ended = true;
        break;
      }
      parts.push_back(OR_RETURN(Repeated()));
    }
    if (!ended) parts.push_back(anything);
    return out_.Sequence(parts);
  }

  Result<ExpressionId> Repeated() {
    ExpressionId part = OR_RETURN(Atom());
    for (int times = 0;; ++times) {
      std::uint32_t min = 0, max = kEndless;
      if (Take("*")) {
      } else if (Take("+")) {
        min = 1;
      } else if (Take("?")) {
        max = 1;
      } else if (Peek() != '{' || !OR_RETURN(Counts(min, max))) {
        return part;
      }
      if (times > 0) return Wrong(ErrorCode::kInvalidArgument, "a repetition of a repetition");
      if (!Take("?") && Peek() == '+') {
        return Wrong(ErrorCode::kUnsupported, "possessive repetitions are not taken");
      }
      part = out_.Repeat(part, min, max);
    }
  }

  // {n}, {n,} or {n,m}; false, and nothing read, where it is a literal brace.
  Result<bool> Counts(std::uint32_t& min, std::uint32_t& max) {
    std::size_t at = at_ + 1;
    const auto number = [&]() -> std::optional<std::uint64_t> {
      std::uint64_t value = 0;
      const std::size_t first = at;
      for (; at < text_.size() && text_[at] >= '0' && text_[at] <= '9'; ++at) {
        value = std::min<std::uint64_t>(value * 10 + static_cast<unsigned>(text_[at] - '0'),
                                        std::uint64_t{1} << 40);
      }
      if (at == first) return std::nullopt;
      return value;
    };
    const auto least = number();
    auto most = least;
    if (!least) return false;
    if (at < text_.size() && text_[at] == ',') {
      ++at;
      most = number().value_or(kEndless);
    }
    if (at >= text_.size() || text_[at] != '}') return false;
    if (*least > kMostCount || (*most > kMostCount && *most != kEndless)) {
      return Wrong(ErrorCode::kLimit, fmt::format("counts are taken up to {}", kMostCount));
    }
    if (*most < *least) return Wrong(ErrorCode::kInvalidArgument, "the counts are the wrong way");
    at_ = at + 1;
    min = static_cast<std::uint32_t>(*least);
    max = static_cast<std::uint32_t>(*most);
    return true;
  }

  Result<ExpressionId> Atom() {
    if (Take("(")) return Group();
    if (Take("[")) return write_(OR_RETURN(Class()));
    if (Take(".")) return write_(kLineEnds.Complement());
    if (Take("\\")) {
      CodePoints set;
      OR_RETURN(Escape(set, false));
      return write_(set);
    }
    if (Peek() == '*' || Peek() == '+' || Peek() == '?') {
      return Wrong(ErrorCode::kInvalidArgument, "nothing to repeat");
    }
    const char32_t c = OR_RETURN(Character());
    return write_({{c, c}});
  }

  Result<char32_t> Character() {
    const auto [value, bytes] = FirstCodePoint(text_.substr(at_));
    if (bytes == 0) return Wrong(ErrorCode::kInvalidArgument, "ill-formed UTF-8, or the end");
    at_ += bytes;
    return value;
  }

  Result<ExpressionId> Group() {
    if (Take("?")) {
      if (Peek() == 'P') ++at_;
      if (Take("<") && Peek() != '=' && Peek() != '!') {
        while (at_ < text_.size() && text_[at_] != '>') ++at_;
        ++at_;
      } else if (!Take(":")) {
        return Wrong(ErrorCode::kUnsupported, "look-around and flags are not taken");
      }
    }
    if (++groups_ > kMostGroups) {
      return Wrong(ErrorCode::kLimit,
                   fmt::format("groups are taken {} deep inside one another", kMostGroups));
    }
    const ExpressionId inside = OR_RETURN(Alternatives(false));
    if (!Take(")")) return Wrong(ErrorCode::kInvalidArgument, "a ( without its )");
    --groups_;
    return inside;
  }

  Result<CodePoints> Class() {
    const bool negated = Take("^");
    CodePoints set;
    while (!Take("]")) {
      if (at_ >= text_.size()) return Wrong(ErrorCode::kInvalidArgument, "a [ without its ]");
      if (Peek() == '[' && text_.substr(at_).starts_with("[:")) {
        return Wrong(ErrorCode::kUnsupported, "POSIX classes are not taken");
      }
      const auto first = OR_RETURN(ClassEnd(set));
      if (!first) continue;
      if (Peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        const auto last = OR_RETURN(ClassEnd(set));
        if (!last || *last < *first) {
          return Wrong(ErrorCode::kInvalidArgument, "a range whose ends make none");
        }
        set.Add(*first, *last);
      } else {
        set.Add(*first, *first);
      }
    }
    return negated ? set.Complement() : set;
  }

  // The character, or nothing where a class such as \d was added to `set`.
  Result<std::optional<char32_t>> ClassEnd(CodePoints& set) {
    if (!Take("\\")) return OR_RETURN(Character());
    CodePoints one;
    OR_RETURN(Escape(one, true));
    const auto ranges = one.ranges();
    if (ranges.size() == 1 && ranges[0].first == ranges[0].last) return ranges[0].first;
    set.Add(one);
    return std::nullopt;
  }

  Result<char32_t> Hex(std::size_t digits) {
    char32_t value = 0;
    const bool braces = digits == 4 && Take("{");
    for (std::size_t i = 0; braces ? !Take("}") : i < digits; ++i) {
      const char c = Peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0 || value > kLastCodePoint) {
        return Wrong(ErrorCode::kInvalidArgument, "expected hexadecimal digits of a character");
      }
      value = value * 16 + static_cast<char32_t>(digit);
      ++at_;
    }
    CodePoints valid;
    valid.Add(value, value);
    if (valid.empty() || value > kLastCodePoint) {
      return Wrong(ErrorCode::kInvalidArgument, "the number of no character");
    }
    return value;
  }

  Result<void> Escape(CodePoints& set, bool in_class) {
    const char c = Peek();
    if (c == '\0') return Wrong(ErrorCode::kInvalidArgument, "a \\ at the end");
    ++at_;
    const auto one = [&](char32_t value) {
      set.Add(value, value);
      return Result<void>();
    };
    switch (c) {
      case 'd': set.Add(kDigits); return {};
      case 'D': set.Add(kDigits.Complement()); return {};
      case 'w': set.Add(kWord); return {};
      case 'W': set.Add(kWord.Complement()); return {};
      case 's': set.Add(kSpaces); return {};
      case 'S': set.Add(kAllSpaces.Complement()); return {};
      case 'n': return one('\n');
      case 'r': return one('\r');
      case 't': return one('\t');
      case 'f': return one('\f');
      case 'v': return one('\v');
      case '0': return one(0);
      case 'x': return one(OR_RETURN(Hex(2)));
      case 'u': return one(OR_RETURN(Hex(4)));
      case 'b':
        if (in_class) return one('\b');
        [[fallthrough]];
      default: break;
    }
    const bool alphanumeric = kWord.Has(static_cast<unsigned char>(c));
    if (alphanumeric) {
      return Wrong(ErrorCode::kUnsupported,
                   fmt::format("\\{} is not taken", Printable(std::string_view(&c, 1))));
    }
    --at_;
    return one(OR_RETURN(Character()));
  }

  Expressions& out_;
  std::string_view text_;
  RegexExtent extent_;
  const CharacterWriter& write_;
  std::size_t at_ = 0;
  int groups_ = 0;
};

}  // namespace

Result<ExpressionId> ReadRegex(Expressions& expressions, std::string_view pattern,
                               RegexExtent extent, const CharacterWriter& write) {
  if (pattern.size() > kMostRegexBytes) {
    return Fail(ErrorCode::kLimit,
                fmt::format("a regular expression of {} bytes; at most {} are taken",
                            pattern.size(), kMostRegexBytes));
  }
  return Reader(expressions, pattern, extent, write).Read();
}

std::optional<std::string> WithLengths(std::string_view pattern, std::uint32_t min,
                                       std::uint32_t max) {
  if (!pattern.starts_with('^') || !pattern.ends_with('$') || pattern.size() < 4) {
    return std::nullopt;
  }
  std::string_view rest = pattern.substr(1, pattern.size() - 2);
  // The class: [...], an escape of one letter, or a point.
  std::size_t end = 1;
  if (rest[0] == '\\') {
    constexpr std::string_view kClasses = "dDwWsS";
    if (kClasses.find(rest[1]) == std::string_view::npos) return std::nullopt;
    end = 2;
  } else if (rest[0] == '[') {
    while (end < rest.size() && rest[end] != ']') end += rest[end] == '\\' ? 2 : 1;
    if (end >= rest.size()) return std::nullopt;
    ++end;
  } else if (rest[0] != '.') {
    return std::nullopt;
  }
  const std::string_view one = rest.substr(0, end);
  rest.remove_prefix(end);
  std::uint64_t least = 0, most = kEndless;
  if (rest == "+") {
    least = 1;
  } else if (rest == "?") {
    most = 1;
  } else if (rest.starts_with('{') && rest.ends_with('}')) {
    const char* at = rest.data() + 1;
    const char* last = rest.data() + rest.size() - 1;
    const auto first = std::from_chars(at, last, least);
    if (first.ec != std::errc()) return std::nullopt;
    if (first.ptr == last) {
      most = least;
    } else if (*first.ptr != ',') {
      return std::nullopt;
    } else if (first.ptr + 1 != last) {
      const auto second = std::from_chars(first.ptr + 1, last, most);
      if (second.ec != std::errc() || second.ptr != last) return std::nullopt;
    }
  } else if (rest != "*") {
    return std::nullopt;
  }
  least = std::max<std::uint64_t>(least, min);
  most = std::min<std::uint64_t>(most, max);
  if (most < least) return "^[]$";  // nothing
  return most == kEndless ? fmt::format("^{}{{{},}}$", one, least)
                          : fmt::format("^{}{{{},{}}}$", one, least, most);
}

}  // namespace cairn::grammar
