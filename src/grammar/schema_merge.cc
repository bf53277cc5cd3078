// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/printable.h"
#include "grammar/json_text.h"
#include "grammar/schema_words.h"

namespace cairn::grammar {
namespace {

namespace json = boost::json;

bool Spend(const json::value& value, std::size_t& left) {
  if (left == 0) return false;
  --left;
  if (const auto* list = value.if_array()) {
    return std::ranges::all_of(*list, [&](const json::value& item) { return Spend(item, left); });
  }
  if (const auto* object = value.if_object()) {
    return std::ranges::all_of(*object,
                               [&](const auto& member) { return Spend(member.value(), left); });
  }
  return true;
}

std::unexpected<Error> Both(std::string_view name) {
  return Fail(ErrorCode::kUnsupported,
              fmt::format("the keyword {} is not supported in two schemas that must both hold",
                          Printable(name)));
}

json::value And(const json::value& a, const json::value& b) {
  if (a == b || b == json::value(true)) return a;
  if (a == json::value(true)) return b;
  if (a == json::value(false) || b == json::value(false)) return false;
  return json::object{{"allOf", json::array{a, b}}};
}

// A type, or several, as a list.
json::array ListOf(const json::value& value) {
  if (const auto* list = value.if_array()) return *list;
  return json::array{value};
}

// Types of both; an integer is a number too.
json::array CommonTypes(const json::array& a, const json::array& b) {
  const auto has = [](const json::array& list, const json::value& type) {
    return std::ranges::any_of(list, [&](const json::value& item) { return item == type; });
  };
  json::array out;
  for (const json::value& type : a) {
    if (has(b, type) || (type == json::value("integer") && has(b, "number"))) out.push_back(type);
  }
  for (const json::value& type : b) {
    if (type == json::value("integer") && has(a, "number") && !has(a, "integer")) {
      out.push_back(type);
    }
  }
  return out;
}

// The values of const and enum; null where there is neither.
json::value Listed(const json::object& schema) {
  if (const auto* one = schema.if_contains("const")) return json::array{*one};
  if (const auto* many = schema.if_contains("enum"); many != nullptr && many->is_array()) {
    return *many;
  }
  return nullptr;
}

class Merger {
 public:
  Merger(const json::object& a, const json::object& b) : a_(a), b_(b), out_(a) {}

  Result<json::value> Run() {
    if (!MergeListed()) return false;
    for (const auto& [key, value] : b_) {
      const std::string_view name(key.data(), key.size());
      if (!a_.contains(key)) {
        out_[key] = value;
      } else if (a_.at(key) != value && !IsAnnotation(name)) {
        OR_RETURN(Keyword(name, a_.at(key), value));
      }
    }
    if (never_) return false;
    MergeProperties();
    MergeItems();
    if (listed_) {
      for (const char* name : {"const", "enum"}) out_.erase(name);
      out_["enum"] = std::move(values_);
    }
    return std::move(out_);
  }

 private:
  // False where the lists have nothing in common.
  bool MergeListed() {
    const json::value a = Listed(a_), b = Listed(b_);
    if (!a.is_array() || !b.is_array()) return true;
    std::unordered_set<std::string> in_b;
    for (const json::value& value : b.get_array()) in_b.insert(CompactJson(value));
    for (const json::value& value : a.get_array()) {
      if (in_b.contains(CompactJson(value))) values_.push_back(value);
    }
    listed_ = true;
    return !values_.empty();
  }

  Result<void> Keyword(std::string_view name, const json::value& a, const json::value& b) {
    if (name == "const" || name == "enum" || name == "properties" || name == "items" ||
        name == "prefixItems") {
      return {};  // done apart
    }
    if (name == "type") {
      json::array types = CommonTypes(ListOf(a), ListOf(b));
      never_ = never_ || types.empty();
      out_["type"] = std::move(types);
      return {};
    }
    if (name == "required") {
      if (!a.is_array() || !b.is_array()) return Both(name);
      json::array names = a.get_array();
      for (const json::value& one : b.get_array()) names.push_back(one);
      out_["required"] = std::move(names);
      return {};
    }
    if (name == "additionalProperties" || name == "propertyNames") {
      out_[name] = And(a, b);
      return {};
    }
    const bool least = name.starts_with("min") || name == "exclusiveMinimum";
    const bool most = name.starts_with("max") || name == "exclusiveMaximum";
    if ((!least && !most) || !a.is_number() || !b.is_number()) return Both(name);
    const bool a_larger = a.to_number<double>() > b.to_number<double>();
    out_[name] = a_larger == least ? a : b;
    return {};
  }

  // A name that only one of them lists belongs to the other's additional ones.
  void MergeProperties() {
    const auto* a = Properties(a_);
    const auto* b = Properties(b_);
    if (a == nullptr && b == nullptr) return;
    json::object merged;
    const auto add = [&](const json::object* from, const json::object* other,
                         const json::object& other_schema) {
      if (from == nullptr) return;
      const auto* rest = other_schema.if_contains("additionalProperties");
      for (const auto& [key, value] : *from) {
        if (merged.contains(key)) continue;
        const auto* twin = other != nullptr ? other->if_contains(key) : nullptr;
        const auto* also = twin != nullptr ? twin : rest;
        merged[key] = also != nullptr ? And(value, *also) : value;
      }
    };
    add(a, b, b_);
    add(b, a, a_);
    out_["properties"] = std::move(merged);
  }

  static const json::object* Properties(const json::object& schema) {
    const auto* value = schema.if_contains("properties");
    return value != nullptr ? value->if_object() : nullptr;
  }

  void MergeItems() {
    const json::array none;
    const auto prefix = [&](const json::object& schema) -> const json::array& {
      const auto* value = schema.if_contains("prefixItems");
      return value != nullptr && value->is_array() ? value->get_array() : none;
    };
    const auto rest = [](const json::object& schema) {
      const auto* value = schema.if_contains("items");
      return value != nullptr ? *value : json::value(true);
    };
    const json::array &a = prefix(a_), &b = prefix(b_);
    const json::value rest_a = rest(a_), rest_b = rest(b_);
    json::array merged;
    for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
      merged.push_back(And(i < a.size() ? a[i] : rest_a, i < b.size() ? b[i] : rest_b));
    }
    if (!merged.empty()) out_["prefixItems"] = std::move(merged);
    if (a_.contains("items") || b_.contains("items")) out_["items"] = And(rest_a, rest_b);
  }

  const json::object& a_;
  const json::object& b_;
  json::object out_;
  bool never_ = false;
  bool listed_ = false;
  json::array values_;
};

}  // namespace

Result<void> MergeBudget::Take(const json::value& value) {
  constexpr std::size_t kEach = 4;  // small ones cost time too
  values -= std::min(values, kEach);
  if (Spend(value, values)) return {};
  return Fail(ErrorCode::kLimit,
              "schemas that must hold together refer to one another too often to be joined");
}

Result<json::value> MergeSchemas(const json::object& a, const json::object& b,
                                 MergeBudget& budget) {
  OR_RETURN(budget.Take(a));
  OR_RETURN(budget.Take(b));
  return Merger(a, b).Run();
}

}  // namespace cairn::grammar
