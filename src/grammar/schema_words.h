// SPDX-License-Identifier: Apache-2.0
// The keywords of schemas that are known, and the types of JSON. Private to src/grammar.
// Threads: pure functions.
#pragma once

#include <boost/json/value.hpp>
#include <span>
#include <string_view>

namespace cairn::grammar {

// A keyword that says something of the values of one type.
struct TypedKeyword {
  std::string_view name;
  std::string_view type;
};
std::span<const TypedKeyword> TypedKeywords();
std::span<const std::string_view> JsonTypes();

bool IsAnnotation(std::string_view keyword);  // says nothing of the value
bool IsKnownKeyword(std::string_view keyword);
// "integer" for whole numbers, "number" for others.
std::string_view TypeOfValue(const boost::json::value& value);
inline std::string_view ViewOf(const boost::json::string& text) {
  return {text.data(), text.size()};
}

}  // namespace cairn::grammar
