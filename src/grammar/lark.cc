// SPDX-License-Identifier: Apache-2.0
#include "grammar/lark.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/printable.h"
#include "grammar/gbnf.h"
#include "grammar/lark_text.h"
#include "grammar/regex.h"

namespace cairn::grammar {
namespace {

constexpr int kMostGroups = 200;  // inside one another

class Reader {
 public:
  // `ignoring`: there is an %ignore somewhere.
  Reader(std::string_view text, bool ignoring) : text_(text), ignoring_(ignoring) {
    if (ignoring_) ignored_ = out_.AddRule("ignored");
  }

  bool ignores() const { return !ignores_.empty(); }

  Result<std::shared_ptr<const Grammar>> Read() {
    for (text_.SkipSpace(true); !text_.AtEnd(); text_.SkipSpace(true)) OR_RETURN(Statement());
    for (const auto& [name, named] : names_) {
      if (named.defined) continue;
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("grammar: {} is used and not defined", Printable(name)));
    }
    OR_RETURN(TerminalsEnd());
    const auto start = names_.find("start");
    if (start == names_.end()) {
      return Fail(ErrorCode::kInvalidArgument, "grammar: there is no rule named start");
    }
    if (ignoring_) out_.Define(ignored_, OR_RETURN(Ignored()));
    return Grammar::Compile(out_, start->second.id);
  }

 private:
  struct Named {
    RuleId id = 0;
    bool defined = false;
    std::string pattern = {};                 // of a terminal that is one regular expression
    std::vector<std::string_view> uses = {};  // terminals in a terminal
  };

  struct Ignore {
    ExpressionId whole = Expressions::kNever;
    std::string pattern = {};        // where it is one regular expression,
    std::string_view terminal = {};  // or one terminal
  };

  std::unexpected<Error> NotTaken(std::string_view what) const {
    return text_.Wrong(fmt::format("{} not supported", what), ErrorCode::kUnsupported);
  }

  Named& NamedAs(std::string_view name) {
    const auto found = names_.find(name);
    if (found != names_.end()) return found->second;
    return names_.emplace(std::string(name), Named{.id = out_.AddRule(std::string(name))})
        .first->second;
  }

  Result<Named*> Define(std::string_view name) {
    Named& named = NamedAs(name);
    if (named.defined) {
      return text_.Wrong(fmt::format("{} is defined twice", Printable(name)));
    }
    named.defined = true;
    return &named;
  }

  Result<void> Statement() {
    if (text_.Take("%")) return Directive();
    while (text_.Take("?") || text_.Take("!")) {
    }
    const std::string_view name = text_.TakeName();
    if (name.empty()) return text_.Wrong("expected the name of a rule or a terminal");
    if (text_.Peek() == '.') return NotTaken("priorities (NAME.1) are");
    if (text_.Peek() == '{') return NotTaken("templates (NAME{...}) are");
    if (text_.Peek() == '[') return NotTaken("attributes (NAME[...]) are");
    text_.SkipSpace(false);
    if (!text_.Take(":")) return text_.Wrong(fmt::format("expected : after {}", Printable(name)));
    Named* named = OR_RETURN(Define(name));
    const RuleId id = named->id;
    terminal_ = IsTerminalName(name) ? named : nullptr;
    single_pattern_.clear();
    text_.SkipSpace(true);
    out_.Define(id, OR_RETURN(Alternatives(false)));
    if (terminal_ != nullptr && items_ == 1) terminal_->pattern = single_pattern_;
    terminal_ = nullptr;
    return LineEnds();
  }

  Result<void> LineEnds() {
    text_.SkipSpace(false);
    if (text_.AtEnd() || text_.Peek() == '\n' || text_.Peek() == '\r') return {};
    return text_.Wrong(
        fmt::format("'{}' is not expected here", Printable(text_.Rest().substr(0, 1))));
  }

