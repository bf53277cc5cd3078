// SPDX-License-Identifier: Apache-2.0
// The built-in tests ("is defined", ...).
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "model/jinja_interpreter.h"

namespace cairn::model::jinja {
namespace {

template <bool (*kTest)(const Value&)>
bool Plain(Interpreter& /*interpreter*/, const Value& v, const Arguments& arguments) {
  Bind(arguments, "this test", {}, 0);
  return kTest(v);
}

bool IsDefined(const Value& v) { return !v.IsUndefined(); }
bool IsUndefined(const Value& v) { return v.IsUndefined(); }
bool IsNone(const Value& v) { return v.IsNone(); }
bool IsBoolean(const Value& v) { return v.If<bool>() != nullptr; }
bool IsFalse(const Value& v) { return v.If<bool>() != nullptr && !*v.If<bool>(); }
bool IsTrue(const Value& v) { return v.If<bool>() != nullptr && *v.If<bool>(); }
bool IsInteger(const Value& v) { return v.If<Integer>() != nullptr; }
bool IsFloat(const Value& v) { return v.If<double>() != nullptr; }
bool IsNumber(const Value& v) { return v.AsDouble().has_value(); }
bool IsString(const Value& v) { return v.AsStr() != nullptr; }
bool IsMapping(const Value& v) { return v.AsDict() != nullptr; }
bool IsEscaped(const Value& v) { return v.AsStr() != nullptr && v.AsStr()->markup; }
bool IsSequence(const Value& v) {
  const List* list = v.AsList();
  return v.IsUndefined() || v.AsStr() != nullptr || v.AsDict() != nullptr ||
         (list != nullptr && list->Sequence());
}
bool IsIterable(const Value& v) {
  const Object* object = v.AsObject();
  return v.IsUndefined() || v.AsStr() != nullptr || v.AsDict() != nullptr ||
         v.AsList() != nullptr || (object != nullptr && object->kind == Object::Kind::kLoop);
}
bool IsCallable(const Value& v) {
  return v.IsUndefined() || (v.AsObject() != nullptr && v.AsObject()->Callable());
}

template <bool kUpper>
bool IsCased(Interpreter& interpreter, const Value& v, const Arguments& arguments) {
  const Value text = interpreter.MakeStr(interpreter.TextOf(v));
  return Truth(CallStringMethod(interpreter, text, kUpper ? "isupper" : "islower", arguments));
}

// x % n == rest, with the operator's own meaning.
bool Remainder(Interpreter& interpreter, const Value& v, const Value& n, Integer rest) {
  const Value mod = Arithmetic(interpreter, Op::kMod, v, n);
  return Equal(mod, Value(rest), interpreter.budget());
}
bool IsOdd(Interpreter& interpreter, const Value& v, const Arguments& arguments) {
  Bind(arguments, "odd", {}, 0);
  return Remainder(interpreter, v, Integer{2}, 1);
}
bool IsEven(Interpreter& interpreter, const Value& v, const Arguments& arguments) {
  Bind(arguments, "even", {}, 0);
  return Remainder(interpreter, v, Integer{2}, 0);
}
bool IsDivisible(Interpreter& interpreter, const Value& v, const Arguments& arguments) {
  return Remainder(interpreter, v, *Bind(arguments, "divisibleby", {"num"}, 1)[0], 0);
}

bool IsFilterName(Interpreter& /*interpreter*/, const Value& v, const Arguments& arguments) {
  Bind(arguments, "filter", {}, 0);
  return v.AsStr() != nullptr && FindFilter(v.AsStr()->text.bytes()) != nullptr;
}
bool IsTestName(Interpreter& /*interpreter*/, const Value& v, const Arguments& arguments) {
  Bind(arguments, "test", {}, 0);
  return v.AsStr() != nullptr && FindTest(v.AsStr()->text.bytes()) != nullptr;
}

bool IsSame(Interpreter& interpreter, const Value& v, const Arguments& arguments) {
  const Value& other = *Bind(arguments, "sameas", {"other"}, 1)[0];
  if (v.variant().index() != other.variant().index()) return false;
  if (v.AsStr() != nullptr) return v.AsStr() == other.AsStr();
  if (v.AsList() != nullptr) return v.AsList() == other.AsList();
  if (v.AsDict() != nullptr) return v.AsDict() == other.AsDict();
  return Equal(v, other, interpreter.budget());
}

bool IsIn(Interpreter& interpreter, const Value& v, const Arguments& arguments) {
  return Contains(interpreter, *Bind(arguments, "in", {"seq"}, 1)[0], v);
}

template <Op kOp>
bool Compared(Interpreter& interpreter, const Value& v, const Arguments& arguments) {
  const Value& other = *Bind(arguments, "this test", {"other"}, 1)[0];
  if constexpr (kOp == Op::kEq) return Equal(v, other, interpreter.budget());
  if constexpr (kOp == Op::kNe) return !Equal(v, other, interpreter.budget());
  const int order = Compare(v, other, interpreter.budget());
  if (order == 2) return false;
  if constexpr (kOp == Op::kLt) return order < 0;
  if constexpr (kOp == Op::kLe) return order <= 0;
  if constexpr (kOp == Op::kGt) return order > 0;
  return order >= 0;
}

constexpr auto kTests = std::to_array<Test>({
    {"!=", Compared<Op::kNe>},
    {"<", Compared<Op::kLt>},
    {"<=", Compared<Op::kLe>},
    {"==", Compared<Op::kEq>},
    {">", Compared<Op::kGt>},
    {">=", Compared<Op::kGe>},
    {"boolean", Plain<IsBoolean>},
    {"callable", Plain<IsCallable>},
    {"defined", Plain<IsDefined>},
    {"divisibleby", IsDivisible},
    {"eq", Compared<Op::kEq>},
    {"equalto", Compared<Op::kEq>},
    {"escaped", Plain<IsEscaped>},
    {"even", IsEven},
    {"false", Plain<IsFalse>},
    {"filter", IsFilterName},
    {"float", Plain<IsFloat>},
    {"ge", Compared<Op::kGe>},
    {"greaterthan", Compared<Op::kGt>},
    {"gt", Compared<Op::kGt>},
    {"in", IsIn},
    {"integer", Plain<IsInteger>},
    {"iterable", Plain<IsIterable>},
    {"le", Compared<Op::kLe>},
    {"lessthan", Compared<Op::kLt>},
    {"lower", IsCased<false>},
    {"lt", Compared<Op::kLt>},
    {"mapping", Plain<IsMapping>},
    {"ne", Compared<Op::kNe>},
    {"none", Plain<IsNone>},
    {"number", Plain<IsNumber>},
    {"odd", IsOdd},
    {"sameas", IsSame},
    {"sequence", Plain<IsSequence>},
    {"string", Plain<IsString>},
    {"test", IsTestName},
    {"true", Plain<IsTrue>},
    {"undefined", Plain<IsUndefined>},
    {"upper", IsCased<true>},
});

}  // namespace

const Test* FindTest(std::string_view name) {
  const auto* found =
      std::find_if(kTests.begin(), kTests.end(), [&](const Test& t) { return t.name == name; });
  return found == kTests.end() ? nullptr : found;
}

}  // namespace cairn::model::jinja
