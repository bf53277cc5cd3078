// SPDX-License-Identifier: Apache-2.0
// Evaluation of expressions.
#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "model/jinja_interpreter.h"

namespace cairn::model::jinja {

Interpreter::Depth::Depth(Interpreter& i) : interpreter(i) {
  i.budget_.Spend(1);
  if (++i.depth_ > i.input_.limits.depth) {
    --i.depth_;
    FailLimit("the chat template recurses too deeply");
  }
}

Value UndefinedNamed(std::string name) {
  return Undefined{std::make_shared<const std::string>(std::move(name))};
}

Value Interpreter::MakeStr(Text text, bool markup) {
  return Value(std::make_shared<const Str>(std::move(text), markup, &budget_));
}
Value Interpreter::MakeList(ListKind kind, std::vector<Value> items) {
  budget_.Spend(items.size() / 4);
  return Value(std::make_shared<const List>(kind, std::move(items), &budget_));
}
Value Interpreter::MakeDict(std::vector<std::pair<Value, Value>> entries) {
  budget_.Spend(entries.size());
  return Value(std::make_shared<const Dict>(std::move(entries), &budget_));
}

Value Interpreter::Eval(const Expr& expr, const FramePtr& frame) {
  const Depth depth(*this);
  switch (expr.kind) {
    case ExprKind::kConst: return expr.constant;
    case ExprKind::kName: return EvalName(expr, frame);
    case ExprKind::kTuple:
    case ExprKind::kList:
    case ExprKind::kDict: return EvalCollection(expr, frame);
    case ExprKind::kCondition: return EvalCondition(expr, frame);
    case ExprKind::kAnd:
    case ExprKind::kOr: {
      Value left = Eval(*expr.children[0], frame);
      if (Truth(left) == (expr.kind == ExprKind::kOr)) return left;
      return Eval(*expr.children[1], frame);
    }
    case ExprKind::kNot:
    case ExprKind::kNegative:
    case ExprKind::kPositive: return EvalUnary(expr, frame);
    case ExprKind::kBinary: {
      const Value a = Eval(*expr.children[0], frame);
      const Value b = Eval(*expr.children[1], frame);
      if (expr.operators[0] == Op::kAdd) return Add(*this, a, b);
      return Arithmetic(*this, expr.operators[0], a, b);
    }
    case ExprKind::kConcat: return EvalConcat(expr, frame);
    case ExprKind::kCompare: return EvalCompare(expr, frame);
    case ExprKind::kAttribute: return Attribute(Eval(*expr.children[0], frame), expr.name);
    case ExprKind::kItem: return EvalItem(expr, frame);
    case ExprKind::kSlice: FailInvalid("a slice outside of brackets");
    case ExprKind::kCall: return EvalCall(expr, frame);
    case ExprKind::kFilter: return EvalFilter(expr, frame, nullptr);
    case ExprKind::kTest: return EvalTest(expr, frame);
    case ExprKind::kNamespace: break;
  }
  FailInvalid("an expression that cannot be evaluated");
}

Value Interpreter::EvalName(const Expr& expr, const FramePtr& frame) {
  for (const Frame* f = frame.get(); f != nullptr; f = f->parent.get()) {
    if (const Value* value = f->Find(expr.name)) return *value;
  }
  return UndefinedNamed(expr.name);
}

Value Interpreter::EvalCollection(const Expr& expr, const FramePtr& frame) {
  std::vector<Value> items;
  items.reserve(expr.children.size());
  for (const ExprPtr& child : expr.children) items.push_back(Eval(*child, frame));
  if (expr.kind != ExprKind::kDict) {
    return MakeList(expr.kind == ExprKind::kTuple ? ListKind::kTuple : ListKind::kList,
                    std::move(items));
  }
  std::vector<std::pair<Value, Value>> entries;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2)
    entries.emplace_back(items[i], items[i + 1]);
  return MakeDict(std::move(entries));
}

Value Interpreter::EvalCondition(const Expr& expr, const FramePtr& frame) {
  if (Truth(Eval(*expr.children[0], frame))) return Eval(*expr.children[1], frame);
  if (expr.children[2] == nullptr) return Undefined{};
  return Eval(*expr.children[2], frame);
}

