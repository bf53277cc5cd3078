// SPDX-License-Identifier: Apache-2.0
// Filters over lists and dictionaries.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/jinja_interpreter.h"

namespace cairn::model::jinja {
namespace {

using In = Interpreter;
using Args = Arguments;

Value Iterator(In& in, std::vector<Value> items) {
  return in.MakeList(ListKind::kIterator, std::move(items));
}

// Follows "a.b.0" from a value, as attribute arguments of filters do.
Value Follow(In& in, Value value, const Value& attribute, const Value* fallback = nullptr) {
  const auto step = [&](const Value& part) {
    value = in.Item(value, part);
    if (fallback != nullptr && !fallback->IsNone() && value.IsUndefined()) value = *fallback;
  };
  const Str* s = attribute.AsStr();
  if (s == nullptr) {
    if (!attribute.IsNone()) step(attribute);
    return value;
  }
  std::string_view path = s->text.bytes();
  while (true) {
    const std::size_t dot = std::min(path.find('.'), path.size());
    const std::string_view part = path.substr(0, dot);
    const bool number = !part.empty() && part.find_first_not_of("0123456789") == part.npos;
    step(number ? Value(ParseInteger(part, 10).value_or(0)) : in.MakeStr(part));
    if (dot == path.size()) return value;
    path.remove_prefix(dot + 1);
  }
}

Value IgnoreCase(In& in, Value value) {
  if (const Str* s = value.AsStr()) {
    in.budget().Spend(s->text.size() / 16);
    return in.MakeStr(Lower(s->text));
  }
  return value;
}

bool Flag(const Value* value) { return value != nullptr && Truth(*value); }

// The key by which sort, min, unique, ... look at an item.
Value KeyOf(In& in, const Value& item, const Value* attribute, bool case_sensitive) {
  Value key = attribute != nullptr ? Follow(in, item, *attribute) : item;
  return case_sensitive ? key : IgnoreCase(in, std::move(key));
}

struct Keyed {
  Value key;
  Value item;
};

void SortByKey(In& in, std::vector<Keyed>& items, bool reverse) {
  in.budget().Spend(items.size() * 4);
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& a, const Keyed& b) {
    const int order =
        reverse ? Compare(b.key, a.key, in.budget()) : Compare(a.key, b.key, in.budget());
    return order < 0;
  });
}

Value SortFilter(In& in, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "sort", {"reverse", "case_sensitive", "attribute"}, 0);
  const bool sensitive = Flag(bound[1]);
  std::vector<Value> attributes;  // "a,b" sorts by both
  if (bound[2] != nullptr && bound[2]->AsStr() != nullptr) {
    Args comma;
    comma.positional.push_back(in.MakeStr(","));
    attributes = CallStringMethod(in, *bound[2], "split", comma).AsList()->items;
  } else {
    attributes.push_back(bound[2] != nullptr ? *bound[2] : Value(None{}));
  }
  std::vector<Keyed> keyed;
  for (Value& item : in.Items(v)) {
    std::vector<Value> keys;
    for (const Value& attribute : attributes)
      keys.push_back(KeyOf(in, item, &attribute, sensitive));
    keyed.push_back({in.MakeList(ListKind::kList, std::move(keys)), std::move(item)});
  }
  SortByKey(in, keyed, Flag(bound[0]));
  std::vector<Value> out;
  for (Keyed& k : keyed) out.push_back(std::move(k.item));
  return in.MakeList(ListKind::kList, std::move(out));
}

template <bool kMax>
Value ExtremeFilter(In& in, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, kMax ? "max" : "min", {"case_sensitive", "attribute"}, 0);
  const auto items = in.Items(v);
  if (items.empty()) return UndefinedNamed("the largest or smallest of nothing");
  std::size_t best = 0;
  Value best_key = KeyOf(in, items[0], bound[1], Flag(bound[0]));
  for (std::size_t i = 1; i < items.size(); ++i) {
    Value key = KeyOf(in, items[i], bound[1], Flag(bound[0]));
    const int order = Compare(key, best_key, in.budget());
    if (kMax ? order != 1 : order != -1) continue;
    best = i;
    best_key = std::move(key);
  }
  return items[best];
}

