// SPDX-License-Identifier: Apache-2.0
// Regular expressions, as rules of a grammar: matched in linear time, whatever they are.
//
// Taken: literals, . [] [^] | () (?:) (?<name>) * + ? {n} {n,} {n,m} (lazy forms too: the language
// is the same), \d \w \s \D \W \S, \n \r \t \f \v \0 \xHH \uHHHH \u{H}, escaped punctuation, ^ and
// $ where a whole alternative begins and ends. Refused by name: look-around, back-references, \b,
// \p{}, flags. Classes are those of ECMA-262; . is all but line ends.
// Threads: pure functions.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "grammar/expressions.h"

namespace cairn::grammar {

inline constexpr std::size_t kMostRegexBytes = 100'000;

enum class RegexExtent {
  kWhole,     // the whole text must match
  kSomewhere  // a part of it, unless ^ and $ say otherwise
};

// How one character of a set is written: as UTF-8, or inside a JSON string.
using CharacterWriter = std::function<ExpressionId(const CodePoints&)>;

// Errors: kInvalidArgument, kUnsupported (with the place and what is there), kLimit.
[[nodiscard]] Result<ExpressionId> ReadRegex(Expressions& expressions, std::string_view pattern,
                                             RegexExtent extent, const CharacterWriter& write);

// The expression with min to max characters in all, where it repeats one class from end to end
// (^[a-z]+$, ^\d{2,}$); absent where it is another one.
std::optional<std::string> WithLengths(std::string_view pattern, std::uint32_t min,
                                       std::uint32_t max);

}  // namespace cairn::grammar
