// SPDX-License-Identifier: Apache-2.0
// Arithmetic, containment and the conversions behind them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/check.h"
#include "model/jinja_interpreter.h"

namespace cairn::model::jinja {
namespace {

[[noreturn]] void FailTypes(const Value& a, const Value& b) {
  FailInvalid(fmt::format("this operator does not take a {} and a {}", TypeName(a), TypeName(b)));
}
[[noreturn]] void FailSize() { FailLimit("an integer has more than 127 bits"); }

Integer FloorDiv(Integer a, Integer b) {
  if (b == -1) return Negated(a);
  const Integer q = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}
Integer FloorMod(Integer a, Integer b) {
  if (b == -1) return 0;
  const Integer r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

Value Power(Integer base, Integer exponent) {
  if (exponent < 0) {
    if (base == 0) FailInvalid("zero to a negative power");
    return std::pow(static_cast<double>(base), static_cast<double>(exponent));
  }
  Integer result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) FailSize();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) FailSize();
  }
  return result;
}

Value OnIntegers(Op op, Integer a, Integer b) {
  Integer out = 0;
  switch (op) {
    case Op::kAdd:
      if (__builtin_add_overflow(a, b, &out)) FailSize();
      return out;
    case Op::kSub:
      if (__builtin_sub_overflow(a, b, &out)) FailSize();
      return out;
    case Op::kMul:
      if (__builtin_mul_overflow(a, b, &out)) FailSize();
      return out;
    case Op::kPow: return Power(a, b);
    default: break;
  }
  if (b == 0) FailInvalid("division by zero");
  if (op == Op::kDiv) return static_cast<double>(a) / static_cast<double>(b);
  return op == Op::kFloorDiv ? FloorDiv(a, b) : FloorMod(a, b);
}

Value OnDoubles(Op op, double a, double b) {
  switch (op) {
    case Op::kAdd: return a + b;
    case Op::kSub: return a - b;
    case Op::kMul: return a * b;
    case Op::kPow: {
      if (a == 0.0 && b < 0) FailInvalid("zero to a negative power");
      const double power = std::pow(a, b);
      if (std::isinf(power) && std::isfinite(a) && std::isfinite(b))
        FailInvalid("result too large");
      if (std::isnan(power) && !std::isnan(a) && !std::isnan(b)) {
        FailInvalid("the power of a negative number is complex");
      }
      return power;
    }
    default: break;
  }
  if (b == 0.0) FailInvalid("division by zero");
  if (op == Op::kDiv) return a / b;
  double mod = std::fmod(a, b);
  double div = (a - mod) / b;
  if (mod != 0.0 && (b < 0) != (mod < 0)) {
    mod += b;
    div -= 1.0;
  }
  if (op == Op::kMod) return mod == 0.0 ? std::copysign(0.0, b) : mod;
  if (div == 0.0) return std::copysign(0.0, a / b);
  const double floor = std::floor(div);
  return div - floor > 0.5 ? floor + 1.0 : floor;
}

Value Repeat(Interpreter& interpreter, const Value& sequence, Integer count) {
  count = std::max<Integer>(count, 0);
  if (const Str* s = sequence.AsStr()) {
    if (s->text.empty()) return interpreter.MakeStr(Text());
    if (count > static_cast<Integer>(kMaxStringBytes / s->text.size())) {
      FailLimit("a repeated string is too long");
    }
    Text out;
    interpreter.budget().Spend(static_cast<std::uint64_t>(count) * (s->text.size() / 64 + 1));
    for (Integer i = 0; i < count; ++i) out.Append(s->text);
    return interpreter.MakeStr(std::move(out));
  }
  const List& list = *sequence.AsList();
  const auto size = static_cast<Integer>(list.items.size());
  if (size == 0) count = 0;
  if (count > 0 && count > 10 * kMaxRange / size) FailLimit("a repeated list is too long");
  interpreter.budget().Spend(static_cast<std::uint64_t>(count * size));
  std::vector<Value> items;
  for (Integer i = 0; i < count; ++i)
    items.insert(items.end(), list.items.begin(), list.items.end());
  return interpreter.MakeList(list.kind, std::move(items));
}

bool Repeatable(const Value& value) {
  const List* list = value.AsList();
  return value.AsStr() != nullptr || (list != nullptr && list->kind <= ListKind::kTuple);
}

}  // namespace

Integer Negated(Integer value) {
  Integer out = 0;
  if (__builtin_sub_overflow(Integer{0}, value, &out)) FailSize();
  return out;
}

Value Add(Interpreter& interpreter, const Value& a, const Value& b) {
  const Str* s = a.AsStr();
  const Str* t = b.AsStr();
  if (s != nullptr && t != nullptr) {
    interpreter.budget().Spend((s->text.size() + t->text.size()) / 64);
    if (s->markup != t->markup) {
      const Filter* escape = FindFilter("escape");
      CAIRN_CHECK(escape != nullptr);
      const auto escaped = [&](const Str& str, const Value& v) {
        if (str.markup) return str.text;
        const Value made = escape->apply(interpreter, v, {});
        CAIRN_CHECK(made.AsStr() != nullptr);
        return made.AsStr()->text;
      };
      Text out = escaped(*s, a);
      out.Append(escaped(*t, b));
      return interpreter.MakeStr(std::move(out), true);
    }
    Text out = s->text;
    out.Append(t->text);
    return interpreter.MakeStr(std::move(out), s->markup);
  }
  const List* l = a.AsList();
  const List* m = b.AsList();
  if (l != nullptr && m != nullptr && l->kind == m->kind && l->kind <= ListKind::kTuple) {
    std::vector<Value> items = l->items;
    items.insert(items.end(), m->items.begin(), m->items.end());
    return interpreter.MakeList(l->kind, std::move(items));
  }
  return Arithmetic(interpreter, Op::kAdd, a, b);
}

