// SPDX-License-Identifier: Apache-2.0
// What a rendering begins and ends with; items, lengths and attributes of values: where the
// sandbox's rules are.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/jinja_interpreter.h"
#include "model/utf8.h"

namespace cairn::model::jinja {
namespace {

constexpr std::array<std::string_view, 4> kDictMethods = {"get", "items", "keys", "values"};
constexpr std::array<std::string_view, 2> kListMethods = {"count", "index"};

}  // namespace

void FailUndefined(const Value& value, std::string_view what) {
  const auto& name = value.If<Undefined>()->name;
  FailInvalid(fmt::format("{} of {}, which is undefined", what,
                          name != nullptr ? "'" + *name + "'" : std::string("a value")));
}

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

}  // namespace cairn::model::jinja