Value UniqueFilter(In& in, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "unique", {"case_sensitive", "attribute"}, 0);
  std::vector<Value> seen, out;
  for (Value& item : in.Items(v)) {
    Value key = KeyOf(in, item, bound[1], Flag(bound[0]));
    RequireHashable(key);
    const bool known = std::any_of(seen.begin(), seen.end(), [&](const Value& s) {
      in.budget().Spend(1);
      return Equal(s, key, in.budget());
    });
    if (known) continue;
    seen.push_back(std::move(key));
    out.push_back(std::move(item));
  }
  return Iterator(in, std::move(out));
}

Value GroupByFilter(In& in, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "groupby", {"attribute", "default", "case_sensitive"}, 1);
  const bool sensitive = Flag(bound[2]);
  std::vector<Keyed> keyed;
  for (Value& item : in.Items(v)) {
    Value key = Follow(in, item, *bound[0], bound[1]);
    keyed.push_back({sensitive ? std::move(key) : IgnoreCase(in, std::move(key)), std::move(item)});
  }
  SortByKey(in, keyed, false);
  std::vector<Value> groups;
  for (std::size_t i = 0; i < keyed.size();) {
    std::vector<Value> members;
    const std::size_t begin = i;
    for (; i < keyed.size() && Equal(keyed[i].key, keyed[begin].key, in.budget()); ++i) {
      members.push_back(keyed[i].item);
    }
    // The name of a group is its first member's own, whatever its case.
    if (i == begin) members.push_back(keyed[i++].item);
    Value name = Follow(in, members[0], *bound[0], bound[1]);
    Value list = in.MakeList(ListKind::kList, std::move(members));
    auto group = std::make_shared<List>(ListKind::kTuple, std::vector<Value>{std::move(name), list},
                                        &in.budget());
    group->group = true;
    groups.emplace_back(ListPtr(std::move(group)));
  }
  return in.MakeList(ListKind::kList, std::move(groups));
}

Value MapFilter(In& in, const Value& v, const Args& arguments) {
  std::vector<Value> out;
  if (!Truth(v)) return Iterator(in, {});
  const bool by_attribute = arguments.positional.empty() &&
                            std::any_of(arguments.keyword.begin(), arguments.keyword.end(),
                                        [](const auto& k) { return k.first == "attribute"; });
  if (by_attribute) {
    const auto bound = Bind(arguments, "map", {"attribute", "default"}, 1);
    for (const Value& item : in.Items(v)) out.push_back(Follow(in, item, *bound[0], bound[1]));
    return Iterator(in, std::move(out));
  }
  if (arguments.positional.empty() || arguments.positional[0].AsStr() == nullptr) {
    FailInvalid("map takes the name of a filter");
  }
  Args rest = arguments;
  rest.positional.erase(rest.positional.begin());
  const std::string_view name = arguments.positional[0].AsStr()->text.bytes();
  for (const Value& item : in.Items(v)) out.push_back(in.ApplyFilter(name, item, rest));
  return Iterator(in, std::move(out));
}

Value Chosen(In& in, const Value& v, const Args& arguments, bool keep, bool by_attribute) {
  std::vector<Value> out;
  if (!Truth(v)) return Iterator(in, {});
  const std::size_t at = by_attribute ? 1 : 0;
  if (arguments.positional.size() < at) FailInvalid("the name of an attribute is missing");
  Args rest = arguments;
  const std::size_t drop = std::min(at + 1, rest.positional.size());
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<std::ptrdiff_t>(drop));
  const Value* test = arguments.positional.size() > at ? &arguments.positional[at] : nullptr;
  if (test != nullptr && test->AsStr() == nullptr) FailInvalid("a test is given by its name");
  for (Value& item : in.Items(v)) {
    const Value seen = by_attribute ? Follow(in, item, arguments.positional[0]) : item;
    const bool holds =
        test != nullptr ? in.ApplyTest(test->AsStr()->text.bytes(), seen, rest) : Truth(seen);
    if (holds == keep) out.push_back(std::move(item));
  }
  return Iterator(in, std::move(out));
}
template <bool kKeep, bool kByAttribute>
Value ChooseFilter(In& in, const Value& v, const Args& arguments) {
  return Chosen(in, v, arguments, kKeep, kByAttribute);
}

