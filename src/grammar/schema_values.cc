// SPDX-License-Identifier: Apache-2.0
// Strings and numbers of schemas.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "grammar/json_formats.h"
#include "grammar/regex.h"
#include "grammar/schema_reader.h"
#include "grammar/schema_words.h"

namespace cairn::grammar {
namespace {

namespace json = boost::json;

constexpr double kExactWhole = 9007199254740992;  // 2^53
constexpr std::int64_t kMostListedMultiples = 2'000;

// Between whole numbers a bound is the next one inside.
std::optional<std::int64_t> WholeBound(const std::optional<NumberBounds::Bound>& bound,
                                       bool lower) {
  if (!bound) return std::nullopt;
  const double v = bound->value;
  if (lower) return static_cast<std::int64_t>(bound->exclusive ? std::floor(v) + 1 : std::ceil(v));
  return static_cast<std::int64_t>(bound->exclusive ? std::ceil(v) - 1 : std::floor(v));
}

}  // namespace

// A count that a keyword gives; bounds above what an answer can hold are that bound.
Result<std::uint32_t> SchemaReader::CountOf(const Object& schema, const char* name,
                                            std::uint32_t absent, const Place& place) const {
  const auto* given = schema.if_contains(name);
  if (given == nullptr) return absent;
  boost::system::error_code failed;
  const auto count = given->to_number<std::int64_t>(failed);
  if (failed || count < 0) {
    return Wrong(ErrorCode::kInvalidArgument, place,
                 fmt::format("{} is a whole number, not below 0", name));
  }
  if (count > kMostCount && std::string_view(name).starts_with("min")) {
    return Wrong(ErrorCode::kLimit, place, fmt::format("{} is taken up to {}", name, kMostCount));
  }
  return static_cast<std::uint32_t>(std::min<std::int64_t>(count, kMostCount));
}

Result<ExpressionId> SchemaReader::StringOf(const Object& schema, const Place& place) {
  const std::uint32_t min = OR_RETURN(CountOf(schema, "minLength", 0, place));
  const std::uint32_t max = OR_RETURN(CountOf(schema, "maxLength", kEndless, place));
  const auto* pattern = schema.if_contains("pattern");
  const auto* format = schema.if_contains("format");
  if (max < min) return Expressions::kNever;
  if (pattern == nullptr && format == nullptr) return text_.String(min, max);
  if (pattern != nullptr && format != nullptr) {
    return Wrong(ErrorCode::kUnsupported, place,
                 "the keyword format is not supported beside pattern");
  }
  std::string expression;
  if (pattern != nullptr) {
    const auto* given = pattern->if_string();
    if (given == nullptr) {
      return Wrong(ErrorCode::kInvalidArgument, place, "pattern is a string");
    }
    expression = ViewOf(*given);
  } else {
    expression = *PatternOfFormat(ViewOf(format->get_string()));  // CheckKeywords has looked
  }
  if (min > 0 || max != kEndless) {
    const auto bounded = WithLengths(expression, min, max);
    if (!bounded) {
      return Wrong(ErrorCode::kUnsupported, place,
                   fmt::format("the keyword {} is not supported beside {}, unless that repeats one "
                               "class of characters (^[a-z]+$)",
                               schema.contains("minLength") ? "minLength" : "maxLength",
                               pattern != nullptr ? "pattern" : "format"));
    }
    expression = *bounded;
  }
  auto read = ReadRegex(out_, expression, RegexExtent::kSomewhere,
                        [this](const CodePoints& set) { return text_.Spelled(set); });
  if (!read) return Wrong(read.error().code, place, "pattern: " + read.error().message);
  return out_.Sequence({out_.Bytes("\""), *read, out_.Bytes("\"")});
}

Result<NumberBounds> SchemaReader::BoundsOf(const Object& schema, const Place& place) const {
  NumberBounds bounds;
  for (const char* name : {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"}) {
    const auto* given = schema.if_contains(name);
    if (given == nullptr) continue;
    if (!given->is_number()) {
      return Wrong(ErrorCode::kInvalidArgument, place, fmt::format("{} is a number", name));
    }
    const NumberBounds::Bound bound{.value = given->to_number<double>(),
                                    .exclusive = name[0] == 'e'};
    if (std::abs(bound.value) >= kExactWhole) {
      return Wrong(ErrorCode::kLimit, place, fmt::format("{} is taken up to 2^53", name));
    }
    const bool lower = std::string_view(name).ends_with("inimum");
    auto& side = lower ? bounds.least : bounds.most;
    const bool tighter = !side || (lower ? bound.value > side->value : bound.value < side->value) ||
                         (bound.value == side->value && bound.exclusive);
    if (tighter) side = bound;
  }
  return bounds;
}

Result<ExpressionId> SchemaReader::NumberOf(const Object& schema, bool integer,
                                            const Place& place) {
  const NumberBounds bounds = OR_RETURN(BoundsOf(schema, place));
  if (schema.contains("multipleOf")) return MultiplesOf(schema, bounds, place);
  if (!bounds.any()) return integer ? text_.Integer() : text_.Number();
  if (integer) {
    const auto least = WholeBound(bounds.least, true), most = WholeBound(bounds.most, false);
    if (least && most && *most < *least) return Expressions::kNever;
    return text_.numbers().IntegerBetween(least, most);
  }
  const auto between = text_.numbers().Between(bounds);
  if (between) return *between;
  return Wrong(ErrorCode::kUnsupported, place,
               fmt::format("bounds of numbers are supported with at most {} digits", kExactDigits));
}

// Multiples of a whole number are whole numbers.
Result<ExpressionId> SchemaReader::MultiplesOf(const Object& schema, const NumberBounds& bounds,
                                               const Place& place) {
  const json::value& given = schema.at("multipleOf");
  boost::system::error_code failed;
  const auto divisor = given.to_number<std::int64_t>(failed);
  if (failed || divisor < 1 || divisor > (std::int64_t{1} << 50)) {
    return Wrong(ErrorCode::kUnsupported, place,
                 "the keyword multipleOf is supported with whole numbers alone");
  }
  const auto least = WholeBound(bounds.least, true), most = WholeBound(bounds.most, false);
  if (divisor == 1) {
    if (least && most && *most < *least) return Expressions::kNever;
    return bounds.any() ? text_.numbers().IntegerBetween(least, most) : text_.Integer();
  }
  if (least && most) {
    const auto down = [&](std::int64_t v) {
      return v >= 0 ? v / divisor : -((divisor - 1 - v) / divisor);
    };
    const std::int64_t first = -down(-*least), last = down(*most);
    if (last - first < kMostListedMultiples) {
      std::vector<std::string> texts;
      for (std::int64_t i = first; i <= last; ++i) texts.push_back(std::to_string(i * divisor));
      return out_.OneOf(std::move(texts));
    }
  }
  const bool from_zero = least && *least >= 0 && *least <= 1 && !most;
  if (divisor > JsonNumbers::kMostDivisor || (bounds.any() && !from_zero)) {
    return Wrong(ErrorCode::kUnsupported, place,
                 fmt::format("the keyword multipleOf is supported up to {} without bounds or with "
                             "minimum 0, and where at most {} numbers fit",
                             JsonNumbers::kMostDivisor, kMostListedMultiples));
  }
  return text_.numbers().Multiples(static_cast<std::uint32_t>(divisor),
                                   {.negative = !from_zero, .zero = !from_zero || *least == 0});
}

}  // namespace cairn::grammar
