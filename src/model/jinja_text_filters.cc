// SPDX-License-Identifier: Apache-2.0
// Filters over text.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/jinja_interpreter.h"

namespace cairn::model::jinja {
namespace {

using In = Interpreter;
using Args = Arguments;

// The filter is the method of the same name on str(value).
template <const char* kMethod>
Value ByMethod(In& in, const Value& v, const Args& arguments) {
  return CallStringMethod(in, in.MakeStr(in.TextOf(v)), kMethod, arguments);
}
constexpr char kUpper[] = "upper";
constexpr char kLower[] = "lower";
constexpr char kCapitalize[] = "capitalize";

Value TrimFilter(In& in, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "trim", {"chars"}, 0);
  const bool given = bound[0] != nullptr && !bound[0]->IsNone();
  if (given && bound[0]->AsStr() == nullptr) FailInvalid("trim takes a string");
  const Text text = in.TextOf(v);
  in.budget().Spend(text.size() / 32);
  return in.MakeStr(Strip(text, given ? &bound[0]->AsStr()->text : nullptr, true, true));
}

Value CenterFilter(In& in, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "center", {"width"}, 0);
  Args width;
  width.positional.push_back(bound[0] != nullptr ? *bound[0] : Value(Integer{80}));
  return CallStringMethod(in, in.MakeStr(in.TextOf(v)), "center", width);
}

Value ReplaceFilter(In& in, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "replace", {"old", "new", "count"}, 2);
  std::optional<Integer> count;
  if (bound[2] != nullptr && !bound[2]->IsNone()) {
    count = bound[2]->AsInteger();
    if (!count) FailInvalid("replace takes a number as count");
  }
  return in.MakeStr(Replace(in, in.TextOf(v), in.TextOf(*bound[0]), in.TextOf(*bound[1]), count));
}

Value TitleFilter(In& in, const Value& v, const Args& arguments) {
  Bind(arguments, "title", {}, 0);
  const Text text = in.TextOf(v);
  Text out;
  bool start = true;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = i;
    const char32_t c = NextCodePoint(text.bytes(), &i);
    const Text one = text.Slice(begin, i);
    const bool breaks = IsSpace(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    out.Append(start ? Upper(one) : Lower(one));
    start = breaks;
  }
  in.budget().Spend(text.size() / 8);
  return in.MakeStr(std::move(out));
}

Value WordCountFilter(In& in, const Value& v, const Args& arguments) {
  Bind(arguments, "wordcount", {}, 0);
  const Text text = in.TextOf(v);
  in.budget().Spend(text.size() / 32);
  Integer count = 0;
  bool inside = false;
  for (std::size_t i = 0; i < text.size();) {
    const bool word = IsWord(NextCodePoint(text.bytes(), &i));
    if (word && !inside) ++count;
    inside = word;
  }
  return count;
}

Value IndentFilter(In& in, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "indent", {"width", "first", "blank"}, 0);
  if (v.AsStr() == nullptr) FailInvalid(fmt::format("indent does not take a {}", TypeName(v)));
  Text indention(std::string(4, ' '), Origin::kInput);
  if (bound[0] != nullptr) {
    if (const Str* s = bound[0]->AsStr())
      indention = s->text;
    else {
      const auto width = bound[0]->AsInteger();
      if (!width) FailInvalid("indent takes a width");
      if (*width > 100'000) FailLimit("an indent is too wide");
      indention = Text(std::string(static_cast<std::size_t>(std::max<Integer>(*width, 0)), ' '),
                       Origin::kInput);
    }
  }
  const bool first = bound[1] != nullptr && Truth(*bound[1]);
  const bool blank = bound[2] != nullptr && Truth(*bound[2]);
  Text ended = v.AsStr()->text;
  ended.Append("\n", Origin::kInput);
  const Value lines = CallStringMethod(in, in.MakeStr(std::move(ended)), "splitlines", {});
  Text out;
  if (first) out.Append(indention);
  bool at_first = true;
  for (const Value& line : lines.AsList()->items) {
    const Text& text = line.AsStr()->text;
    if (!at_first) out.Append("\n", Origin::kInput);
    if (!at_first && (blank || !text.empty())) out.Append(indention);
    at_first = false;
    out.Append(text);
    in.budget().Spend(1 + indention.size() / 64);
  }
  return in.MakeStr(std::move(out));
}

