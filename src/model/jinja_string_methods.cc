// SPDX-License-Identifier: Apache-2.0
// The methods of Python's str that a template can reach.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/jinja_interpreter.h"

namespace cairn::model::jinja {
namespace {

struct Context {
  Interpreter& interpreter;
  const Text& self;
  std::string_view name;
  const Arguments& arguments;

  std::vector<const Value*> Bound(std::initializer_list<std::string_view> parameters,
                                  std::size_t required) const {
    return Bind(arguments, name, parameters, required);
  }
  const Text& TextArgument(const Value* value) const {
    if (value == nullptr || value->AsStr() == nullptr) {
      FailInvalid(fmt::format("str.{} takes a string", name));
    }
    return value->AsStr()->text;
  }
  Integer IntegerArgument(const Value* value) const {
    const auto i = value->AsInteger();
    if (!i) FailInvalid(fmt::format("str.{} takes an integer", name));
    return *i;
  }
  Value Str(Text text) const { return interpreter.MakeStr(std::move(text)); }
};

using MethodFunction = Value (*)(const Context&);
struct Entry {
  std::string_view name;
  MethodFunction function;
};

Text CapitaliseFirst(const Text& text) {
  if (text.empty()) return {};
  std::size_t first = 0;
  NextCodePoint(text.bytes(), &first);
  Text out = Upper(text.Slice(0, first));
  out.Append(Lower(text.Slice(first, text.size())));
  return out;
}

// Every word's first letter in upper case, where a word is a run of letters.
Text TitleCase(const Text& text) {
  Text out;
  bool inside = false;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = i;
    const char32_t c = NextCodePoint(text.bytes(), &i);
    const Text one = text.Slice(begin, i);
    out.Append(inside ? Lower(one) : Upper(one));
    inside = IsAlpha(c);
  }
  return out;
}

Text SwapCase(const Text& text) {
  Text out;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = i;
    const char32_t c = NextCodePoint(text.bytes(), &i);
    const Text one = text.Slice(begin, i);
    out.Append(IsUpper(c) ? Lower(one) : Upper(one));
  }
  return out;
}

Value StripMethod(const Context& c) {
  const auto bound = c.Bound({"chars"}, 0);
  const Text* characters =
      bound[0] == nullptr || bound[0]->IsNone() ? nullptr : &c.TextArgument(bound[0]);
  return c.Str(Strip(c.self, characters, c.name != "rstrip", c.name != "lstrip"));
}

// Beginnings and ends in a text. Pieces are cut before any of them becomes a value, so that the
// budget meets the values one by one.
using Pieces = std::vector<std::pair<std::size_t, std::size_t>>;

// White-space separated words, at most `limit` cuts (negative: all).
Pieces SplitSpace(std::string_view text, Integer limit, bool from_right) {
  Pieces words;
  bool inside = false;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = i;
    const bool space = IsSpace(NextCodePoint(text, &i));
    if (space)
      inside = false;
    else if (inside)
      words.back().second = i;
    else {
      inside = true;
      words.emplace_back(begin, i);
    }
  }
  const auto count = static_cast<Integer>(words.size());
  if (limit < 0 || limit >= count) return words;
  const auto cut = static_cast<std::size_t>(from_right ? count - limit - 1 : limit);
  if (from_right) {
    words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(cut));
    // The rest keeps its leading space, not its trailing one.
    words[0].first = 0;
  } else {
    words.resize(cut + 1);
    words.back().second = text.size();
  }
  return words;
}

Pieces SplitBy(std::string_view text, std::string_view separator, Integer limit, bool from_right) {
  std::vector<std::size_t> cuts;
  const auto more = [&] { return limit < 0 || static_cast<Integer>(cuts.size()) < limit; };
  if (from_right) {
    for (std::size_t end = text.size(); more();) {
      end = FindLast(text.substr(0, end), separator);
      if (end == std::string_view::npos) break;
      cuts.push_back(end);
    }
    std::reverse(cuts.begin(), cuts.end());
  } else {
    for (std::size_t at = 0; more(); at += separator.size()) {
      at = FindFirst(text, separator, at);
      if (at == std::string_view::npos) break;
      cuts.push_back(at);
    }
  }
  Pieces pieces;
  std::size_t begin = 0;
  for (const std::size_t cut : cuts) {
    pieces.emplace_back(begin, cut);
    begin = cut + separator.size();
  }
  pieces.emplace_back(begin, text.size());
  return pieces;
}

// Pieces of the method's string in a list.
Value ListOf(const Context& c, const Pieces& pieces, ListKind kind = ListKind::kList) {
  std::vector<Value> items;
  c.interpreter.budget().Spend(pieces.size());
  for (const auto& [begin, end] : pieces) items.push_back(c.Str(c.self.Slice(begin, end)));
  return c.interpreter.MakeList(kind, std::move(items));
}