Value Arithmetic(Interpreter& interpreter, Op op, const Value& a, const Value& b) {
  const auto x = a.AsInteger();
  const auto y = b.AsInteger();
  if (x && y) return OnIntegers(op, *x, *y);
  const auto u = a.AsDouble();
  const auto v = b.AsDouble();
  if (u && v) return OnDoubles(op, *u, *v);
  if (op == Op::kMod && a.AsStr() != nullptr) {
    return interpreter.MakeStr(FormatPercent(interpreter, a.AsStr()->text, b));
  }
  if (op == Op::kMul && Repeatable(a) && y) return Repeat(interpreter, a, *y);
  if (op == Op::kMul && Repeatable(b) && x) return Repeat(interpreter, b, *x);
  FailTypes(a, b);
}

bool Contains(Interpreter& interpreter, const Value& container, const Value& item) {
  if (const Str* s = container.AsStr()) {
    const Str* part = item.AsStr();
    if (part == nullptr) FailInvalid(fmt::format("a {} cannot be in a string", TypeName(item)));
    interpreter.budget().Spend(s->text.size() / 64 + 1);
    return FindFirst(s->text.bytes(), part->text.bytes()) != std::string_view::npos;
  }
  if (const Dict* dict = container.AsDict()) {
    RequireHashable(item);
    interpreter.budget().Spend(item.AsStr() != nullptr ? 1 : dict->entries.size());
    return dict->Find(item) != nullptr;
  }
  const auto items = interpreter.Items(container);
  return std::any_of(items.begin(), items.end(), [&](const Value& v) {
    interpreter.budget().Spend(1);
    return Equal(v, item, interpreter.budget());
  });
}

std::optional<Integer> ParseInteger(std::string_view digits, int base) {
  if (digits.empty()) return std::nullopt;
  Integer value = 0;
  bool digit_before = false;
  for (const char c : digits) {
    if (c == '_' && digit_before) {
      digit_before = false;
      continue;
    }
    const char lower = static_cast<char>(c | 0x20);
    const int digit = c >= '0' && c <= '9'           ? c - '0'
                      : lower >= 'a' && lower <= 'z' ? lower - 'a' + 10
                                                     : 99;
    if (digit >= base) return std::nullopt;
    if (__builtin_mul_overflow(value, Integer{base}, &value)) FailSize();
    if (__builtin_add_overflow(value, Integer{digit}, &value)) FailSize();
    digit_before = true;
  }
  if (!digit_before) return std::nullopt;
  return value;
}

namespace {

std::string_view StripSpace(std::string_view text) {
  std::size_t begin = text.size(), end = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t at = i;
    if (IsSpace(NextCodePoint(text, &i))) continue;
    begin = std::min(begin, at);
    end = i;
  }
  return begin < end ? text.substr(begin, end - begin) : std::string_view();
}

}  // namespace

std::optional<Integer> IntegerOf(std::string_view text, int base) {
  text = StripSpace(text);
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const char second = text.size() > 2 && text[0] == '0' ? static_cast<char>(text[1] | 0x20) : '\0';
  const int prefix = second == 'x' ? 16 : second == 'o' ? 8 : second == 'b' ? 2 : 0;
  if (prefix != 0 && (base == prefix || base == 0)) {
    text.remove_prefix(2);
    base = prefix;
  }
  if (base == 0) base = 10;
  if (base < 2 || base > 36) return std::nullopt;
  const auto value = ParseInteger(text, base);
  if (!value) return std::nullopt;
  return negative ? Negated(*value) : *value;
}

std::optional<double> DoubleOf(std::string_view text) {
  text = StripSpace(text);
  std::string clean;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool between = i > 0 && i + 1 < text.size() &&
                         IsDigit(static_cast<unsigned char>(text[i - 1])) &&
                         IsDigit(static_cast<unsigned char>(text[i + 1]));
    if (text[i] == '_' && between) continue;
    clean.push_back(static_cast<char>(text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20 : text[i]));
  }
  const std::size_t sign = clean.starts_with('-') || clean.starts_with('+') ? 1 : 0;
  const std::string word = clean.substr(sign);
  if (word != "inf" && word != "infinity" && word != "nan" &&
      (word.empty() || word.find_first_not_of("0123456789.e+-") != std::string::npos)) {
    return std::nullopt;
  }
  char* end = nullptr;
  const double value = std::strtod(clean.c_str(), &end);
  if (end != clean.c_str() + clean.size()) return std::nullopt;
  return value;
}

std::vector<const Value*> Bind(const Arguments& arguments, std::string_view function,
                               std::initializer_list<std::string_view> parameters,
                               std::size_t required) {
  std::vector<const Value*> bound(parameters.size(), nullptr);
  if (arguments.positional.size() > parameters.size()) {
    FailInvalid(fmt::format("{} takes at most {} arguments", function, parameters.size()));
  }
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) bound[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.keyword) {
    const auto* found = std::find(parameters.begin(), parameters.end(), name);
    const auto index = static_cast<std::size_t>(found - parameters.begin());
    if (found == parameters.end() || bound[index] != nullptr) {
      FailInvalid(fmt::format("{} does not take the argument '{}' here", function, name));
    }
    bound[index] = &value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (bound[i] == nullptr) {
      FailInvalid(fmt::format("{} needs its argument '{}'", function, *(parameters.begin() + i)));
    }
  }
  return bound;
}

}  // namespace cairn::model::jinja
