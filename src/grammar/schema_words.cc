// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_words.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace cairn::grammar {
namespace {

constexpr std::array<std::string_view, 14> kAnnotations{
    "title", "description", "default",  "examples",  "example",    "$comment", "$schema",
    "$defs", "definitions", "readOnly", "writeOnly", "deprecated", "$anchor",  "contentMediaType"};
constexpr std::array<std::string_view, 7> kTypes{"null",   "boolean", "integer", "number",
                                                 "string", "array",   "object"};
constexpr std::array<TypedKeyword, 20> kTyped{
    {{"minLength", "string"},         {"maxLength", "string"},
     {"pattern", "string"},           {"format", "string"},
     {"minimum", "number"},           {"maximum", "number"},
     {"exclusiveMinimum", "number"},  {"exclusiveMaximum", "number"},
     {"multipleOf", "number"},        {"items", "array"},
     {"prefixItems", "array"},        {"minItems", "array"},
     {"maxItems", "array"},           {"properties", "object"},
     {"required", "object"},          {"additionalProperties", "object"},
     {"patternProperties", "object"}, {"propertyNames", "object"},
     {"minProperties", "object"},     {"maxProperties", "object"}}};
constexpr std::array<std::string_view, 8> kOthers{
    "type", "$ref", "const", "enum", "anyOf", "oneOf", "allOf", "unevaluatedProperties"};

}  // namespace

std::span<const TypedKeyword> TypedKeywords() { return kTyped; }
std::span<const std::string_view> JsonTypes() { return kTypes; }

bool IsAnnotation(std::string_view keyword) {
  return std::ranges::count(kAnnotations, keyword) > 0 || keyword.starts_with("x-");
}

bool IsKnownKeyword(std::string_view keyword) {
  return std::ranges::count(kOthers, keyword) > 0 ||
         std::ranges::count(kTyped, keyword, &TypedKeyword::name) > 0;
}

std::string_view TypeOfValue(const boost::json::value& value) {
  switch (value.kind()) {
    case boost::json::kind::null: return "null";
    case boost::json::kind::bool_: return "boolean";
    case boost::json::kind::string: return "string";
    case boost::json::kind::array: return "array";
    case boost::json::kind::object: return "object";
    case boost::json::kind::double_: {
      const double number = value.get_double();
      return std::floor(number) == number ? "integer" : "number";
    }
    default: return "integer";
  }
}

}  // namespace cairn::grammar
