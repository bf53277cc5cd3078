// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/printable.h"
#include "grammar/json_formats.h"
#include "grammar/json_schema.h"
#include "grammar/schema_words.h"

namespace cairn::grammar {
namespace {

namespace json = boost::json;

constexpr int kMostSchemaDepth = 100;

// "#/$defs/a%20b": what stands behind the #, with its escapes read. Nothing where one is none.
std::optional<std::string> Unescaped(std::string_view pointer) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < pointer.size(); ++i) {
    if (pointer[i] != '%') {
      out += pointer[i];
      continue;
    }
    if (i + 2 >= pointer.size()) return std::nullopt;
    const int high = digit(pointer[i + 1]), low = digit(pointer[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

}  // namespace

std::unexpected<Error> SchemaReader::Wrong(ErrorCode code, const Place& place,
                                           std::string_view what) {
  return Fail(code, fmt::format("schema, at {}: {}", Printable(place.name, 200), what));
}

std::unexpected<Error> SchemaReader::Unsupported(const Place& place, std::string_view keyword) {
  return Wrong(ErrorCode::kUnsupported, place,
               fmt::format("the keyword {} is not supported", keyword));
}

// References are read one after the other and not inside one another, so that they may form
// circles and long chains.
Result<ExpressionId> SchemaReader::Read() {
  const ExpressionId whole = OR_RETURN(Schema(root_, {.name = "#"}));
  while (!pending_.empty()) {
    const Pending next = std::move(pending_.back());
    pending_.pop_back();
    out_.Define(next.rule, OR_RETURN(Schema(*next.schema, {.name = next.name})));
  }
  return whole;
}

Result<ExpressionId> SchemaReader::Schema(const Value& schema, const Place& place) {
  if (place.depth > kMostSchemaDepth) {
    return Wrong(ErrorCode::kLimit, place,
                 fmt::format("schemas are taken {} deep inside one another", kMostSchemaDepth));
  }
  if (const bool* all = schema.if_bool()) return *all ? text_.Any() : Expressions::kNever;
  const auto* object = schema.if_object();
  if (object == nullptr) {
    return Wrong(ErrorCode::kInvalidArgument, place, "a schema is an object, true or false");
  }
  OR_RETURN(CheckKeywords(*object, place));
  const auto says_more = [&](std::string_view than) {
    return std::ranges::any_of(*object, [&](const auto& member) {
      const std::string_view name(member.key().data(), member.key().size());
      return name != than && !IsAnnotation(name) && name != "$id";
    });
  };
  if (const auto* ref = object->if_contains("$ref"); ref != nullptr && !says_more("$ref")) {
    return Reference(*ref, place);
  }
  for (const char* name : {"$ref", "allOf", "anyOf", "oneOf"}) {
    if (object->contains(name)) return Combined(*object, place);
  }
  for (const char* name : {"const", "enum"}) {
    if (object->contains(name)) return Listed(*object, name, place);
  }
  return ByType(*object, place);
}

Result<ExpressionId> SchemaReader::ByType(const Object& schema, const Place& place) {
  const auto types = OR_RETURN(TypesOf(schema, place));
  std::vector<ExpressionId> ways;
  for (const std::string_view type : types) {
    ExpressionId way = Expressions::kNever;
    if (type == "null") way = out_.Bytes("null");
    if (type == "boolean") way = out_.OneOf({"true", "false"});
    if (type == "string") way = OR_RETURN(StringOf(schema, place));
    if (type == "integer") way = OR_RETURN(NumberOf(schema, true, place));
    if (type == "number") way = OR_RETURN(NumberOf(schema, false, place));
    if (type == "array") way = OR_RETURN(ArrayOf(schema, place));
    if (type == "object") way = OR_RETURN(ObjectOf(schema, place));
    ways.push_back(way);
  }
  return out_.Choice(ways);
}

Result<void> SchemaReader::CheckKeywords(const Object& schema, const Place& place) const {
  for (const auto& [key, value] : schema) {
    const std::string_view name(key.data(), key.size());
    if (IsAnnotation(name) || IsKnownKeyword(name)) continue;
    // Another base for references than the whole document.
    if (name == "$id" && &schema == root_.if_object()) continue;
    // Those that ask for nothing are let through.
    if (name == "uniqueItems" && value == json::value(false)) continue;
    return Unsupported(place, Printable(name));
  }
  if (const auto* closed = schema.if_contains("unevaluatedProperties")) {
    if (*closed != json::value(false)) {
      return Wrong(ErrorCode::kUnsupported, place,
                   "the keyword unevaluatedProperties is supported with false alone");
    }
  }
  // An annotation to some, a condition to others: known ones are conditions here.
  if (const auto* format = schema.if_contains("format")) {
    const auto* name = format->if_string();
    if (name == nullptr) return Wrong(ErrorCode::kInvalidArgument, place, "format is a string");
    if (!PatternOfFormat(ViewOf(*name))) {
      return Wrong(ErrorCode::kUnsupported, place,
                   fmt::format("the keyword format is not supported with '{}'",
                               Printable(ViewOf(*name), 40)));
    }
  }
  return {};
}

Result<std::vector<std::string_view>> SchemaReader::TypesOf(const Object& schema,
                                                            const Place& place) const {
  std::vector<std::string_view> types;
  const auto add = [&](const json::value& value) -> Result<void> {
    const auto* name = value.if_string();
    for (const std::string_view type : JsonTypes()) {
      if (name == nullptr || ViewOf(*name) != type) continue;
      if (std::ranges::count(types, type) == 0) types.push_back(type);
      return {};
    }
    return Wrong(ErrorCode::kInvalidArgument, place, "type names no type of JSON");
  };
  const auto* given = schema.if_contains("type");
  if (given == nullptr) {
    // Without a type every type is taken; keywords of one type say which one is meant.
    for (const TypedKeyword& keyword : TypedKeywords()) {
      if (schema.contains(keyword.name) && std::ranges::count(types, keyword.type) == 0) {
        types.push_back(keyword.type);
      }
    }
    if (types.empty() && schema.contains("unevaluatedProperties")) types.push_back("object");
    if (types.empty()) types = {"null", "boolean", "number", "string", "array", "object"};
    return types;
  }
  if (const auto* list = given->if_array()) {
    for (const json::value& value : *list) OR_RETURN(add(value));
  } else {
    OR_RETURN(add(*given));
  }
  // Every integer is a number.
  if (std::ranges::count(types, "number") > 0) std::erase(types, "integer");
  return types;
}

Result<ExpressionId> SchemaReader::Listed(const Object& schema, std::string_view name,
                                          const Place& place) {
  std::vector<std::string> texts;
  std::vector<std::string_view> types;
  for (const auto& [key, value] : schema) {
    const std::string_view beside(key.data(), key.size());
    // What would have to be asked of each value.
    if (beside == name || beside == "type" || IsAnnotation(beside)) continue;
    return Wrong(ErrorCode::kUnsupported, place,
                 fmt::format("the keyword {} is not supported beside {}", Printable(beside), name));
  }
  if (schema.contains("type")) types = OR_RETURN(TypesOf(schema, place));
  const auto add = [&](const json::value& value) {
    const std::string_view type = TypeOfValue(value);
    const bool fits = types.empty() || std::ranges::count(types, type) > 0 ||
                      (type == "integer" && std::ranges::count(types, "number") > 0);
    if (fits) texts.push_back(CompactJson(value));
  };
  const json::value& given = schema.at(name);
  if (name == "const") {
    add(given);
  } else {
    const auto* list = given.if_array();
    if (list == nullptr) return Wrong(ErrorCode::kInvalidArgument, place, "enum is an array");
    for (const json::value& value : *list) add(value);
  }
  return out_.OneOf(std::move(texts));
}

Result<const json::value*> SchemaReader::Target(const Value& ref, const Place& place) const {
  const auto* given = ref.if_string();
  if (given == nullptr) return Wrong(ErrorCode::kInvalidArgument, place, "$ref is a string");
  const std::string_view target = ViewOf(*given);
  if (!target.starts_with('#')) {
    return Wrong(ErrorCode::kUnsupported, place,
                 "the keyword $ref is supported inside the schema alone");
  }
  if (target == "#") return &root_;
  const auto pointer = Unescaped(target.substr(1));
  boost::system::error_code failed;
  const json::value* found = pointer ? root_.find_pointer(*pointer, failed) : nullptr;
  if (found == nullptr || failed) {
    return Wrong(ErrorCode::kInvalidArgument, place,
                 fmt::format("$ref names nothing: {}", Printable(target)));
  }
  return found;
}

// Each target is one rule.
Result<ExpressionId> SchemaReader::Reference(const Value& ref, const Place& place) {
  const json::value* found = OR_RETURN(Target(ref, place));
  std::string target(ViewOf(ref.get_string()));
  const auto known = references_.find(target);
  if (known != references_.end()) return out_.Call(known->second);
  const RuleId rule = out_.AddRule(target);
  references_.emplace(target, rule);
  pending_.push_back({.name = std::move(target), .schema = found, .rule = rule});
  return out_.Call(rule);
}

ExpressionId SchemaReader::Rule(ExpressionId body) {
  if (body == Expressions::kNever || body == Expressions::kEmpty) return body;
  const RuleId rule = out_.AddRule("part");
  out_.Define(rule, body);
  return out_.Call(rule);
}

// --- the contract -----------------------------------------------------------------------------

Result<ExpressionId> ReadJsonSchema(Expressions& expressions, JsonText& text,
                                    const json::value& schema) {
  return SchemaReader(expressions, text, schema).Read();
}

Result<std::shared_ptr<const Grammar>> CompileJsonSchema(const json::value& schema) {
  Expressions expressions;
  JsonText text(expressions);
  const RuleId root = expressions.AddRule("root");
  expressions.Define(root, OR_RETURN(ReadJsonSchema(expressions, text, schema)));
  return Grammar::Compile(expressions, root, kMostJsonLevels);
}

Result<std::shared_ptr<const Grammar>> CompileJsonObject() {
  Expressions expressions;
  JsonText text(expressions);
  const RuleId root = expressions.AddRule("root");
  expressions.Define(root, text.Object());
  return Grammar::Compile(expressions, root, kMostJsonLevels);
}

}  // namespace cairn::grammar
