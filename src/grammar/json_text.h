// SPDX-License-Identifier: Apache-2.0
// The parts of JSON texts: strings, numbers, white space, any value. Its rules come before all
// others of the expressions, which must have none yet. Threads: one thread. Borrows the
// expressions.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>

#include "grammar/expressions.h"
#include "grammar/json_numbers.h"

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
  // Any number of any characters, each spelled in its one way.
  ExpressionId Spellings() { return out_.Call(spellings_); }
  ExpressionId Number() { return out_.Call(number_); }
  ExpressionId Integer() { return out_.Call(integer_); }
  JsonNumbers& numbers() { return numbers_; }
  ExpressionId Object() { return out_.Call(object_); }
  ExpressionId Array() { return out_.Call(array_); }
  ExpressionId Any() { return out_.Call(any_); }
  ExpressionId Comma();

 private:
  ExpressionId Escapes(const CodePoints& set);

  Expressions& out_;
  JsonNumbers numbers_;
  // The first three call nothing: see Expressions::ShareFirstRules.
  RuleId character_, escaped_, string_;
  RuleId space_, spellings_, number_, integer_, object_, array_, any_;
};

// A value as JSON without white space: strings as they are spelled in one way, numbers as short as
// they can be.
std::string CompactJson(const boost::json::value& value);

}  // namespace cairn::grammar