Value DefaultFilter(In& /*in*/, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "default", {"default_value", "boolean"}, 0);
  if (!v.IsUndefined() && !(Flag(bound[1]) && !Truth(v))) return v;
  if (bound[0] != nullptr) return *bound[0];
  return Value(std::make_shared<const Str>(Text(), false, nullptr));
}

Value FirstFilter(In& in, const Value& v, const Args& arguments) {
  Bind(arguments, "first", {}, 0);
  if (const List* list = v.AsList()) {
    if (list->kind == ListKind::kIterator) {
      if (list->next < list->items.size()) return list->items[list->next++];
    } else if (!list->items.empty()) {
      return list->items[0];
    }
    return UndefinedNamed("the first of nothing");
  }
  const auto items = in.Items(v);
  return items.empty() ? UndefinedNamed("the first of nothing") : items[0];
}

Value LastFilter(In& in, const Value& v, const Args& arguments) {
  Bind(arguments, "last", {}, 0);
  const List* list = v.AsList();
  if (list != nullptr && list->kind == ListKind::kIterator) FailInvalid("last of an iterator");
  const auto items = in.Items(v);
  return items.empty() ? UndefinedNamed("the last of nothing") : items.back();
}

Value LengthFilter(In& in, const Value& v, const Args& arguments) {
  Bind(arguments, "length", {}, 0);
  return static_cast<Integer>(in.Length(v));
}

Value ListFilter(In& in, const Value& v, const Args& arguments) {
  Bind(arguments, "list", {}, 0);
  return in.MakeList(ListKind::kList, in.Items(v));
}

Value ReverseFilter(In& in, const Value& v, const Args& arguments) {
  Bind(arguments, "reverse", {}, 0);
  std::vector<Value> items = in.Items(v);
  std::reverse(items.begin(), items.end());
  if (v.AsStr() != nullptr) return in.MakeStr(Join(in, items, Text()));
  const List* list = v.AsList();
  const bool as_list = list != nullptr && list->kind == ListKind::kIterator;
  return in.MakeList(as_list ? ListKind::kList : ListKind::kIterator, std::move(items));
}

Value JoinFilter(In& in, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "join", {"d", "attribute"}, 0);
  std::vector<Value> items = in.Items(v);
  if (bound[1] != nullptr && !bound[1]->IsNone()) {
    for (Value& item : items) item = Follow(in, std::move(item), *bound[1]);
  }
  return in.MakeStr(Join(in, items, bound[0] != nullptr ? in.TextOf(*bound[0]) : Text()));
}

Value SumFilter(In& in, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "sum", {"attribute", "start"}, 0);
  Value sum = bound[1] != nullptr ? *bound[1] : Value(Integer{0});
  if (sum.AsStr() != nullptr) FailInvalid("sum does not add strings");
  for (const Value& item : in.Items(v)) {
    sum = Add(in, sum, bound[0] != nullptr ? Follow(in, item, *bound[0]) : item);
  }
  return sum;
}

Value BatchFilter(In& in, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "batch", {"linecount", "fill_with"}, 1);
  const auto size = bound[0]->AsInteger();
  std::vector<Value> out, row;
  const auto flush = [&] { out.push_back(in.MakeList(ListKind::kList, std::exchange(row, {}))); };
  for (Value& item : in.Items(v)) {
    if (size && static_cast<Integer>(row.size()) == *size) flush();
    row.push_back(std::move(item));
  }
  if (row.empty()) return Iterator(in, std::move(out));
  if (bound[1] != nullptr && !bound[1]->IsNone()) {
    if (!size) FailInvalid("batch takes a number");
    if (*size > kMaxRange) FailLimit("a batch is too long");
    while (static_cast<Integer>(row.size()) < *size) row.push_back(*bound[1]);
  }
  flush();
  return Iterator(in, std::move(out));
}

