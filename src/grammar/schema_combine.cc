// SPDX-License-Identifier: Apache-2.0
// $ref, allOf, anyOf and oneOf, with what stands beside them.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "grammar/schema_apart.h"
#include "grammar/schema_reader.h"
#include "grammar/schema_words.h"

namespace cairn::grammar {
namespace {

namespace json = boost::json;

constexpr int kMostParts = 100;  // inside one another

}  // namespace

Result<json::value> SchemaReader::Opened(const Value& schema, const Place& place, bool part) {
  if (const bool* all = schema.if_bool()) return *all ? Value(Object()) : Value(false);
  const auto* object = schema.if_object();
  if (object == nullptr) {
    return Wrong(ErrorCode::kInvalidArgument, place, "a schema is an object, true or false");
  }
  if (place.depth > kMostParts) {
    return Wrong(ErrorCode::kLimit, place,
                 fmt::format("schemas are taken {} deep inside one another", kMostParts));
  }
  OR_RETURN(CheckKeywords(*object, place));
  Object own;
  for (const auto& [key, value] : *object) {
    const std::string_view name(key.data(), key.size());
    if (IsAnnotation(name) || name == "$id" || name == "$ref" || name == "allOf") continue;
    own[key] = value;
  }
  OR_RETURN(budget_.Take(own));
  if (part && own.contains("unevaluatedProperties")) {
    own.erase("unevaluatedProperties");
    if (!own.contains("additionalProperties")) own["additionalProperties"] = false;
  }
  std::vector<std::pair<const Value*, Place>> parts;
  if (const auto* ref = object->if_contains("$ref")) {
    parts.emplace_back(OR_RETURN(Target(*ref, place)), place.Inside("$ref"));
  }
  if (const auto* all = object->if_contains("allOf")) {
    const auto* list = all->if_array();
    if (list == nullptr || list->empty()) {
      return Wrong(ErrorCode::kInvalidArgument, place, "allOf is an array of schemas");
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
      parts.emplace_back(&(*list)[i], place.Inside(fmt::format("allOf/{}", i)));
    }
  }
  Value whole = std::move(own);
  for (const auto& [one, where] : parts) {
    const Value opened = OR_RETURN(Opened(*one, where));
    if (!opened.is_object()) return Value(false);
    auto merged = MergeSchemas(whole.get_object(), opened.get_object(), budget_);
    if (!merged) return Wrong(merged.error().code, where, merged.error().message);
    whole = *std::move(merged);
    if (!whole.is_object()) return Value(false);
  }
  return whole;
}

Result<ExpressionId> SchemaReader::Combined(const Object& schema, const Place& place) {
  Value opened = Value(schema);
  if (schema.contains("$ref") || schema.contains("allOf")) {
    opened = OR_RETURN(Opened(opened, place, false));
    if (!opened.is_object()) return Expressions::kNever;
  } else {
    OR_RETURN(budget_.Take(opened));
    for (const auto& [key, value] : schema) {
      const std::string_view name(key.data(), key.size());
      if (IsAnnotation(name) || name == "$id") opened.get_object().erase(key);
    }
  }
  Object& rest = opened.get_object();
  for (const char* name : {"anyOf", "oneOf"}) {
    if (!rest.contains(name)) continue;
    const Value list = std::move(rest.at(name));
    rest.erase(name);
    return AnyOf(rest, list, name, place);
  }
  return Schema(opened, {.name = place.name, .depth = place.depth + 1});
}

Result<ExpressionId> SchemaReader::AnyOf(const Object& rest, const Value& given,
                                         std::string_view name, const Place& place) {
  const auto* list = given.if_array();
  if (list == nullptr || list->empty()) {
    return Wrong(ErrorCode::kInvalidArgument, place,
                 fmt::format("{} is an array of schemas", name));
  }
  std::vector<ExpressionId> ways;
  std::vector<Value> apart;  // what oneOf's are, for the check
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Place where = place.Inside(fmt::format("{}/{}", name, i));
    const Value* way = &(*list)[i];
    Value merged;
    if (!rest.empty() || name == "oneOf") {
      merged = OR_RETURN(Opened(*way, where));
      if (!merged.is_object()) continue;
      if (!rest.empty()) {
        auto joined = MergeSchemas(rest, merged.get_object(), budget_);
        if (!joined) return Wrong(joined.error().code, where, joined.error().message);
        merged = *std::move(joined);
        if (!merged.is_object()) continue;
        way = &merged;
      }
    }
    ways.push_back(OR_RETURN(Schema(*way, where)));
    if (name == "oneOf") apart.push_back(std::move(merged));
  }
  if (name == "oneOf") {
    const auto checked = CheckApart(apart);
    if (!checked) return Wrong(checked.error().code, place, checked.error().message);
  }
  return out_.Choice(ways);
}

}  // namespace cairn::grammar
