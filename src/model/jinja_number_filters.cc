// SPDX-License-Identifier: Apache-2.0
// Filters over numbers.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>

#include "model/jinja_interpreter.h"

namespace cairn::model::jinja {
namespace {

using In = Interpreter;
using Args = Arguments;

Value AbsFilter(In& /*in*/, const Value& v, const Args& arguments) {
  Bind(arguments, "abs", {}, 0);
  if (const auto i = v.AsInteger()) return *i < 0 ? Negated(*i) : *i;
  if (const auto d = v.AsDouble()) return std::fabs(*d);
  FailInvalid(fmt::format("abs does not take a {}", TypeName(v)));
}

std::optional<Integer> Whole(double d) {
  if (!std::isfinite(d)) return std::nullopt;
  if (std::fabs(d) > 1e38) FailLimit("a number is too large for an integer");
  return static_cast<Integer>(d);
}

Value IntFilter(In& /*in*/, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "int", {"default", "base"}, 0);
  Value fallback = bound[0] != nullptr ? *bound[0] : Value(Integer{0});
  Integer base = 10;
  if (bound[1] != nullptr) {
    if (!bound[1]->AsInteger()) FailInvalid("int takes an integer as base");
    base = std::clamp<Integer>(*bound[1]->AsInteger(), -1, 99);
  }
  if (v.IsUndefined()) FailInvalid("int of an undefined value");
  if (const auto i = v.AsInteger()) return *i;
  if (const auto* d = v.If<double>()) {
    if (const auto whole = Whole(*d)) return *whole;
    if (std::isinf(*d)) FailInvalid("infinity is no integer");
    return fallback;
  }
  if (const Str* s = v.AsStr()) {
    if (const auto i = IntegerOf(s->text.bytes(), static_cast<int>(base))) return *i;
    const auto d = DoubleOf(s->text.bytes());
    if (d) {
      if (const auto whole = Whole(*d)) return *whole;
    }
  }
  return fallback;
}

Value FloatFilter(In& /*in*/, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "float", {"default"}, 0);
  if (v.IsUndefined()) FailInvalid("float of an undefined value");
  if (const auto d = v.AsDouble()) return *d;
  if (const Str* s = v.AsStr()) {
    if (const auto d = DoubleOf(s->text.bytes())) return *d;
  }
  return bound[0] != nullptr ? *bound[0] : Value(0.0);
}

// round() of Python: to even on exact decimals, integers stay integers.
Value RoundCommon(const Value& v, Integer precision) {
  if (const auto i = v.AsInteger()) {
    if (precision >= 0) return *i;
    if (precision < -38) return Integer{0};  // a half of 10^39 is more than an integer holds
    Integer unit = 1;
    for (Integer n = precision; n < 0; ++n) unit *= 10;
    Integer rest = *i % unit;
    if (rest < 0) rest += unit;
    if (rest == 0) return *i;
    Integer low = 0;
    bool fits = !__builtin_sub_overflow(*i, rest, &low);
    if (rest > unit - rest || (rest == unit - rest && (low / unit) % 2 != 0)) {
      fits = fits && !__builtin_add_overflow(low, unit, &low);
    }
    if (!fits) FailLimit("a rounded integer has more than 127 bits");
    return low;
  }
  const double d = *v.AsDouble();
  if (!std::isfinite(d) || precision > 300) return d;
  if (precision >= 0) {
    return std::strtod(fmt::format("{:.{}f}", d, static_cast<int>(precision)).c_str(), nullptr);
  }
  if (precision < -308) return std::copysign(0.0, d);
  const double unit = std::pow(10.0, static_cast<double>(-precision));
  return std::nearbyint(d / unit) * unit;
}

Value RoundFilter(In& in, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "round", {"precision", "method"}, 0);
  std::string method = "common";
  if (bound[1] != nullptr) method = in.TextOf(*bound[1]).bytes();
  const auto precision = bound[0] != nullptr ? bound[0]->AsInteger() : Integer{0};
  if (!precision || !v.AsDouble())
    FailInvalid(fmt::format("round does not take a {}", TypeName(v)));
  if (method == "common") return RoundCommon(v, *precision);
  if (method != "ceil" && method != "floor") FailInvalid("round is common, ceil or floor");
  const double unit = std::pow(10.0, static_cast<double>(*precision));
  const double scaled = *v.AsDouble() * unit;
  if (!std::isfinite(scaled)) FailInvalid("round of a number that is not finite");
  return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit;
}

Value FileSizeFilter(In& in, const Value& v, const Args& arguments) {
  const auto bound = Bind(arguments, "filesizeformat", {"binary"}, 0);
  const bool binary = bound[0] != nullptr && Truth(*bound[0]);
  const auto value = v.AsStr() != nullptr ? DoubleOf(v.AsStr()->text.bytes()) : v.AsDouble();
  if (!value) FailInvalid("filesizeformat takes a number");
  const double base = binary ? 1024 : 1000;
  static constexpr std::array<const char*, 8> kBinary = {"KiB", "MiB", "GiB", "TiB",
                                                         "PiB", "EiB", "ZiB", "YiB"};
  static constexpr std::array<const char*, 8> kDecimal = {"kB", "MB", "GB", "TB",
                                                          "PB", "EB", "ZB", "YB"};
  if (*value == 1) return in.MakeStr("1 Byte");
  if (*value < base) {
    const auto whole = Whole(*value);
    if (!whole) FailInvalid("filesizeformat takes a finite number");
    return in.MakeStr(FormatInteger(*whole) + " Bytes");
  }
  double unit = base;
  std::size_t i = 0;
  while (i + 1 < kBinary.size() && *value >= unit * base) {
    unit *= base;
    ++i;
  }
  return in.MakeStr(fmt::format("{:.1f} {}", *value / unit, binary ? kBinary[i] : kDecimal[i]));
}

constexpr auto kFilters = std::to_array<Filter>({
    {"abs", AbsFilter},
    {"filesizeformat", FileSizeFilter},
    {"float", FloatFilter},
    {"int", IntFilter},
    {"round", RoundFilter},
});

}  // namespace

const Filter* FindNumberFilter(std::string_view name) {
  const auto* found = std::find_if(kFilters.begin(), kFilters.end(),
                                   [&](const Filter& f) { return f.name == name; });
  return found == kFilters.end() ? nullptr : found;
}

}  // namespace cairn::model::jinja