  Result<void> Directive() {
    const std::string_view name = text_.TakeName();
    text_.SkipSpace(false);
    if (name == "import") return Import();
    if (name != "ignore") return NotTaken(fmt::format("%{} is", Printable(name, 40)));
    Named whole{};
    terminal_ = &whole;
    single_pattern_.clear();
    const ExpressionId ignored = OR_RETURN(Alternatives(false));
    terminal_ = nullptr;
    ignores_.push_back({.whole = ignored});
    if (items_ != 1) return LineEnds();
    ignores_.back().pattern = single_pattern_;
    if (whole.uses.size() == 1) ignores_.back().terminal = whole.uses[0];
    return LineEnds();
  }

  // %import common.NAME [-> NAME], %import common (NAME, NAME)
  Result<void> Import() {
    const std::string_view library = text_.TakeName();
    if (library != "common") return NotTaken("%import of what is not in common is");
    text_.SkipSpace(false);
    if (text_.Take("(")) {
      do {
        text_.SkipSpace(true);
        const std::string_view name = text_.TakeName();
        OR_RETURN(ImportAs(name, name));
        text_.SkipSpace(true);
      } while (text_.Take(","));
      if (!text_.Take(")")) return text_.Wrong("a ( without its )");
      return LineEnds();
    }
    if (!text_.Take(".")) return text_.Wrong("expected common.NAME");
    const std::string_view name = text_.TakeName();
    std::string_view as = name;
    text_.SkipSpace(false);
    if (text_.Take("->")) {
      text_.SkipSpace(false);
      as = text_.TakeName();
      if (!IsTerminalName(as)) return text_.Wrong("expected the name of a terminal after ->");
    }
    OR_RETURN(ImportAs(name, as));
    return LineEnds();
  }

  Result<void> ImportAs(std::string_view name, std::string_view as) {
    const std::string_view pattern = CommonTerminal(name);
    if (pattern.empty()) {
      return NotTaken(fmt::format("the import common.{} is", Printable(name, 40)));
    }
    Named* named = OR_RETURN(Define(as));
    named->pattern = pattern;
    out_.Define(named->id, OR_RETURN(ReadPattern(pattern, false)));
    return {};
  }

  Result<ExpressionId> ReadPattern(std::string_view pattern, bool both_cases) {
    auto read = ReadRegex(out_, pattern, RegexExtent::kWhole, [&](const CodePoints& set) {
      return out_.Characters(both_cases ? set.WithBothCases() : set);
    });
    if (read) return *read;
    return text_.Wrong(read.error().message, read.error().code);
  }

  // `items_` is how many things stood in all of them together.
  Result<ExpressionId> Alternatives(bool inside) {
    if (!inside) items_ = 0;
    std::vector<ExpressionId> ways;
    while (true) {
      ways.push_back(OR_RETURN(Sequence(inside)));
      LarkText before = text_;
      text_.SkipSpace(true);
      if (!text_.Take("|")) {
        text_ = before;
        return out_.Choice(ways);
      }
      ++items_;
      text_.SkipSpace(true);
    }
  }

  Result<ExpressionId> Sequence(bool inside) {
    std::vector<ExpressionId> parts;
    while (true) {
      text_.SkipSpace(inside);
      if (text_.Take("->")) {  // a name for the tree
        text_.SkipSpace(false);
        if (text_.TakeName().empty()) return text_.Wrong("expected a name after ->");
        return out_.Sequence(parts);
      }
      const auto part = OR_RETURN(Item());
      if (!part) return out_.Sequence(parts);
      ++items_;
      parts.push_back(OR_RETURN(Repeated(*part)));
    }
  }

  // What is ignored may follow a terminal in a rule.
  ExpressionId Token(ExpressionId terminal) {
    if (!ignoring_ || terminal_ != nullptr) return terminal;
    return out_.Sequence({terminal, out_.Call(ignored_)});
  }