Value SplitMethod(const Context& c) {
  const auto bound = c.Bound({"sep", "maxsplit"}, 0);
  const Integer limit = bound[1] == nullptr ? -1 : c.IntegerArgument(bound[1]);
  const bool from_right = c.name == "rsplit";
  if (bound[0] == nullptr || bound[0]->IsNone()) {
    return ListOf(c, SplitSpace(c.self.bytes(), limit, from_right));
  }
  const Text& separator = c.TextArgument(bound[0]);
  if (separator.empty()) FailInvalid("split by an empty string");
  return ListOf(c, SplitBy(c.self.bytes(), separator.bytes(), limit, from_right));
}

Value PartitionMethod(const Context& c) {
  const Text& separator = c.TextArgument(c.Bound({"sep"}, 1)[0]);
  if (separator.empty()) FailInvalid("partition by an empty string");
  const bool right = c.name == "rpartition";
  const auto at = right ? FindLast(c.self.bytes(), separator.bytes())
                        : FindFirst(c.self.bytes(), separator.bytes());
  const std::size_t size = c.self.size();
  Pieces three = {{0, at}, {at, at + separator.size()}, {at + separator.size(), size}};
  if (at == std::string_view::npos) {
    three = right ? Pieces{{0, 0}, {0, 0}, {0, size}} : Pieces{{0, size}, {0, 0}, {0, 0}};
  }
  return ListOf(c, three, ListKind::kTuple);
}

bool IsLineEnd(char32_t c) {
  return (c >= 0x0a && c <= 0x0d) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

Value SplitLinesMethod(const Context& c) {
  const auto bound = c.Bound({"keepends"}, 0);
  const bool keep = bound[0] != nullptr && Truth(*bound[0]);
  Pieces lines;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < c.self.size();) {
    const std::size_t at = i;
    const char32_t ch = NextCodePoint(c.self.bytes(), &i);
    if (!IsLineEnd(ch)) continue;
    if (ch == '\r' && i < c.self.size() && c.self.bytes()[i] == '\n') ++i;
    lines.emplace_back(begin, keep ? i : at);
    begin = i;
  }
  if (begin < c.self.size()) lines.emplace_back(begin, c.self.size());
  return ListOf(c, lines);
}

// Start and stop of find, count, startswith, ..., as byte offsets; false if the range is empty in
// the way that nothing, not even the empty string, is found.
bool Window(const Context& c, const Value* start, const Value* stop, std::size_t* from,
            std::size_t* to) {
  *from = 0;
  *to = c.self.size();
  const bool has_start = start != nullptr && !start->IsNone();
  const bool has_stop = stop != nullptr && !stop->IsNone();
  if (!has_start && !has_stop) return true;
  const auto offsets = CodePointOffsets(c.self.bytes());
  const auto size = static_cast<Integer>(offsets.size() - 1);
  const auto clamp = [&](Integer i) { return std::max<Integer>(i < 0 ? i + size : i, 0); };
  const Integer a = has_start ? clamp(c.IntegerArgument(start)) : 0;
  const Integer b = std::min(has_stop ? clamp(c.IntegerArgument(stop)) : size, size);
  if (a > b) return false;
  *from = offsets[static_cast<std::size_t>(a)];
  *to = offsets[static_cast<std::size_t>(b)];
  return true;
}

Value AffixMethod(const Context& c) {
  const auto bound = c.Bound({"affix", "start", "end"}, 1);
  std::size_t from = 0, to = 0;
  const bool possible = Window(c, bound[1], bound[2], &from, &to);
  const std::string_view view =
      possible ? c.self.bytes().substr(from, to - from) : std::string_view();
  const auto matches = [&](const Value& v) {
    const std::string_view affix = c.TextArgument(&v).bytes();
    return possible && (c.name == "startswith" ? view.starts_with(affix) : view.ends_with(affix));
  };
  const List* list = bound[0]->AsList();
  if (list == nullptr || list->kind != ListKind::kTuple) return matches(*bound[0]);
  return std::any_of(list->items.begin(), list->items.end(), matches);
}

Value FindMethod(const Context& c) {
  const auto bound = c.Bound({"sub", "start", "end"}, 1);
  const std::string_view sub = c.TextArgument(bound[0]).bytes();
  std::size_t from = 0, to = 0;
  std::size_t at = std::string_view::npos;
  if (Window(c, bound[1], bound[2], &from, &to)) {
    const std::string_view view = c.self.bytes().substr(from, to - from);
    at = c.name[0] == 'r' ? FindLast(view, sub) : FindFirst(view, sub);
  }
  if (at != std::string_view::npos) {
    return static_cast<Integer>(CountCodePoints(c.self.bytes().substr(0, from + at)));
  }
  if (c.name.ends_with("index")) FailInvalid("the substring is not found");
  return Integer{-1};
}

