// SPDX-License-Identifier: Apache-2.0
// Numbers of JSON as expressions: all, and those between bounds.
//
// Numbers with bounds have no exponent and at most kExactDigits digits, so that every one of them
// is told apart by a reader that takes numbers as doubles.
// Threads: one thread. Borrows the expressions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "grammar/expressions.h"

namespace cairn::grammar {

inline constexpr std::uint32_t kExactDigits = 15;

// A decimal number: -12.5 is {true, "12", "5"}. No zeros before the whole part or behind the
// fraction.
struct Decimal {
  bool negative = false;
  std::string whole = "0", fraction;
  bool zero() const { return whole == "0" && fraction.empty(); }
};
// Absent where it needs more than kExactDigits digits.
std::optional<Decimal> DecimalOf(double value);

struct NumberBounds {
  struct Bound {
    double value = 0;
    bool exclusive = false;
  };
  std::optional<Bound> least, most;
  bool any() const { return least || most; }
};

class JsonNumbers {
 public:
  explicit JsonNumbers(Expressions& expressions) : out_(expressions) {}

  ExpressionId Any();
  ExpressionId Integer();
  // Both ends belong to it.
  ExpressionId IntegerBetween(std::optional<std::int64_t> least, std::optional<std::int64_t> most);
  // Absent where a bound has more than kExactDigits digits.
  std::optional<ExpressionId> Between(const NumberBounds& bounds);
  // Multiples of a divisor, 1 to kMostDivisor, of at most kExactDigits digits.
  static constexpr std::uint32_t kMostDivisor = 100;
  struct Signs {
    bool negative = true, zero = true;  // beside the positive ones
  };
  ExpressionId Multiples(std::uint32_t divisor, Signs signs);
  ExpressionId Digits(std::uint32_t min, std::uint32_t max);

 private:
  struct Edge {  // one end of a range of decimals that are not negative
    Decimal at;
    bool exclusive = false;
  };
  // One of the digits first to last; nothing where they are the wrong way round.
  ExpressionId Digit(int first, int last);
  // Numbers from low to high, both of the same length.
  ExpressionId SameLength(std::string_view low, std::string_view high);
  ExpressionId NotNegative(std::uint64_t low, std::optional<std::uint64_t> high);
  ExpressionId Decimals(const Edge& low, const std::optional<Edge>& high);
  // Digits behind a point that make at least, at most, or between; at most `left` of them. `first`:
  // there must be one.
  ExpressionId AtLeast(std::string_view low, bool exclusive, std::uint32_t left, bool first);
  ExpressionId AtMost(std::string_view high, bool exclusive, std::uint32_t left, bool first);
  ExpressionId FractionBetween(std::string_view low, bool low_exclusive, std::string_view high,
                               bool high_exclusive, std::uint32_t left, bool first);
  // "" where 0 belongs, or a point and digits.
  ExpressionId WithPoint(ExpressionId digits, bool zero);

  Expressions& out_;
};

}  // namespace cairn::grammar