  // Absent where none begins here.
  Result<std::optional<ExpressionId>> Item() {
    if (text_.Take("\"")) return Token(OR_RETURN(Literal()));
    if (text_.Take("/")) {
      const std::string_view pattern = OR_RETURN(text_.Regex());
      const std::string_view flags = text_.TakeFlags();
      if (!flags.empty() && flags != "i") {
        return NotTaken(fmt::format("the flags {} are", Printable(flags, 20)));
      }
      if (flags.empty()) single_pattern_ = pattern;
      return Token(OR_RETURN(ReadPattern(pattern, !flags.empty())));
    }
    const bool optional = text_.Peek() == '[';
    if (text_.Take("(") || text_.Take("[")) {
      if (++groups_ > kMostGroups) {
        return text_.Wrong(fmt::format("groups are taken {} deep inside one another", kMostGroups),
                           ErrorCode::kLimit);
      }
      ++items_;
      text_.SkipSpace(true);
      const ExpressionId group = OR_RETURN(Alternatives(true));
      text_.SkipSpace(true);
      if (!text_.Take(optional ? "]" : ")")) {
        return text_.Wrong(optional ? "a [ without its ]" : "a ( without its )");
      }
      --groups_;
      return optional ? out_.Optional(group) : group;
    }
    if (text_.Peek() == '<') return NotTaken("special tokens (<...>) are");
    if (text_.Peek() == '%') return NotTaken("a % inside a rule is");
    return Name();
  }

  Result<std::optional<ExpressionId>> Name() {
    const std::string_view name = text_.TakeName();
    if (name.empty()) return std::nullopt;
    const ExpressionId call = out_.Call(NamedAs(name).id);
    if (IsTerminalName(name)) {
      if (terminal_ != nullptr) terminal_->uses.push_back(names_.find(name)->first);
      return Token(call);
    }
    if (terminal_ == nullptr) return call;
    return text_.Wrong(fmt::format("a terminal uses the rule {}", Printable(name)));
  }

  Result<ExpressionId> Literal() {
    const std::u32string characters = OR_RETURN(text_.String());
    if (text_.Take("..")) {
      if (!text_.Take("\"")) return text_.Wrong("expected a literal after ..");
      const std::u32string last = OR_RETURN(text_.String());
      if (characters.size() != 1 || last.size() != 1 || last[0] < characters[0]) {
        return text_.Wrong("a range whose ends make none");
      }
      return out_.Characters({{characters[0], last[0]}});
    }
    const std::string_view flags = text_.TakeFlags();
    if (!flags.empty() && flags != "i") {
      return NotTaken(fmt::format("the flags {} are", Printable(flags, 20)));
    }
    std::string bytes;
    std::vector<ExpressionId> parts;
    for (const char32_t c : characters) {
      AppendUtf8(c, bytes);
      if (!flags.empty()) parts.push_back(out_.Characters(CodePoints{{c, c}}.WithBothCases()));
    }
    return flags.empty() ? out_.Bytes(bytes) : out_.Sequence(parts);
  }

  Result<ExpressionId> Repeated(ExpressionId part) {
    while (true) {
      std::uint32_t min = 0, max = kEndless;
      if (text_.Take("*")) {
      } else if (text_.Take("+")) {
        min = 1;
      } else if (text_.Take("?")) {
        max = 1;
      } else if (text_.Take("~")) {
        OR_RETURN(Counts("..", "", min, max));
      } else if (text_.Take("{")) {
        OR_RETURN(Counts(",", "}", min, max));
      } else {
        return part;
      }
      ++items_;
      part = out_.Repeat(part, min, max);
    }
  }