Value CountMethod(const Context& c) {
  const auto bound = c.Bound({"sub", "start", "end"}, 1);
  const std::string_view sub = c.TextArgument(bound[0]).bytes();
  std::size_t from = 0, to = 0;
  if (!Window(c, bound[1], bound[2], &from, &to)) return Integer{0};
  const std::string_view view = c.self.bytes().substr(from, to - from);
  if (sub.empty()) return static_cast<Integer>(CountCodePoints(view)) + 1;
  Integer count = 0;
  for (std::size_t at = 0; (at = FindFirst(view, sub, at)) != std::string_view::npos;
       at += sub.size()) {
    ++count;
  }
  return count;
}

Value JustifyMethod(const Context& c) {
  const auto bound = c.Bound({"width", "fillchar"}, 1);
  const Integer width = std::max<Integer>(c.IntegerArgument(bound[0]), 0);
  Text fill(" ", Origin::kInput);
  if (c.name == "zfill")
    fill = Text("0", Origin::kInput);
  else if (bound[1] != nullptr)
    fill = c.TextArgument(bound[1]);
  if (CountCodePoints(fill.bytes()) != 1) FailInvalid("the fill is not one character");
  const auto size = static_cast<Integer>(CountCodePoints(c.self.bytes()));
  if (width > static_cast<Integer>(kMaxStringBytes / 4)) FailLimit("a padded string is too long");
  const Integer pad = std::max<Integer>(width - size, 0);
  // Python's center puts the odd one left if both the padding and the width are odd.
  Integer left = c.name == "ljust" ? 0 : c.name == "center" ? pad / 2 + (pad & width & 1) : pad;
  c.interpreter.budget().Spend(static_cast<std::uint64_t>(pad) / 8);
  Text out;
  std::size_t sign = 0;
  if (c.name == "zfill" && (c.self.bytes().starts_with('-') || c.self.bytes().starts_with('+'))) {
    sign = 1;
  }
  out.AppendSlice(c.self, 0, sign);
  for (Integer i = 0; i < left; ++i) out.Append(fill);
  out.AppendSlice(c.self, sign, c.self.size());
  for (Integer i = left; i < pad; ++i) out.Append(fill);
  return c.Str(std::move(out));
}

Value ReplaceMethod(const Context& c) {
  const auto bound = c.Bound({"old", "new", "count"}, 2);
  if (!c.arguments.keyword.empty()) FailInvalid("str.replace takes no keywords");
  std::optional<Integer> count;
  if (bound[2] != nullptr) count = c.IntegerArgument(bound[2]);
  return c.Str(
      Replace(c.interpreter, c.self, c.TextArgument(bound[0]), c.TextArgument(bound[1]), count));
}

Value RemoveAffixMethod(const Context& c) {
  const std::string_view affix = c.TextArgument(c.Bound({"affix"}, 1)[0]).bytes();
  if (c.name == "removeprefix") {
    const bool there = c.self.bytes().starts_with(affix);
    return c.Str(c.self.Slice(there ? affix.size() : 0, c.self.size()));
  }
  const bool there = c.self.bytes().ends_with(affix);
  return c.Str(c.self.Slice(0, c.self.size() - (there ? affix.size() : 0)));
}

Value JoinMethod(const Context& c) {
  const Value iterable = *c.Bound({"iterable"}, 1)[0];
  const auto items = c.interpreter.Items(iterable);
  for (const Value& item : items) {
    if (item.AsStr() == nullptr) FailInvalid("str.join takes strings");
  }
  return c.Str(Join(c.interpreter, items, c.self));
}

bool AllOf(const Text& text, bool (*test)(char32_t)) {
  for (std::size_t i = 0; i < text.size();) {
    if (!test(NextCodePoint(text.bytes(), &i))) return false;
  }
  return !text.empty();
}

Value CaseTestMethod(const Context& c) {
  c.Bound({}, 0);
  bool cased = false;
  for (std::size_t i = 0; i < c.self.size();) {
    const char32_t ch = NextCodePoint(c.self.bytes(), &i);
    const bool upper = IsUpper(ch);
    const bool lower = IsLower(ch);
    if (c.name == "isupper" ? lower : upper) return false;
    cased = cased || upper || lower;
  }
  return cased;
}

Value TitleTestMethod(const Context& c) {
  c.Bound({}, 0);
  bool cased = false, inside = false;
  for (std::size_t i = 0; i < c.self.size();) {
    const char32_t ch = NextCodePoint(c.self.bytes(), &i);
    if (IsUpper(ch) ? inside : IsLower(ch) && !inside) return false;
    inside = IsUpper(ch) || IsLower(ch);
    cased = cased || inside;
  }
  return cased;
}

