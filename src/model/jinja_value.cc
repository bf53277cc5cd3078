// SPDX-License-Identifier: Apache-2.0
#include "model/jinja_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace cairn::model::jinja {

std::optional<Integer> Value::AsInteger() const {
  if (const auto* i = If<Integer>()) return *i;
  if (const auto* b = If<bool>()) return *b ? 1 : 0;
  return std::nullopt;
}

std::optional<double> Value::AsDouble() const {
  if (const auto* d = If<double>()) return *d;
  if (const auto i = AsInteger()) return static_cast<double>(*i);
  return std::nullopt;
}

int DepthOf(const Value& value) {
  if (const List* list = value.AsList()) return list->depth;
  if (const Dict* dict = value.AsDict()) return dict->depth;
  return 0;
}

namespace {

void RequireDepth(int depth) {
  if (depth > kMaxNesting) FailLimit("lists and dictionaries are nested too deeply");
}

}  // namespace

List::List(ListKind k, std::vector<Value> i, Budget* budget)
    : kind(k), items(std::move(i)), charge(budget, items.size() * sizeof(Value) + 128) {
  for (const Value& item : items) depth = std::max(depth, DepthOf(item) + 1);
  RequireDepth(depth);
}

Dict::Dict(std::vector<std::pair<Value, Value>> e, Budget* budget)
    : charge(budget, e.size() * (2 * sizeof(Value) + 48) + 128) {
  entries.reserve(e.size());
  Budget scratch{.steps_left = 0, .live_bytes = 0, .max_live_bytes = 0};
  Budget& spend = budget != nullptr ? *budget : scratch;
  for (auto& [key, value] : e) {
    RequireHashable(key);
    if (const Value* found = Find(key)) {
      *const_cast<Value*>(found) = std::move(value);
      continue;
    }
    if (const Str* s = key.AsStr())
      index.emplace(s->text.bytes(), entries.size());
    else if (budget != nullptr)
      spend.Spend(entries.size());
    entries.emplace_back(std::move(key), std::move(value));
  }
  for (const auto& [key, value] : entries) depth = std::max(depth, DepthOf(value) + 1);
  RequireDepth(depth);
}

const Value* Dict::Find(std::string_view key) const {
  const auto found = index.find(key);
  return found == index.end() ? nullptr : &entries[found->second].second;
}

const Value* Dict::Find(const Value& key) const {
  if (const Str* s = key.AsStr()) return Find(s->text.bytes());
  Budget budget{.steps_left = 10'000'000, .live_bytes = 0, .max_live_bytes = 0};
  for (const auto& [k, v] : entries) {
    if (k.AsStr() == nullptr && Equal(k, key, budget)) return &v;
  }
  return nullptr;
}

std::string_view TypeName(const Value& value) {
  static constexpr std::string_view kNames[] = {"Undefined", "NoneType", "bool", "int",   "float",
                                                "str",       "list",     "dict", "object"};
  const List* list = value.AsList();
  if (list != nullptr && list->kind == ListKind::kTuple) return "tuple";
  if (list != nullptr && list->kind != ListKind::kList) return "iterator";
  return kNames[value.variant().index()];
}

bool Truth(const Value& value) {
  if (value.IsUndefined() || value.IsNone()) return false;
  if (const auto d = value.AsDouble()) return *d != 0.0;
  if (const Str* s = value.AsStr()) return !s->text.empty();
  if (const List* l = value.AsList()) return l->kind == ListKind::kIterator || !l->items.empty();
  if (const Dict* d = value.AsDict()) return !d->entries.empty();
  return true;
}

