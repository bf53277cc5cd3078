// SPDX-License-Identifier: Apache-2.0
// Execution of statements.
#include <fmt/format.h>

#include <algorithm>

#include "model/jinja_interpreter.h"

namespace cairn::model::jinja {

const Value* Frame::Find(std::string_view name) const {
  for (const auto& [key, value] : variables) {
    if (key == name) return &value;
  }
  return nullptr;
}

void Frame::Set(std::string_view name, Value value) {
  for (auto& [key, old] : variables) {
    if (key != name) continue;
    old = std::move(value);
    return;
  }
  variables.emplace_back(name, std::move(value));
}

FramePtr Interpreter::Inner(const FramePtr& parent) {
  budget_.Spend(1);
  auto frame = std::make_shared<Frame>();
  frame->parent = parent;
  return frame;
}

Text Interpreter::Run(const Body& body) {
  Text out;
  Exec(body, root_, out);
  return out;
}

void Interpreter::Emit(const Text& text, Text& out) {
  budget_.Spend(text.size() / 64);
  out.Append(text);
  if (out.size() > input_.limits.output_bytes) {
    FailLimit(fmt::format("the prompt grew beyond {} bytes", input_.limits.output_bytes));
  }
}

Interpreter::Flow Interpreter::Exec(const Body& body, const FramePtr& frame, Text& out) {
  const Depth depth(*this);
  for (const auto& stmt : body) {
    const Flow flow = ExecOne(*stmt, frame, out);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::ExecOne(const Stmt& stmt, const FramePtr& frame, Text& out) {
  budget_.Spend(1);
  switch (stmt.kind) {
    case StmtKind::kData: Emit(stmt.text, out); break;
    case StmtKind::kPrint: {
      const Value value = Eval(*stmt.expr, frame);
      if (const Str* s = value.AsStr())
        Emit(s->text, out);
      else
        Emit(TextOf(value), out);
      break;
    }
    case StmtKind::kFor: return ExecFor(stmt, frame, out);
    case StmtKind::kIf: return ExecIf(stmt, frame, out);
    case StmtKind::kSet: Assign(*stmt.target, Eval(*stmt.expr, frame), frame, frame); break;
    case StmtKind::kMacro: {
      auto macro = MakeObject<MacroValue>();
      macro->macro = &stmt;
      macro->frame = frame;
      frame->Set(stmt.name, Value(ObjectPtr(macro)));
      break;
    }
    case StmtKind::kCallBlock: ExecCallBlock(stmt, frame, out); break;
    case StmtKind::kSetBlock:
    case StmtKind::kFilterBlock:
    case StmtKind::kWith:
    case StmtKind::kScope: return ExecBlock(stmt, frame, out);
    case StmtKind::kBreak: return Flow::kBreak;
    case StmtKind::kContinue: return Flow::kContinue;
    case StmtKind::kNoLoader: FailInvalid(stmt.name);
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::ExecIf(const Stmt& stmt, const FramePtr& frame, Text& out) {
  for (const auto& [test, body] : stmt.branches) {
    if (Truth(Eval(*test, frame))) return Exec(body, frame, out);
  }
  return Exec(stmt.otherwise, frame, out);
}

Interpreter::Flow Interpreter::ExecBlock(const Stmt& stmt, const FramePtr& frame, Text& out) {
  const FramePtr inner = Inner(frame);
  if (stmt.kind == StmtKind::kWith) {
    for (const auto& [target, value] : stmt.assignments) {
      Assign(*target, Eval(*value, frame), frame, inner);
    }
  }
  if (stmt.kind == StmtKind::kWith || stmt.kind == StmtKind::kScope) {
    return Exec(stmt.body, inner, out);
  }
  Text text;
  const Flow flow = Exec(stmt.body, inner, text);
  if (flow != Flow::kNext) return flow;
  Value value = MakeStr(std::move(text));
  if (stmt.expr != nullptr) value = EvalFilter(*stmt.expr, frame, &value);
  if (stmt.kind == StmtKind::kSetBlock)
    Assign(*stmt.target, std::move(value), frame, frame);
  else
    Emit(TextOf(value), out);
  return Flow::kNext;
}

void Interpreter::Assign(const Expr& target, Value value, const FramePtr& frame,
                         const FramePtr& into) {
  if (target.kind == ExprKind::kName) return into->Set(target.name, std::move(value));
  if (target.kind == ExprKind::kNamespace) {
    const Value object = EvalName(target, frame);
    Object* o = object.AsObject();
    if (o == nullptr || o->kind != Object::Kind::kNamespace) {
      FailInvalid(
          fmt::format("'{}' is not a namespace: its attributes cannot be set", target.name));
    }
    auto& attributes = static_cast<Namespace*>(o)->attributes;
    const auto found = std::find_if(attributes.begin(), attributes.end(),
                                    [&](const auto& a) { return a.first == target.attribute; });
    if (found != attributes.end())
      found->second = std::move(value);
    else
      attributes.emplace_back(target.attribute, std::move(value));
    return;
  }
  std::vector<Value> items = Items(value);
  if (items.size() != target.children.size()) {
    FailInvalid(fmt::format("{} values for {} names", items.size(), target.children.size()));
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    Assign(*target.children[i], std::move(items[i]), frame, into);
  }
}

Interpreter::Flow Interpreter::ExecFor(const Stmt& stmt, const FramePtr& frame, Text& out) {
  return RunLoop(stmt, frame, Eval(*stmt.expr, frame), 0, out);
}

Interpreter::Flow Interpreter::RunLoop(const Stmt& stmt, const FramePtr& frame,
                                       const Value& iterable, int depth, Text& out) {
  auto loop = MakeObject<LoopState>();
  loop->depth = depth;
  loop->recursive = stmt.recursive ? &stmt : nullptr;
  if (stmt.recursive) loop->frame = frame;
  loop->items = Items(iterable);
  if (stmt.test != nullptr) {
    std::vector<Value> kept;
    for (Value& item : loop->items) {
      const FramePtr inner = Inner(frame);
      Assign(*stmt.target, item, inner, inner);
      if (Truth(Eval(*stmt.test, inner))) kept.push_back(std::move(item));
    }
    loop->items = std::move(kept);
  }
  const Value loop_value{ObjectPtr(loop)};
  for (std::size_t i = 0; i < loop->items.size(); ++i) {
    loop->index = i;
    const FramePtr inner = Inner(frame);
    inner->Set("loop", loop_value);
    Assign(*stmt.target, loop->items[i], inner, inner);
    if (Exec(stmt.body, inner, out) == Flow::kBreak) break;
  }
  if (loop->items.empty()) return Exec(stmt.otherwise, Inner(frame), out);
  return Flow::kNext;
}

void Interpreter::ExecCallBlock(const Stmt& stmt, const FramePtr& frame, Text& out) {
  auto caller = MakeObject<MacroValue>();
  caller->macro = &stmt;
  caller->frame = frame;
  const Expr& call = *stmt.expr;
  const Value function = Eval(*call.children[0], frame);
  Arguments arguments = EvalArguments(call, frame);
  arguments.keyword.emplace_back("caller", Value(ObjectPtr(caller)));
  Emit(TextOf(Call(function, arguments)), out);
}

Value Interpreter::CallMacro(const MacroValue& value, const Arguments& arguments) {
  const Depth depth(*this);
  const Stmt& macro = *value.macro;
  const FramePtr frame = Inner(value.frame);
  const auto& parameters = macro.parameters;
  std::vector<bool> used(arguments.keyword.size());
  const auto keyword = [&](std::string_view name) -> const Value* {
    for (std::size_t i = 0; i < used.size(); ++i) {
      if (used[i] || arguments.keyword[i].first != name) continue;
      used[i] = true;
      return &arguments.keyword[i].second;
    }
    return nullptr;
  };
  bool named_caller = false;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Parameter& p = parameters[i];
    named_caller = named_caller || p.name == "caller";
    if (i < arguments.positional.size())
      frame->Set(p.name, arguments.positional[i]);
    else if (const Value* v = keyword(p.name))
      frame->Set(p.name, *v);
    else if (p.fallback != nullptr)
      frame->Set(p.name, Eval(*p.fallback, frame));
    else
      frame->Set(p.name, UndefinedNamed(p.name));
  }
  if (macro.takes_caller && !named_caller) {
    const Value* caller = keyword("caller");
    frame->Set("caller", caller != nullptr ? *caller : UndefinedNamed("caller"));
  }
  std::vector<std::pair<Value, Value>> rest;
  for (std::size_t i = 0; i < used.size(); ++i) {
    const auto& [name, v] = arguments.keyword[i];
    if (used[i]) continue;
    if (!macro.takes_kwargs) FailInvalid(fmt::format("the macro takes no argument '{}'", name));
    rest.emplace_back(MakeStr(name), v);
  }
  if (macro.takes_kwargs) frame->Set("kwargs", MakeDict(std::move(rest)));
  const std::size_t known = std::min(parameters.size(), arguments.positional.size());
  if (known < arguments.positional.size() && !macro.takes_varargs) {
    FailInvalid(fmt::format("the macro takes not more than {} arguments", parameters.size()));
  }
  if (macro.takes_varargs) {
    const auto begin = arguments.positional.begin() + static_cast<std::ptrdiff_t>(known);
    frame->Set("varargs", MakeList(ListKind::kTuple, {begin, arguments.positional.end()}));
  }
  Text out;
  Exec(macro.body, frame, out);
  return MakeStr(std::move(out));
}

}  // namespace cairn::model::jinja
