// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_apart.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "grammar/json_text.h"
#include "grammar/schema_words.h"

namespace cairn::grammar {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostWays = 256;
constexpr std::size_t kMostCompared = 2'000'000;
constexpr std::size_t kMostTags = 8;  // of a schema

// The values that a schema lists, if it does.
std::optional<std::unordered_set<std::string>> ValuesOf(const json::object& schema) {
  std::unordered_set<std::string> values;
  if (const auto* one = schema.if_contains("const")) {
    values.insert(CompactJson(*one));
    return values;
  }
  const auto* many = schema.if_contains("enum");
  if (many == nullptr || !many->is_array()) return std::nullopt;
  for (const json::value& value : many->get_array()) values.insert(CompactJson(value));
  return values;
}

bool Disjoint(const std::unordered_set<std::string>& a, const std::unordered_set<std::string>& b) {
  const auto& small = a.size() < b.size() ? a : b;
  const auto& large = a.size() < b.size() ? b : a;
  return std::ranges::none_of(small, [&](const std::string& text) { return large.contains(text); });
}

struct Tag {
  std::string name;
  std::unordered_set<std::string> values;
};

// What is looked at of a schema.
struct Way {
  const json::object* schema = nullptr;
  std::vector<std::string_view> accepts;    // types that it says it takes; empty: any
  std::vector<std::string_view> generates;  // types that its grammar makes
  std::optional<std::unordered_set<std::string>> values;
  std::vector<Tag> tags;
  std::unordered_set<std::string> required, members;
  bool closed = false;   // its grammar makes no other members
  bool objects = false;  // and nothing but objects
};

void AddType(std::vector<std::string_view>& types, std::string_view type) {
  if (std::ranges::count(types, type) == 0) types.push_back(type);
}

Way Look(const json::object& schema) {
  Way way{.schema = &schema, .values = ValuesOf(schema)};
  const auto declared = [&](const json::value& type) {
    if (!type.is_string()) return;
    const std::string_view name = ViewOf(type.get_string());
    AddType(way.accepts, name);
    if (name == "number") AddType(way.accepts, "integer");
  };
  if (const auto* type = schema.if_contains("type")) {
    if (const auto* list = type->if_array()) {
      for (const json::value& one : *list) declared(one);
    } else {
      declared(*type);
    }
  }
  way.generates = way.accepts;
  if (way.values) {
    way.accepts.clear();
    for (const char* name : {"const", "enum"}) {
      const auto* value = schema.if_contains(name);
      if (value == nullptr) continue;
      if (std::string_view(name) == "const") {
        AddType(way.accepts, TypeOfValue(*value));
      } else if (value->is_array()) {
        for (const json::value& one : value->get_array()) AddType(way.accepts, TypeOfValue(one));
      }
    }
    way.generates = way.accepts;
  }
  if (way.generates.empty()) {
    for (const TypedKeyword& keyword : TypedKeywords()) {
      if (schema.contains(keyword.name)) AddType(way.generates, keyword.type);
    }
    if (std::ranges::count(way.generates, "number") > 0) AddType(way.generates, "integer");
  }
  way.objects = way.generates.size() == 1 && way.generates[0] == "object" && !way.values;
  if (const auto* names = schema.if_contains("required"); names != nullptr && names->is_array()) {
    for (const json::value& name : names->get_array()) {
      if (name.is_string()) way.required.emplace(ViewOf(name.get_string()));
    }
  }
  const auto* properties = schema.if_contains("properties");
  if (properties == nullptr || !properties->is_object()) return way;
  way.closed = !schema.contains("patternProperties") && !schema.contains("propertyNames") &&
               (!schema.contains("additionalProperties") ||
                schema.at("additionalProperties") == json::value(false));
  for (const auto& [key, value] : properties->get_object()) {
    const std::string name(key.data(), key.size());
    way.members.insert(name);
    if (!value.is_object() || !way.required.contains(name) || way.tags.size() == kMostTags)
      continue;
    if (auto values = ValuesOf(value.get_object())) {
      way.tags.push_back({.name = name, .values = *std::move(values)});
    }
  }
  return way;
}

// `way` fits nothing that the grammar of `other` makes.
bool Rejects(const Way& way, const Way& other) {
  if (way.values && other.values) return Disjoint(*way.values, *other.values);
  if (!way.accepts.empty() && !other.generates.empty()) {
    const bool common = std::ranges::any_of(way.accepts, [&](std::string_view type) {
      return std::ranges::count(other.generates, type) > 0;
    });
    if (!common) return true;
  }
  if (!other.objects) return false;
  if (other.closed && std::ranges::any_of(way.required, [&](const std::string& name) {
        return !other.members.contains(name) && !other.required.contains(name);
      })) {
    return true;
  }
  return std::ranges::any_of(way.tags, [&](const Tag& tag) {
    return std::ranges::any_of(other.tags, [&](const Tag& theirs) {
      return tag.name == theirs.name && Disjoint(tag.values, theirs.values);
    });
  });
}

}  // namespace

Result<void> CheckApart(std::span<const json::value> ways) {
  std::vector<Way> looked;
  std::size_t values = 1;
  for (const json::value& way : ways) {
    looked.push_back(Look(way.get_object()));
    if (looked.back().values) values += looked.back().values->size();
    values += looked.back().required.size() + looked.back().tags.size();
    for (const Tag& tag : looked.back().tags) values += tag.values.size();
  }
  if (looked.size() > kMostWays || looked.size() * values > kMostCompared) {
    return Fail(ErrorCode::kLimit, "oneOf has too many schemas to tell them apart; write anyOf");
  }
  for (std::size_t i = 0; i < looked.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (Rejects(looked[i], looked[j]) && Rejects(looked[j], looked[i])) continue;
      return Fail(ErrorCode::kUnsupported,
                  fmt::format("the keyword oneOf is supported where its schemas differ by type, by "
                              "listed values or by a required member; {} and {} may fit the same; "
                              "write anyOf",
                              j, i));
    }
  }
  return {};
}

}  // namespace cairn::grammar