  // n, or n and m; where `close` ends them also n and no other, or no first.
  Result<void> Counts(std::string_view between, std::string_view close, std::uint32_t& min,
                      std::uint32_t& max) {
    text_.SkipSpace(false);
    const auto least = text_.TakeNumber();
    text_.SkipSpace(false);
    auto most = least;
    if (text_.Take(between)) {
      text_.SkipSpace(false);
      most = text_.TakeNumber();
      text_.SkipSpace(false);
    } else if (!least && !close.empty()) {
      return NotTaken("templates (NAME{...}) are");
    }
    const bool open_ended = !close.empty() && (least || most);
    if ((!open_ended && (!least || !most)) || !text_.Take(close)) {
      return text_.Wrong("expected counts: ~n, ~n..m, {n}, {n,}, {,m} or {n,m}");
    }
    min = least.value_or(0);
    max = most.value_or(kEndless);
    if (min > kMostCount || (most && max > kMostCount)) {
      return text_.Wrong(fmt::format("counts are taken up to {}", kMostCount), ErrorCode::kLimit);
    }
    if (max < min) return text_.Wrong("the counts are the wrong way round");
    return {};
  }

  // What repeats one class is counted by its characters, all else as a whole.
  Result<ExpressionId> Ignored() {
    std::vector<ExpressionId> blank, other;
    for (const Ignore& ignore : ignores_) {
      std::string pattern =
          ignore.terminal.empty() ? ignore.pattern : NamedAs(ignore.terminal).pattern;
      if (pattern.starts_with(' ')) pattern = "[ ]" + pattern.substr(1);
      const auto one = WithLengths("^" + pattern + "$", 1, 1);
      if (one) {
        blank.push_back(OR_RETURN(ReadPattern(*one, false)));
      } else {
        other.push_back(ignore.whole);
      }
    }
    const ExpressionId blanks = out_.Repeat(out_.Choice(blank), 0, kMostIgnoredBlanks);
    const ExpressionId further = out_.Sequence({out_.Choice(other), blanks});
    return out_.Sequence({blanks, out_.Repeat(further, 0, kMostIgnored)});
  }

  // Terminals do not reach themselves: depth first, without recursion.
  Result<void> TerminalsEnd() const {
    enum : std::uint8_t { kNew, kOpen, kDone };
    std::map<std::string_view, std::uint8_t> state;
    for (const auto& [first, unused] : names_) {
      std::vector<std::string_view> path{first};
      while (!path.empty()) {
        const std::string_view name = path.back();
        std::uint8_t& here = state[name];
        if (here != kNew) {
          here = kDone;
          path.pop_back();
          continue;
        }
        here = kOpen;
        for (const std::string_view used : names_.find(name)->second.uses) {
          if (state[used] == kOpen) {
            return Fail(ErrorCode::kInvalidArgument,
                        fmt::format("grammar: the terminal {} refers to itself", Printable(used)));
          }
          if (state[used] == kNew) path.push_back(used);
        }
      }
    }
    return {};
  }

  LarkText text_;
  bool ignoring_;
  RuleId ignored_ = 0;
  std::vector<Ignore> ignores_;
  Expressions out_;
  std::map<std::string, Named, std::less<>> names_;
  Named* terminal_ = nullptr;   // the one that is read
  std::string single_pattern_;  // the last regular expression without flags
  int items_ = 0;               // and what stands beside it, of what is read
  int groups_ = 0;
};

}  // namespace

Result<std::shared_ptr<const Grammar>> CompileLark(std::string_view text) {
  if (text.size() > kMostGrammarBytes) {
    return Fail(ErrorCode::kLimit, fmt::format("a grammar of {} bytes; at most {} are taken",
                                               text.size(), kMostGrammarBytes));
  }
  Reader reader(text, false);
  auto compiled = reader.Read();
  return reader.ignores() ? Reader(text, true).Read() : std::move(compiled);
}

bool LooksLikeLark(std::string_view text) {
  LarkText words(text);
  words.SkipSpace(true);
  if (words.Peek() == '%' || words.Peek() == '?' || words.Peek() == '!') return true;
  words.TakeName();
  words.SkipSpace(false);
  return words.Peek() != '-' && words.Rest().starts_with(":") && !words.Rest().starts_with("::=");
}

}  // namespace cairn::grammar
