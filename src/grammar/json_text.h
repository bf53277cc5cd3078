// SPDX-License-Identifier: Apache-2.0
// The parts of JSON texts: strings, numbers, white space, any value.
// Threads: one thread. Borrows the expressions.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "grammar/expressions.h"

namespace cairn::grammar {

class JsonText {
 public:
  explicit JsonText(Expressions& expressions);

  // White space that may stand between two tokens: nothing, a blank, or a line end and at most
  // kMostIndent blanks.
  static constexpr std::uint32_t kMostIndent = 32;
  ExpressionId Space() { return out_.Call(space_); }
  // A string of min to max characters, however they are escaped.
  ExpressionId String(std::uint32_t min, std::uint32_t max);
  // A character of the set inside a string, spelled in one way only.
  ExpressionId Spelled(const CodePoints& set);
  ExpressionId Number() { return out_.Call(number_); }
  ExpressionId Integer() { return out_.Call(integer_); }
  ExpressionId IntegerBetween(std::optional<std::int64_t> least, std::optional<std::int64_t> most);
  ExpressionId Object() { return out_.Call(object_); }
  ExpressionId Array() { return out_.Call(array_); }
  ExpressionId Any() { return out_.Call(any_); }
  ExpressionId Comma();

 private:
  ExpressionId Digit(char first, char last) {
    return out_.Characters({{static_cast<char32_t>(first), static_cast<char32_t>(last)}});
  }
  ExpressionId Digits(std::uint32_t min, std::uint32_t max);
  // Numbers from low to high, both of the same length.
  ExpressionId SameLength(std::string_view low, std::string_view high);
  ExpressionId NotNegative(std::uint64_t low, std::optional<std::uint64_t> high);

  Expressions& out_;
  RuleId space_, character_, string_, number_, integer_, object_, array_, any_;
};

// A value as JSON without white space: strings as they are spelled in one way, numbers as short as
// they can be.
std::string CompactJson(const boost::json::value& value);

}  // namespace cairn::grammar