namespace {

bool EqualLists(const List& a, const List& b, Budget& budget) {
  const bool sets = (a.kind == ListKind::kKeys && b.kind == ListKind::kKeys) ||
                    (a.kind == ListKind::kItems && b.kind == ListKind::kItems);
  if (a.kind != b.kind || (!a.Sequence() && !sets)) return &a == &b;
  if (a.items.size() != b.items.size()) return false;
  budget.Spend(a.items.size());
  if (sets) {  // without order
    return std::all_of(a.items.begin(), a.items.end(), [&](const Value& x) {
      budget.Spend(b.items.size());
      return std::any_of(b.items.begin(), b.items.end(),
                         [&](const Value& y) { return Equal(x, y, budget); });
    });
  }
  return std::equal(a.items.begin(), a.items.end(), b.items.begin(),
                    [&](const Value& x, const Value& y) { return Equal(x, y, budget); });
}

bool EqualDicts(const Dict& a, const Dict& b, Budget& budget) {
  if (a.entries.size() != b.entries.size()) return false;
  budget.Spend(a.entries.size());
  for (const auto& [key, value] : a.entries) {
    const Value* other = b.Find(key);
    if (other == nullptr || !Equal(value, *other, budget)) return false;
  }
  return true;
}

}  // namespace

bool Equal(const Value& a, const Value& b, Budget& budget) {
  if (a.IsUndefined() || a.IsNone()) return a.variant().index() == b.variant().index();
  const auto x = a.AsInteger();
  const auto y = b.AsInteger();
  if (x && y) return *x == *y;
  const auto u = a.AsDouble();
  const auto v = b.AsDouble();
  if (u && v) return *u == *v;
  if (a.variant().index() != b.variant().index()) return false;
  if (const Str* s = a.AsStr()) {
    budget.Spend(s->text.size() / 64 + 1);
    return s->text.bytes() == b.AsStr()->text.bytes();
  }
  if (const List* l = a.AsList()) return EqualLists(*l, *b.AsList(), budget);
  if (const Dict* d = a.AsDict()) return EqualDicts(*d, *b.AsDict(), budget);
  return a.AsObject() != nullptr && a.AsObject() == b.AsObject();
}

int Compare(const Value& a, const Value& b, Budget& budget) {
  const auto x = a.AsInteger();
  const auto y = b.AsInteger();
  if (x && y) return *x < *y ? -1 : *x > *y ? 1 : 0;
  const auto u = a.AsDouble();
  const auto v = b.AsDouble();
  if (u && v) {
    // Not a number compares as neither; 2 makes every order false.
    if (std::isnan(*u) || std::isnan(*v)) return 2;
    return *u < *v ? -1 : *u > *v ? 1 : 0;
  }
  if (a.AsStr() != nullptr && b.AsStr() != nullptr) {
    budget.Spend(a.AsStr()->text.size() / 64 + 1);
    const int order = a.AsStr()->text.bytes().compare(b.AsStr()->text.bytes());
    return order < 0 ? -1 : order > 0 ? 1 : 0;
  }
  const List* l = a.AsList();
  const List* m = b.AsList();
  if (l != nullptr && m != nullptr && l->kind == m->kind && l->kind <= ListKind::kTuple) {
    for (std::size_t i = 0; i < std::min(l->items.size(), m->items.size()); ++i) {
      budget.Spend(1);
      if (!Equal(l->items[i], m->items[i], budget)) {
        return Compare(l->items[i], m->items[i], budget);
      }
    }
    return l->items.size() < m->items.size() ? -1 : l->items.size() > m->items.size() ? 1 : 0;
  }
  FailInvalid(fmt::format("'{}' and '{}' have no order", TypeName(a), TypeName(b)));
}

void RequireHashable(const Value& value) {
  const List* list = value.AsList();
  if (value.AsDict() != nullptr || (list != nullptr && list->kind == ListKind::kList)) {
    FailInvalid(fmt::format("a {} cannot be a key", TypeName(value)));
  }
  if (list != nullptr && list->kind == ListKind::kTuple) {
    for (const Value& item : list->items) RequireHashable(item);
  }
}

std::string FormatInteger(Integer i) {
  if (i == 0) return "0";
  __extension__ using Unsigned = unsigned __int128;
  Unsigned rest = i < 0 ? Unsigned{0} - static_cast<Unsigned>(i) : static_cast<Unsigned>(i);
  std::string digits;
  for (; rest != 0; rest /= 10)
    digits.push_back(static_cast<char>('0' + static_cast<int>(rest % 10)));
  if (i < 0) digits.push_back('-');
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string FormatDouble(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), d, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<std::size_t>(end.ptr - buffer));
  const std::size_t e = text.find('e');
  const int exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
  if (exponent >= 16 || exponent < -4) return std::string(text);
  char fixed[64];
  const auto stop = std::to_chars(fixed, fixed + sizeof(fixed), d, std::chars_format::fixed);
  std::string out(fixed, stop.ptr);
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

