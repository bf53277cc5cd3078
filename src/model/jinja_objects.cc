// SPDX-License-Identifier: Apache-2.0
// Attributes, items, calls and the global functions: where the sandbox's rules are.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/jinja_interpreter.h"
#include "model/utf8.h"

namespace cairn::model::jinja {
namespace {

constexpr std::array<std::string_view, 4> kDictMethods = {"get", "items", "keys", "values"};
constexpr std::array<std::string_view, 2> kListMethods = {"count", "index"};

[[noreturn]] void FailUndefined(const Value& value, std::string_view what) {
  const auto& name = value.If<Undefined>()->name;
  FailInvalid(fmt::format("{} of {}, which is undefined", what,
                          name != nullptr ? "'" + *name + "'" : std::string("a value")));
}

}  // namespace

Interpreter::Interpreter(const RenderInput& input) : input_(input) {
  budget_ = {
      .steps_left = input.limits.steps, .live_bytes = 0, .max_live_bytes = input.limits.live_bytes};
  root_ = std::make_shared<Frame>();
  for (const std::string_view name :
       {"range", "dict", "namespace", "cycler", "joiner", "raise_exception", "strftime_now"}) {
    root_->Set(name, Value(ObjectPtr(MakeObject<Function>(name))));
  }
  const auto token = [&](const std::string& text) {
    std::string clean;
    AppendWellFormed(text, clean);
    return MakeStr(Text(clean, Origin::kTemplate));
  };
  root_->Set("bos_token", token(input.bos_token));
  root_->Set("eos_token", token(input.eos_token));
  root_->Set("messages", FromJson(*this, input.messages));
  root_->Set("tools", input.tools != nullptr ? FromJson(*this, *input.tools) : Value(None{}));
  root_->Set("add_generation_prompt", input.add_generation_prompt);
  for (const auto& [name, value] : input.extra) root_->Set(name, FromJson(*this, value));
}

Interpreter::~Interpreter() {
  // Cycles go through objects and frames: empty each while all of them still exist.
  for (const auto& object : objects_) {
    switch (object->kind) {
      case Object::Kind::kNamespace: static_cast<Namespace&>(*object).attributes.clear(); break;
      case Object::Kind::kMacro: {
        const FramePtr frame = std::exchange(static_cast<MacroValue&>(*object).frame, nullptr);
        frame->variables.clear();
        break;
      }
      case Object::Kind::kLoop: {
        auto& loop = static_cast<LoopState&>(*object);
        if (loop.frame != nullptr) loop.frame->variables.clear();
        loop.frame = nullptr;
        loop.items.clear();
        loop.changed.clear();
        break;
      }
      case Object::Kind::kMethod: static_cast<Method&>(*object).self = Value(); break;
      case Object::Kind::kCycler: static_cast<Cycler&>(*object).items.clear(); break;
      case Object::Kind::kJoiner: static_cast<Joiner&>(*object).separator = Value(); break;
      case Object::Kind::kFunction: break;
    }
  }
  root_->variables.clear();
}

std::vector<Value> Interpreter::Items(const Value& value) {
  if (value.IsUndefined()) return {};
  if (const List* list = value.AsList()) {
    budget_.Spend(list->items.size() / 4);
    if (list->kind != ListKind::kIterator) return list->items;
    const std::size_t from = std::exchange(list->next, list->items.size());
    return {list->items.begin() + static_cast<std::ptrdiff_t>(from), list->items.end()};
  }
  std::vector<Value> items;
  if (const Dict* dict = value.AsDict()) {
    budget_.Spend(dict->entries.size() / 4);
    for (const auto& [key, unused] : dict->entries) items.push_back(key);
    return items;
  }
  if (const Str* s = value.AsStr()) {
    const auto offsets = CodePointOffsets(s->text.bytes());
    budget_.Spend(offsets.size());
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
      items.push_back(MakeStr(s->text.Slice(offsets[i], offsets[i + 1])));
    }
    return items;
  }
  const Object* object = value.AsObject();
  if (object != nullptr && object->kind == Object::Kind::kLoop) {
    FailInvalid("the loop variable cannot be walked");
  }
  FailInvalid(fmt::format("a {} cannot be walked", TypeName(value)));
}

std::size_t Interpreter::Length(const Value& value) {
  if (value.IsUndefined()) return 0;
  if (const Str* s = value.AsStr()) {
    budget_.Spend(s->text.size() / 64);
    return CountCodePoints(s->text.bytes());
  }
  if (const List* l = value.AsList()) {
    if (l->kind == ListKind::kIterator) FailInvalid("an iterator has no length");
    return l->items.size();
  }
  if (const Dict* d = value.AsDict()) return d->entries.size();
  if (Object* o = value.AsObject(); o != nullptr && o->kind == Object::Kind::kLoop) {
    return static_cast<LoopState*>(o)->items.size();
  }
  FailInvalid(fmt::format("a {} has no length", TypeName(value)));
}