Value TruncateFilter(In& in, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "truncate", {"length", "killwords", "end", "leeway"}, 0);
  constexpr Integer kFar = 4 * static_cast<Integer>(kMaxStringBytes);  // longer than any string
  const auto number = [&](std::size_t i, Integer fallback) {
    if (bound[i] == nullptr || bound[i]->IsNone()) return fallback;
    const auto n = bound[i]->AsInteger();
    if (!n) FailInvalid("truncate takes numbers");
    return std::clamp<Integer>(*n, -kFar, kFar);
  };
  const Integer length = number(0, 255);
  const Integer leeway = number(3, 5);
  const Text end = bound[2] != nullptr ? in.TextOf(*bound[2]) : Text("...", Origin::kInput);
  const auto end_size = static_cast<Integer>(CountCodePoints(end.bytes()));
  if (length < end_size || leeway < 0) FailInvalid("truncate to less than its end has");
  if (v.AsStr() == nullptr) {
    if (static_cast<Integer>(in.Length(v)) <= length + leeway) return v;
    FailInvalid("truncate takes a string");
  }
  const Text& text = v.AsStr()->text;
  const auto offsets = CodePointOffsets(text.bytes());
  in.budget().Spend(text.size() / 32);
  if (static_cast<Integer>(offsets.size()) - 1 <= length + leeway) return v;
  std::size_t cut = offsets[static_cast<std::size_t>(length - end_size)];
  if (bound[1] == nullptr || !Truth(*bound[1])) {
    const auto space = text.bytes().substr(0, cut).rfind(' ');
    if (space != std::string_view::npos) cut = space;
  }
  Text out = text.Slice(0, cut);
  out.Append(end);
  return in.MakeStr(std::move(out));
}

Text Escaped(const Text& text) {
  Text out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text.bytes()[i];
    const std::string_view entity = c == '&'    ? "&amp;"
                                    : c == '<'  ? "&lt;"
                                    : c == '>'  ? "&gt;"
                                    : c == '"'  ? "&#34;"
                                    : c == '\'' ? "&#39;"
                                                : "";
    if (entity.empty())
      out.AppendSlice(text, i, i + 1);
    else
      out.Append(entity, text.OriginAt(i));
  }
  return out;
}

Value EscapeFilter(In& in, const Value& v, const Args& arguments) {
  Bind(arguments, "escape", {}, 0);
  if (v.AsStr() != nullptr && v.AsStr()->markup) return v;
  return in.MakeStr(Escaped(in.TextOf(v)), true);
}
Value ForceEscapeFilter(In& in, const Value& v, const Args& arguments) {
  Bind(arguments, "forceescape", {}, 0);
  return in.MakeStr(Escaped(in.TextOf(v)), true);
}
Value SafeFilter(In& in, const Value& v, const Args& arguments) {
  Bind(arguments, "safe", {}, 0);
  return in.MakeStr(in.TextOf(v), true);
}
Value StringFilter(In& in, const Value& v, const Args& arguments) {
  Bind(arguments, "string", {}, 0);
  if (v.AsStr() != nullptr) return v;
  return in.MakeStr(in.TextOf(v));
}

Value StripTagsFilter(In& in, const Value& v, const Args& arguments) {
  Bind(arguments, "striptags", {}, 0);
  const Text text = in.TextOf(v);
  in.budget().Spend(text.size() / 8);
  const std::string_view bytes = text.bytes();
  const auto last_close = bytes.rfind('>');  // a '<' behind it is text
  Text kept;
  for (std::size_t i = 0; i < bytes.size();) {
    if (bytes.substr(i).starts_with("<!--")) {
      const auto end = bytes.find("-->", i);
      if (end == std::string_view::npos) break;
      i = end + 3;
      continue;
    }
    if (bytes[i] == '<' && last_close != std::string_view::npos && i < last_close) {
      i = bytes.find('>', i) + 1;
      continue;
    }
    kept.AppendSlice(text, i, i + 1);
    ++i;
  }
  const Value words = CallStringMethod(in, in.MakeStr(std::move(kept)), "split", {});
  return in.MakeStr(Join(in, words.AsList()->items, Text(" ", Origin::kInput)));
}