Value Interpreter::EvalUnary(const Expr& expr, const FramePtr& frame) {
  const Value value = Eval(*expr.children[0], frame);
  if (expr.kind == ExprKind::kNot) return !Truth(value);
  const bool negative = expr.kind == ExprKind::kNegative;
  if (const auto i = value.AsInteger()) return negative ? Negated(*i) : *i;
  if (const auto* d = value.If<double>()) return negative ? Value(-*d) : Value(*d);
  FailInvalid(fmt::format("a sign before a {}", TypeName(value)));
}

Value Interpreter::EvalConcat(const Expr& expr, const FramePtr& frame) {
  Text out;
  for (const ExprPtr& child : expr.children) out.Append(TextOf(Eval(*child, frame)));
  budget_.Spend(out.size() / 64);
  return MakeStr(std::move(out));
}

bool Interpreter::CompareOnce(Op op, const Value& a, const Value& b) {
  switch (op) {
    case Op::kEq: return Equal(a, b, budget_);
    case Op::kNe: return !Equal(a, b, budget_);
    case Op::kIn: return Contains(*this, b, a);
    case Op::kNotIn: return !Contains(*this, b, a);
    default: break;
  }
  const int order = Compare(a, b, budget_);
  if (order == 2) return false;
  return op == Op::kLt   ? order < 0
         : op == Op::kLe ? order <= 0
         : op == Op::kGt ? order > 0
                         : order >= 0;
}

Value Interpreter::EvalCompare(const Expr& expr, const FramePtr& frame) {
  Value left = Eval(*expr.children[0], frame);
  for (std::size_t i = 0; i < expr.operators.size(); ++i) {
    Value right = Eval(*expr.children[i + 1], frame);
    if (!CompareOnce(expr.operators[i], left, right)) return false;
    left = std::move(right);
  }
  return true;
}

Value Interpreter::EvalItem(const Expr& expr, const FramePtr& frame) {
  const Value object = Eval(*expr.children[0], frame);
  const Expr& index = *expr.children[1];
  if (index.kind != ExprKind::kSlice) return Item(object, Eval(index, frame));
  const auto part = [&](std::size_t i) {
    return index.children[i] == nullptr ? Value(None{}) : Eval(*index.children[i], frame);
  };
  const Value start = part(0), stop = part(1), step = part(2);
  return SliceOf(object, start, stop, step);
}

Value Interpreter::SliceOf(const Value& object, const Value& start, const Value& stop,
                           const Value& step) {
  const Str* s = object.AsStr();
  const List* list = object.AsList();
  if (object.IsUndefined()) FailInvalid("a slice of an undefined value");
  if (s == nullptr && (list == nullptr || !list->Sequence())) {
    FailInvalid(fmt::format("a slice of a {}", TypeName(object)));
  }
  for (const Value* v : {&start, &stop, &step}) {
    if (!v->IsNone() && !v->AsInteger()) FailInvalid("the parts of a slice are integers");
  }
  std::vector<std::size_t> offsets;
  if (s != nullptr) offsets = CodePointOffsets(s->text.bytes());
  const auto size = static_cast<Integer>(s != nullptr ? offsets.size() - 1 : list->items.size());
  const Integer asked = step.AsInteger().value_or(1);
  if (asked == 0) FailInvalid("the step of a slice is zero");
  // A longer step than the sequence takes its first item alone, like this one.
  const Integer by = std::clamp<Integer>(asked, -size - 1, size + 1);
  const auto clamp = [&](const Value& v, Integer fallback) {
    if (v.IsNone()) return fallback;
    const Integer i = *v.AsInteger();
    const Integer low = by > 0 ? 0 : -1;
    const Integer high = by > 0 ? size : size - 1;
    return std::clamp(i < 0 ? i + size : i, low, high);
  };
  const Integer from = clamp(start, by > 0 ? 0 : size - 1);
  const Integer to = clamp(stop, by > 0 ? size : -1);
  budget_.Spend(static_cast<std::uint64_t>(size) / 16);
  if (s != nullptr && by == 1) {
    if (from >= to) return MakeStr(Text());
    return MakeStr(s->text.Slice(offsets[static_cast<std::size_t>(from)],
                                 offsets[static_cast<std::size_t>(to)]));
  }
  Text text;
  std::vector<Value> items;
  for (Integer i = from; by > 0 ? i < to : i > to; i += by) {
    const auto at = static_cast<std::size_t>(i);
    if (s != nullptr)
      text.AppendSlice(s->text, offsets[at], offsets[at + 1]);
    else
      items.push_back(list->items[at]);
  }
  if (s != nullptr) return MakeStr(std::move(text));
  if (list->kind == ListKind::kRange) {
    auto range = std::make_shared<List>(ListKind::kRange, std::move(items), &budget_);
    range->start = list->start + from * list->step;
    range->stop = list->start + to * list->step;
    if (__builtin_mul_overflow(list->step, asked, &range->step)) {
      FailLimit("the step of a range is too large");
    }
    return Value(ListPtr(std::move(range)));
  }
  return MakeList(list->kind == ListKind::kTuple ? ListKind::kTuple : ListKind::kList,
                  std::move(items));
}