bool Interpreter::HasMethod(const Value& object, std::string_view name) const {
  const auto in = [&](const auto& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (object.AsStr() != nullptr) return HasStringMethod(name);
  if (object.AsDict() != nullptr) return in(kDictMethods) || name == "copy";
  const List* list = object.AsList();
  if (list == nullptr) return false;
  return (list->Sequence() && in(kListMethods)) ||
         (list->kind == ListKind::kList && name == "copy");
}

Value Interpreter::Attribute(const Value& object, std::string_view name) {
  if (object.IsUndefined()) {
    FailUndefined(object, fmt::format("the attribute '{}' was asked", name));
  }
  if (Object* o = object.AsObject()) {
    if (o->kind == Object::Kind::kLoop) return LoopAttribute(*static_cast<LoopState*>(o), name);
    if (o->kind == Object::Kind::kNamespace) {
      for (const auto& [key, value] : static_cast<Namespace*>(o)->attributes) {
        if (key == name) return value;
      }
    }
    if (o->kind == Object::Kind::kMacro && name == "name") {
      return MakeStr(static_cast<MacroValue*>(o)->macro->name);
    }
    if (o->kind == Object::Kind::kCycler) {
      auto& cycler = *static_cast<Cycler*>(o);
      if (name == "current") return cycler.items[cycler.at];
      if (name == "next" || name == "reset") {
        return Value(ObjectPtr(MakeObject<Method>(object, std::string(name))));
      }
    }
    return UndefinedNamed(std::string(name));
  }
  if (HasMethod(object, name))
    return Value(ObjectPtr(MakeObject<Method>(object, std::string(name))));
  if (const List* list = object.AsList(); list != nullptr && list->group) {
    if (name == "grouper") return list->items[0];
    if (name == "list") return list->items[1];
  }
  if (const Dict* dict = object.AsDict()) {
    // What the sandbox hides, and what dict has but a template may not use, is not looked up.
    for (const auto hidden : {"clear", "pop", "popitem", "setdefault", "update", "fromkeys"}) {
      if (name == hidden) return UndefinedNamed(std::string(name));
    }
    if (const Value* value = dict->Find(name)) return *value;
  }
  return UndefinedNamed(std::string(name));
}

Value Interpreter::Item(const Value& object, const Value& key) {
  if (object.IsUndefined()) FailUndefined(object, "an item was asked");
  if (const Dict* dict = object.AsDict()) {
    const List* list = key.AsList();
    const bool hashable =
        key.AsDict() == nullptr && (list == nullptr || list->kind != ListKind::kList);
    if (hashable) {
      budget_.Spend(key.AsStr() != nullptr ? 1 : dict->entries.size());
      if (const Value* value = dict->Find(key)) return *value;
    }
  }
  const auto at = [&](std::size_t size) -> std::optional<std::size_t> {
    const auto i = key.AsInteger();
    if (!i) return std::nullopt;
    const Integer index = *i < 0 ? *i + static_cast<Integer>(size) : *i;
    if (index < 0 || index >= static_cast<Integer>(size)) return std::nullopt;
    return static_cast<std::size_t>(index);
  };
  if (const List* list = object.AsList(); list != nullptr && list->Sequence()) {
    if (const auto index = at(list->items.size())) return list->items[*index];
  }
  if (const Str* s = object.AsStr(); s != nullptr && key.AsInteger()) {
    const auto offsets = CodePointOffsets(s->text.bytes());
    budget_.Spend(offsets.size() / 16);
    if (const auto index = at(offsets.size() - 1)) {
      return MakeStr(s->text.Slice(offsets[*index], offsets[*index + 1]));
    }
  }
  if (const Str* name = key.AsStr()) {
    // A dictionary's own keys were looked up above, so only its methods are left.
    const std::string_view bytes = name->text.bytes();
    if (object.AsDict() == nullptr || HasMethod(object, bytes)) return Attribute(object, bytes);
    return UndefinedNamed(std::string(bytes));
  }
  return UndefinedNamed(std::string(TextOf(key).bytes().substr(0, 100)));
}

Value Interpreter::LoopAttribute(LoopState& loop, std::string_view name) {
  const auto index = static_cast<Integer>(loop.index);
  const auto size = static_cast<Integer>(loop.items.size());
  if (name == "index") return index + 1;
  if (name == "index0") return index;
  if (name == "revindex") return size - index;
  if (name == "revindex0") return size - index - 1;
  if (name == "first") return index == 0;
  if (name == "last") return index + 1 == size;
  if (name == "length") return size;
  if (name == "depth") return Integer{loop.depth + 1};
  if (name == "depth0") return Integer{loop.depth};
  if (name == "previtem")
    return index > 0 ? loop.items[loop.index - 1] : UndefinedNamed("previtem");
  if (name == "nextitem") {
    return index + 1 < size ? loop.items[loop.index + 1] : UndefinedNamed("nextitem");
  }
  if (name == "cycle" || name == "changed") {
    return Value(ObjectPtr(MakeObject<Method>(Value(loop.shared_from_this()), std::string(name))));
  }
  return UndefinedNamed(std::string(name));
}

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
  const Value dict = MakeDict(std::move(entries));
  if (name == "dict") return dict;
  auto space = MakeObject<Namespace>();
  for (const auto& [key, value] : dict.AsDict()->entries) {
    if (key.AsStr() != nullptr) space->attributes.emplace_back(key.AsStr()->text.bytes(), value);
  }
  return Value(ObjectPtr(space));
}

}  // namespace cairn::model::jinja
