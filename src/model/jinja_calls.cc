// SPDX-License-Identifier: Apache-2.0
// Calls: methods of lists, dictionaries and loops, and the global functions; macros are run in
// jinja_statements.cc.
#include <fmt/format.h>

#include <algorithm>

#include "model/jinja_interpreter.h"

namespace cairn::model::jinja {

Value Interpreter::CallLoop(LoopState& loop, std::string_view name, const Arguments& arguments) {
  const auto& items = arguments.positional;
  if (name == "cycle") {
    if (items.empty()) FailInvalid("loop.cycle needs items");
    return items[loop.index % items.size()];
  }
  const bool same =
      loop.has_changed && loop.changed.size() == items.size() &&
      std::equal(items.begin(), items.end(), loop.changed.begin(),
                 [&](const Value& a, const Value& b) { return Equal(a, b, budget_); });
  loop.has_changed = true;
  if (!same) loop.changed = items;
  return !same;
}

Value Interpreter::Call(const Value& callee, const Arguments& arguments) {
  const Depth depth(*this);
  if (callee.IsUndefined()) FailUndefined(callee, "a call");
  Object* object = callee.AsObject();
  if (object == nullptr) FailInvalid(fmt::format("a {} cannot be called", TypeName(callee)));
  switch (object->kind) {
    case Object::Kind::kMacro: return CallMacro(*static_cast<MacroValue*>(object), arguments);
    case Object::Kind::kFunction:
      return CallFunction(static_cast<Function*>(object)->name, arguments);
    case Object::Kind::kMethod: {
      const auto& method = *static_cast<Method*>(object);
      return CallMethod(method.self, method.name, arguments);
    }
    case Object::Kind::kJoiner: {
      auto& joiner = *static_cast<Joiner*>(object);
      return std::exchange(joiner.used, true) ? joiner.separator : MakeStr("");
    }
    case Object::Kind::kLoop: {
      auto& loop = *static_cast<LoopState*>(object);
      if (loop.recursive == nullptr) FailInvalid("the loop is not marked as recursive");
      const Value iterable = *Bind(arguments, "loop", {"iterable"}, 1)[0];
      Text text;
      RunLoop(*loop.recursive, loop.frame, iterable, loop.depth + 1, text);
      return MakeStr(std::move(text));
    }
    case Object::Kind::kNamespace:
    case Object::Kind::kCycler: break;
  }
  FailInvalid("this object cannot be called");
}

Value Interpreter::CallMethod(const Value& self, std::string_view name,
                              const Arguments& arguments) {
  budget_.Spend(1);
  if (self.AsStr() != nullptr) return CallStringMethod(*this, self, name, arguments);
  if (const Dict* dict = self.AsDict()) {
    if (name == "copy") return self;
    return CallDictMethod(*dict, name, arguments);
  }
  if (const List* list = self.AsList()) {
    if (name == "copy") return self;
    return CallListMethod(*list, name, arguments);
  }
  Object* object = self.AsObject();
  if (object != nullptr && object->kind == Object::Kind::kLoop) {
    return CallLoop(*static_cast<LoopState*>(object), name, arguments);
  }
  if (object != nullptr && object->kind == Object::Kind::kCycler) {
    auto& cycler = *static_cast<Cycler*>(object);
    if (name == "reset") {
      cycler.at = 0;
      return None{};
    }
    const std::size_t at = cycler.at;
    cycler.at = (at + 1) % cycler.items.size();
    return cycler.items[at];
  }
  FailInvalid(fmt::format("no method '{}'", name));
}

Value Interpreter::CallDictMethod(const Dict& dict, std::string_view name,
                                  const Arguments& arguments) {
  if (name == "get") {
    if (!arguments.keyword.empty()) FailInvalid("dict.get takes no keywords");
    const auto bound = Bind(arguments, "get", {"key", "default"}, 1);
    RequireHashable(*bound[0]);
    budget_.Spend(bound[0]->AsStr() != nullptr ? 1 : dict.entries.size());
    if (const Value* value = dict.Find(*bound[0])) return *value;
    return bound[1] != nullptr ? *bound[1] : Value(None{});
  }
  Bind(arguments, name, {}, 0);
  std::vector<Value> items;
  items.reserve(dict.entries.size());
  for (const auto& [key, value] : dict.entries) {
    if (name == "keys")
      items.push_back(key);
    else if (name == "values")
      items.push_back(value);
    else
      items.push_back(MakeList(ListKind::kTuple, {key, value}));
  }
  return MakeList(name == "keys"     ? ListKind::kKeys
                  : name == "values" ? ListKind::kValues
                                     : ListKind::kItems,
                  std::move(items));
}

Value Interpreter::CallListMethod(const List& list, std::string_view name,
                                  const Arguments& arguments) {
  if (!arguments.keyword.empty()) FailInvalid(fmt::format("{} takes no keywords", name));
  const bool window = name == "index" && list.kind != ListKind::kRange;
  const auto bound = window ? Bind(arguments, name, {"value", "start", "stop"}, 1)
                            : Bind(arguments, name, {"value"}, 1);
  const auto size = static_cast<Integer>(list.items.size());
  const auto place = [&](std::size_t argument, Integer fallback) {
    if (bound.size() <= argument || bound[argument] == nullptr) return fallback;
    const auto i = bound[argument]->AsInteger();
    if (!i) FailInvalid(fmt::format("{} takes integers as start and stop", name));
    return std::clamp<Integer>(*i < 0 ? *i + size : *i, 0, size);
  };
  const Integer stop = place(2, size);
  Integer count = 0;
  for (Integer at = place(1, 0); at < stop; ++at) {
    const auto i = static_cast<std::size_t>(at);
    if (!Equal(list.items[i], *bound[0], budget_)) continue;
    if (name == "index") return at;
    ++count;
  }
  if (name == "index") FailInvalid("the value is not in the list");
  return count;
}

Value Interpreter::MakeRange(const Arguments& arguments) {
  if (!arguments.keyword.empty()) FailInvalid("range takes no keywords");
  const auto bound = Bind(arguments, "range", {"start", "stop", "step"}, 1);
  Integer numbers[3] = {0, 0, 1};
  for (std::size_t i = 0; i < 3; ++i) {
    if (bound[i] == nullptr) continue;
    const auto number = bound[i]->AsInteger();
    if (!number) FailInvalid("range takes integers");
    numbers[i] = *number;
  }
  if (bound[1] == nullptr) std::swap(numbers[0], numbers[1]);
  const auto [start, stop, step] = numbers;
  if (step == 0) FailInvalid("the step of a range is zero");
  constexpr Integer kFar = Integer{1} << 100;
  if (start < -kFar || start > kFar || stop < -kFar || stop > kFar || step < -kFar || step > kFar) {
    FailLimit("a range is too large");
  }
  const Integer size =
      step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step;
  if (size > kMaxRange) FailLimit("a range is longer than 100,000");
  std::vector<Value> items;
  items.reserve(static_cast<std::size_t>(std::max<Integer>(size, 0)));
  for (Integer i = 0; i < size; ++i) items.push_back(start + i * step);
  budget_.Spend(items.size());
  auto list = std::make_shared<List>(ListKind::kRange, std::move(items), &budget_);
  list->start = start;
  list->stop = stop;
  list->step = step;
  return Value(ListPtr(std::move(list)));
}

Value Interpreter::CallFunction(std::string_view name, const Arguments& arguments) {
  if (name == "range") return MakeRange(arguments);
  if (name == "raise_exception") {
    const auto bound = Bind(arguments, name, {"message"}, 1);
    FailInvalid("the chat template refuses: " + std::string(TextOf(*bound[0]).bytes()));
  }
  if (name == "strftime_now") {
    const auto bound = Bind(arguments, name, {"format"}, 1);
    if (bound[0]->AsStr() == nullptr) FailInvalid("strftime_now takes a string");
    if (!input_.now) FailInvalid("strftime_now: there is no clock");
    return MakeStr(
        StrfTime(bound[0]->AsStr()->text.bytes(), input_.now().time_since_epoch().count()));
  }
  if (name == "joiner") {
    const auto bound = Bind(arguments, name, {"sep"}, 0);
    auto joiner = MakeObject<Joiner>();
    joiner->separator = bound[0] != nullptr ? *bound[0] : MakeStr(Text(", ", Origin::kTemplate));
    return Value(ObjectPtr(joiner));
  }
  if (name == "cycler") {
    if (arguments.positional.empty() || !arguments.keyword.empty())
      FailInvalid("no items to cycle");
    auto cycler = MakeObject<Cycler>();
    cycler->items = arguments.positional;
    return Value(ObjectPtr(cycler));
  }
  // dict and namespace: an optional mapping or list of pairs, then keywords
  std::vector<std::pair<Value, Value>> entries;
  if (arguments.positional.size() > 1) FailInvalid(fmt::format("{} takes one argument", name));
  if (!arguments.positional.empty()) {
    const Value& from = arguments.positional[0];
    if (const Dict* dict = from.AsDict())
      entries = dict->entries;
    else {
      for (const Value& pair : Items(from)) {
        std::vector<Value> two = Items(pair);
        if (two.size() != 2) FailInvalid(fmt::format("{} takes pairs", name));
        entries.emplace_back(two[0], two[1]);
      }
    }
  }
  for (const auto& [key, value] : arguments.keyword) entries.emplace_back(MakeStr(key), value);
  Value dict = MakeDict(std::move(entries));
  if (name == "dict") return dict;
  auto space = MakeObject<Namespace>();
  for (const auto& [key, value] : dict.AsDict()->entries) {
    if (key.AsStr() != nullptr) space->attributes.emplace_back(key.AsStr()->text.bytes(), value);
  }
  return Value(ObjectPtr(space));
}

}  // namespace cairn::model::jinja