Value SliceFilter(In& in, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "slice", {"slices", "fill_with"}, 1);
  const auto slices = bound[0]->AsInteger();
  if (!slices || *slices == 0) FailInvalid("slice takes a number of slices");
  if (*slices > kMaxRange) FailLimit("too many slices");
  const std::vector<Value> items = in.Items(v);
  const auto size = static_cast<Integer>(items.size());
  std::vector<Value> out;
  auto at = items.begin();
  for (Integer i = 0; i < *slices; ++i) {
    const Integer length = size / *slices + (i < size % *slices ? 1 : 0);
    std::vector<Value> part(at, at + static_cast<std::ptrdiff_t>(length));
    at += static_cast<std::ptrdiff_t>(length);
    const bool fill = bound[1] != nullptr && !bound[1]->IsNone() && i >= size % *slices;
    if (fill) part.push_back(*bound[1]);
    out.push_back(in.MakeList(ListKind::kList, std::move(part)));
  }
  return Iterator(in, std::move(out));
}

Value DictSortFilter(In& in, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "dictsort", {"case_sensitive", "by", "reverse"}, 0);
  const Dict* dict = v.AsDict();
  if (dict == nullptr) FailInvalid(fmt::format("dictsort does not take a {}", TypeName(v)));
  const std::string by(bound[1] != nullptr ? in.TextOf(*bound[1]).bytes() : "key");
  if (by != "key" && by != "value") FailInvalid("dictsort is by key or by value");
  std::vector<Keyed> keyed;
  for (const auto& [key, value] : dict->entries) {
    keyed.push_back({KeyOf(in, by == "key" ? key : value, nullptr, Flag(bound[0])),
                     in.MakeList(ListKind::kTuple, {key, value})});
  }
  SortByKey(in, keyed, Flag(bound[2]));
  std::vector<Value> out;
  for (Keyed& k : keyed) out.push_back(std::move(k.item));
  return in.MakeList(ListKind::kList, std::move(out));
}

Value ItemsFilter(In& in, const Value& v, const Args& arguments) {
  Bind(arguments, "items", {}, 0);
  if (v.IsUndefined()) return Iterator(in, {});
  const Dict* dict = v.AsDict();
  if (dict == nullptr) FailInvalid(fmt::format("items does not take a {}", TypeName(v)));
  std::vector<Value> out;
  for (const auto& [key, value] : dict->entries) {
    out.push_back(in.MakeList(ListKind::kTuple, {key, value}));
  }
  return Iterator(in, std::move(out));
}

Value AttrFilter(In& in, const Value& v, const Args& arguments) {
  const Value& name = *Bind(arguments, "attr", {"name"}, 1)[0];
  if (name.AsStr() == nullptr) FailInvalid("attr takes a string");
  const std::string_view bytes = name.AsStr()->text.bytes();
  if (const Dict* dict = v.AsDict(); dict != nullptr && dict->Find(bytes) != nullptr) {
    const bool method = bytes == "get" || bytes == "items" || bytes == "keys" || bytes == "values";
    if (!method) return UndefinedNamed(std::string(bytes));
  }
  return in.Attribute(v, bytes);
}

constexpr auto kFilters = std::to_array<Filter>({
    {"attr", AttrFilter},
    {"batch", BatchFilter},
    {"count", LengthFilter},
    {"d", DefaultFilter},
    {"default", DefaultFilter},
    {"dictsort", DictSortFilter},
    {"first", FirstFilter},
    {"groupby", GroupByFilter},
    {"items", ItemsFilter},
    {"join", JoinFilter},
    {"last", LastFilter},
    {"length", LengthFilter},
    {"list", ListFilter},
    {"map", MapFilter},
    {"max", ExtremeFilter<true>},
    {"min", ExtremeFilter<false>},
    {"reject", ChooseFilter<false, false>},
    {"rejectattr", ChooseFilter<false, true>},
    {"reverse", ReverseFilter},
    {"select", ChooseFilter<true, false>},
    {"selectattr", ChooseFilter<true, true>},
    {"slice", SliceFilter},
    {"sort", SortFilter},
    {"sum", SumFilter},
    {"unique", UniqueFilter},
});

}  // namespace

const Filter* FindListFilter(std::string_view name) {
  const auto* found = std::find_if(kFilters.begin(), kFilters.end(),
                                   [&](const Filter& f) { return f.name == name; });
  return found == kFilters.end() ? nullptr : found;
}

const Filter* FindFilter(std::string_view name) {
  for (const auto find : {FindListFilter, FindTextFilter, FindNumberFilter}) {
    if (const Filter* filter = find(name)) return filter;
  }
  return nullptr;
}

}  // namespace cairn::model::jinja