Arguments Interpreter::EvalArguments(const Expr& expr, const FramePtr& frame) {
  Arguments arguments;
  for (std::size_t i = 1; i < expr.children.size(); ++i) {
    arguments.positional.push_back(Eval(*expr.children[i], frame));
  }
  for (const auto& [name, value] : expr.keywords) {
    arguments.keyword.emplace_back(name, Eval(*value, frame));
  }
  if (expr.star != nullptr) {
    for (Value& v : Items(Eval(*expr.star, frame))) arguments.positional.push_back(std::move(v));
  }
  if (expr.star_star != nullptr) {
    const Value value = Eval(*expr.star_star, frame);
    const Dict* dict = value.AsDict();
    if (dict == nullptr) FailInvalid("the argument after ** is not a dictionary");
    for (const auto& [key, item] : dict->entries) {
      if (key.AsStr() == nullptr) FailInvalid("keywords must be strings");
      const std::string name(key.AsStr()->text.bytes());
      for (const auto& [other, unused] : expr.keywords) {
        if (other == name) FailInvalid(fmt::format("two values for the argument '{}'", name));
      }
      arguments.keyword.emplace_back(name, item);
    }
  }
  return arguments;
}

Value Interpreter::EvalCall(const Expr& expr, const FramePtr& frame) {
  const Expr& callee = *expr.children[0];
  if (callee.kind == ExprKind::kAttribute) {
    // The common case x.method(...), without making a value of the method.
    const Value self = Eval(*callee.children[0], frame);
    if (self.AsObject() == nullptr && HasMethod(self, callee.name)) {
      return CallMethod(self, callee.name, EvalArguments(expr, frame));
    }
    const Value function = Attribute(self, callee.name);
    return Call(function, EvalArguments(expr, frame));
  }
  const Value function = Eval(callee, frame);
  return Call(function, EvalArguments(expr, frame));
}

Value Interpreter::EvalFilter(const Expr& expr, const FramePtr& frame, const Value* piped) {
  // In a filter block the innermost filter has no value: the block's text comes in its place.
  Value input;
  const Expr* child = expr.children[0].get();
  if (child == nullptr) {
    CAIRN_CHECK(piped != nullptr);
    input = *piped;
  } else {
    input = piped != nullptr ? EvalFilter(*child, frame, piped) : Eval(*child, frame);
  }
  if (expr.filter == nullptr) FailInvalid(fmt::format("no filter named '{}'", expr.name));
  return expr.filter->apply(*this, input, EvalArguments(expr, frame));
}

Value Interpreter::EvalTest(const Expr& expr, const FramePtr& frame) {
  const Value input = Eval(*expr.children[0], frame);
  if (expr.test == nullptr) FailInvalid(fmt::format("no test named '{}'", expr.name));
  return expr.test->apply(*this, input, EvalArguments(expr, frame));
}

Value Interpreter::ApplyFilter(std::string_view name, const Value& input,
                               const Arguments& arguments) {
  const Depth depth(*this);
  const Filter* filter = FindFilter(name);
  if (filter == nullptr) FailInvalid(fmt::format("no filter named '{}'", name));
  return filter->apply(*this, input, arguments);
}

bool Interpreter::ApplyTest(std::string_view name, const Value& input, const Arguments& arguments) {
  const Depth depth(*this);
  const Test* test = FindTest(name);
  if (test == nullptr) FailInvalid(fmt::format("no test named '{}'", name));
  return test->apply(*this, input, arguments);
}

}  // namespace cairn::model::jinja