std::string Quoted(std::string_view text, bool form) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte < 0x80 && (IsAlpha(byte) || IsDigit(byte))) || c == '_' || c == '.' ||
                       c == '-' || c == '~' || (c == '/' && !form);
    if (plain)
      out.push_back(c);
    else if (form && c == ' ')
      out.push_back('+');
    else
      out += fmt::format("%{:02X}", static_cast<unsigned>(byte));
  }
  return out;
}

Value UrlEncodeFilter(In& in, const Value& v, const Args& arguments) {
  Bind(arguments, "urlencode", {}, 0);
  const Dict* dict = v.AsDict();
  if (v.AsStr() != nullptr || (dict == nullptr && v.AsList() == nullptr && !v.IsUndefined())) {
    return in.MakeStr(Quoted(in.TextOf(v).bytes(), false));
  }
  std::vector<std::pair<Value, Value>> pairs;
  if (dict != nullptr)
    pairs = dict->entries;
  else {
    for (const Value& item : in.Items(v)) {
      const auto two = in.Items(item);
      if (two.size() != 2) FailInvalid("urlencode takes pairs");
      pairs.emplace_back(two[0], two[1]);
    }
  }
  std::string out;
  for (const auto& [key, value] : pairs) {
    if (!out.empty()) out.push_back('&');
    out += Quoted(in.TextOf(key).bytes(), true) + "=" + Quoted(in.TextOf(value).bytes(), true);
    in.budget().Spend(4);
    if (out.size() > kMaxStringBytes) FailLimit("urlencode makes too long a text");
  }
  return in.MakeStr(out);
}

Value FormatFilter(In& in, const Value& v, const Args& arguments) {
  if (!arguments.positional.empty() && !arguments.keyword.empty()) {
    FailInvalid("format takes positional arguments or keywords, not both");
  }
  const Text format = in.TextOf(v);
  if (arguments.keyword.empty()) {
    return in.MakeStr(
        FormatPercent(in, format, in.MakeList(ListKind::kTuple, arguments.positional)));
  }
  std::vector<std::pair<Value, Value>> entries;
  for (const auto& [key, value] : arguments.keyword) entries.emplace_back(in.MakeStr(key), value);
  return in.MakeStr(FormatPercent(in, format, in.MakeDict(std::move(entries))));
}

Value PprintFilter(In& in, const Value& v, const Args& arguments) {
  Bind(arguments, "pprint", {}, 0);
  Text text;
  AppendRepr(v, text, in.budget());
  return in.MakeStr(std::move(text));
}

constexpr auto kFilters = std::to_array<Filter>({
    {"capitalize", ByMethod<kCapitalize>},
    {"center", CenterFilter},
    {"e", EscapeFilter},
    {"escape", EscapeFilter},
    {"forceescape", ForceEscapeFilter},
    {"format", FormatFilter},
    {"indent", IndentFilter},
    {"lower", ByMethod<kLower>},
    {"pprint", PprintFilter},
    {"replace", ReplaceFilter},
    {"safe", SafeFilter},
    {"string", StringFilter},
    {"striptags", StripTagsFilter},
    {"title", TitleFilter},
    {"tojson", ToJson},
    {"trim", TrimFilter},
    {"truncate", TruncateFilter},
    {"upper", ByMethod<kUpper>},
    {"urlencode", UrlEncodeFilter},
    {"wordcount", WordCountFilter},
});

}  // namespace

const Filter* FindTextFilter(std::string_view name) {
  const auto* found = std::find_if(kFilters.begin(), kFilters.end(),
                                   [&](const Filter& f) { return f.name == name; });
  return found == kFilters.end() ? nullptr : found;
}

}  // namespace cairn::model::jinja