Value ExpandTabsMethod(const Context& c) {
  const auto bound = c.Bound({"tabsize"}, 0);
  const Integer size =
      bound[0] == nullptr ? 8 : std::clamp<Integer>(c.IntegerArgument(bound[0]), 0, 1000);
  Text out;
  Integer column = 0;
  for (std::size_t i = 0; i < c.self.size();) {
    const std::size_t begin = i;
    const char32_t ch = NextCodePoint(c.self.bytes(), &i);
    if (ch == '\t') {
      const Integer pad = size == 0 ? 0 : size - column % size;
      out.Append(std::string(static_cast<std::size_t>(pad), ' '), Origin::kInput);
      column += pad;
    } else {
      out.AppendSlice(c.self, begin, i);
      column = ch == '\n' || ch == '\r' ? 0 : column + 1;
    }
  }
  return c.Str(std::move(out));
}

template <Text (*kMap)(const Text&)>
Value Mapped(const Context& c) {
  c.Bound({}, 0);
  return c.Str(kMap(c.self));
}
template <bool (*kTest)(char32_t)>
Value Tested(const Context& c) {
  c.Bound({}, 0);
  return AllOf(c.self, kTest);
}
bool IsAlphaOrDigit(char32_t c) { return IsAlpha(c) || IsDigit(c); }
bool IsAscii(char32_t c) { return c < 0x80; }
bool IsPrintable(char32_t c) { return c == ' ' || (!IsSpace(c) && c >= 0x20 && c != 0x7f); }

Value IdentifierMethod(const Context& c) {
  c.Bound({}, 0);
  return AllOf(c.self, IsWord) && !IsDigit(static_cast<unsigned char>(c.self.bytes()[0]));
}
Value AsciiMethod(const Context& c) {
  c.Bound({}, 0);
  return c.self.empty() || AllOf(c.self, IsAscii);
}
Value PrintableMethod(const Context& c) {
  c.Bound({}, 0);
  return c.self.empty() || AllOf(c.self, IsPrintable);
}
Value FormatMethod(const Context& c) {
  return c.Str(FormatBraces(c.interpreter, c.self, c.arguments));
}

constexpr auto kMethods = std::to_array<Entry>({
    {"capitalize", Mapped<CapitaliseFirst>},
    {"casefold", Mapped<Lower>},
    {"center", JustifyMethod},
    {"count", CountMethod},
    {"endswith", AffixMethod},
    {"expandtabs", ExpandTabsMethod},
    {"find", FindMethod},
    {"format", FormatMethod},
    {"index", FindMethod},
    {"isalnum", Tested<IsAlphaOrDigit>},
    {"isalpha", Tested<IsAlpha>},
    {"isascii", AsciiMethod},
    {"isdecimal", Tested<IsDigit>},
    {"isdigit", Tested<IsDigit>},
    {"isidentifier", IdentifierMethod},
    {"islower", CaseTestMethod},
    {"isnumeric", Tested<IsDigit>},
    {"isprintable", PrintableMethod},
    {"isspace", Tested<IsSpace>},
    {"istitle", TitleTestMethod},
    {"isupper", CaseTestMethod},
    {"join", JoinMethod},
    {"ljust", JustifyMethod},
    {"lower", Mapped<Lower>},
    {"lstrip", StripMethod},
    {"partition", PartitionMethod},
    {"removeprefix", RemoveAffixMethod},
    {"removesuffix", RemoveAffixMethod},
    {"replace", ReplaceMethod},
    {"rfind", FindMethod},
    {"rindex", FindMethod},
    {"rjust", JustifyMethod},
    {"rpartition", PartitionMethod},
    {"rsplit", SplitMethod},
    {"rstrip", StripMethod},
    {"split", SplitMethod},
    {"splitlines", SplitLinesMethod},
    {"startswith", AffixMethod},
    {"strip", StripMethod},
    {"swapcase", Mapped<SwapCase>},
    {"title", Mapped<TitleCase>},
    {"upper", Mapped<Upper>},
    {"zfill", JustifyMethod},
});

const Entry* FindMethodEntry(std::string_view name) {
  const auto* found = std::find_if(kMethods.begin(), kMethods.end(),
                                   [&](const Entry& e) { return e.name == name; });
  return found == kMethods.end() ? nullptr : found;
}

}  // namespace

bool HasStringMethod(std::string_view name) { return FindMethodEntry(name) != nullptr; }

Value CallStringMethod(Interpreter& interpreter, const Value& self, std::string_view name,
                       const Arguments& arguments) {
  const Entry* entry = FindMethodEntry(name);
  if (entry == nullptr) FailInvalid(fmt::format("str has no method '{}' here", name));
  const Text& text = self.AsStr()->text;
  interpreter.budget().Spend(text.size() / 32);
  return entry->function(Context{interpreter, text, name, arguments});
}

}  // namespace cairn::model::jinja