namespace {

void AppendStringRepr(const Text& text, Text& out) {
  const std::string_view bytes = text.bytes();
  const bool has_single = bytes.find('\'') != std::string_view::npos;
  const char quote = has_single && bytes.find('"') == std::string_view::npos ? '"' : '\'';
  const std::string_view quote_text(&quote, 1);
  out.Append(quote_text, Origin::kInput);
  for (std::size_t i = 0; i < bytes.size();) {
    const std::size_t begin = i;
    const char32_t c = NextCodePoint(bytes, &i);
    std::string escaped;
    if (c == static_cast<unsigned char>(quote) || c == '\\') {
      escaped = fmt::format("\\{}", static_cast<char>(c));
    } else if (c == '\n' || c == '\r' || c == '\t') {
      escaped = c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (c < 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0xad) {
      escaped = fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else if ((IsSpace(c) && c != ' ') || (c >= 0x200b && c <= 0x200f) ||
               (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
               (c >= 0xe000 && c <= 0xf8ff)) {
      escaped = fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    }
    if (escaped.empty())
      out.AppendSlice(text, begin, i);
    else
      out.Append(escaped, Origin::kInput);
  }
  out.Append(quote_text, Origin::kInput);
}

void AppendItems(const std::vector<Value>& items, Text& out, Budget& budget) {
  bool first = true;
  for (const Value& item : items) {
    if (!first) out.Append(", ", Origin::kInput);
    first = false;
    AppendRepr(item, out, budget);
  }
}

void AppendListRepr(const List& list, Text& out, Budget& budget) {
  const auto put = [&](std::string_view s) { out.Append(s, Origin::kInput); };
  if (list.kind == ListKind::kRange) {
    put(fmt::format("range({}, {}{})", FormatInteger(list.start), FormatInteger(list.stop),
                    list.step == 1 ? "" : ", " + FormatInteger(list.step)));
    return;
  }
  static constexpr std::string_view kOpen[] = {
      "[", "(", "", "<iterator ", "dict_keys([", "dict_values([", "dict_items(["};
  static constexpr std::string_view kClose[] = {"]", ")", "", ">", "])", "])", "])"};
  const auto kind = static_cast<std::size_t>(list.kind);
  put(kOpen[kind]);
  if (list.kind != ListKind::kIterator) AppendItems(list.items, out, budget);
  if (list.kind == ListKind::kTuple && list.items.size() == 1) put(",");
  put(kClose[kind]);
}

}  // namespace

void AppendRepr(const Value& value, Text& out, Budget& budget) {
  budget.Spend(1);
  const auto put = [&](std::string_view s) { out.Append(s, Origin::kInput); };
  if (value.IsUndefined()) return put("Undefined");
  if (value.IsNone()) return put("None");
  if (const auto* b = value.If<bool>()) return put(*b ? "True" : "False");
  if (const auto* i = value.If<Integer>()) return put(FormatInteger(*i));
  if (const auto* d = value.If<double>()) return put(FormatDouble(*d));
  if (const Str* s = value.AsStr()) {
    budget.Spend(s->text.size() / 16);
    if (s->markup) put("Markup(");
    AppendStringRepr(s->text, out);
    if (s->markup) put(")");
    return;
  }
  if (const List* l = value.AsList()) return AppendListRepr(*l, out, budget);
  if (const Dict* d = value.AsDict()) {
    put("{");
    bool first = true;
    for (const auto& [key, item] : d->entries) {
      if (!first) put(", ");
      first = false;
      AppendRepr(key, out, budget);
      put(": ");
      AppendRepr(item, out, budget);
    }
    return put("}");
  }
  put("<object>");
}

Text ToText(const Value& value, Budget& budget) {
  if (const Str* s = value.AsStr()) return s->text;
  if (value.IsUndefined()) return {};
  Text out;
  AppendRepr(value, out, budget);
  return out;
}

}  // namespace cairn::model::jinja
