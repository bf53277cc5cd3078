// SPDX-License-Identifier: Apache-2.0
#include "grammar/json_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/printable.h"
#include "grammar/json_formats.h"
#include "grammar/json_text.h"
#include "grammar/regex.h"

namespace cairn::grammar {
namespace {

namespace json = boost::json;

constexpr int kMostSchemaDepth = 100;
constexpr std::array<std::string_view, 12> kAnnotations{
    "title",   "description", "default", "examples",    "example",  "$comment",
    "$schema", "$id",         "$defs",   "definitions", "readOnly", "writeOnly"};
constexpr std::array<std::string_view, 2> kMoreAnnotations{"deprecated", "$anchor"};
constexpr std::array<std::string_view, 7> kTypes{"null",   "boolean", "integer", "number",
                                                 "string", "array",   "object"};

// What each type's values look like: the keywords that say so.
struct Keyword {
  std::string_view name;
  std::string_view type;
};
constexpr std::array<Keyword, 14> kOfTypes{{{"minLength", "string"},
                                            {"maxLength", "string"},
                                            {"pattern", "string"},
                                            {"format", "string"},
                                            {"minimum", "number"},
                                            {"maximum", "number"},
                                            {"exclusiveMinimum", "number"},
                                            {"exclusiveMaximum", "number"},
                                            {"items", "array"},
                                            {"prefixItems", "array"},
                                            {"minItems", "array"},
                                            {"maxItems", "array"},
                                            {"properties", "object"},
                                            {"required", "object"}}};

class Compilation {
 public:
  explicit Compilation(const json::value& root) : root_(root), text_(out_) {}

  Result<std::shared_ptr<const Grammar>> Run() {
    const RuleId rule = out_.AddRule("root");
    out_.Define(rule, OR_RETURN(Value(root_, "#", 0)));
    return Grammar::Compile(out_, rule, kMostJsonLevels);
  }

 private:
  static std::unexpected<Error> Wrong(ErrorCode code, const std::string& place,
                                      std::string_view what) {
    return Fail(code, fmt::format("schema, at {}: {}", Printable(place, 200), what));
  }

  Result<ExpressionId> Value(const json::value& schema, const std::string& place, int depth) {
    if (depth > kMostSchemaDepth) {
      return Wrong(ErrorCode::kLimit, place,
                   fmt::format("schemas are taken {} deep inside one another", kMostSchemaDepth));
    }
    if (const bool* all = schema.if_bool()) return *all ? text_.Any() : Expressions::kNever;
    const auto* object = schema.if_object();
    if (object == nullptr) {
      return Wrong(ErrorCode::kInvalidArgument, place, "a schema is an object, true or false");
    }
    OR_RETURN(CheckKeywords(*object, place));
    if (const auto* ref = object->if_contains("$ref")) {
      OR_RETURN(Alone(*object, "$ref", place));
      return Reference(*ref, place);
    }
    for (const char* name : {"const", "enum"}) {
      if (object->contains(name)) {
        OR_RETURN(Alone(*object, name, place));
        return Listed(*object, name, place);
      }
    }
    for (const char* name : {"anyOf", "oneOf", "allOf"}) {
      if (const auto* list = object->if_contains(name)) {
        OR_RETURN(Alone(*object, name, place));
        return Combined(*list, name, place, depth);
      }
    }
    std::vector<std::string_view> types = OR_RETURN(TypesOf(*object, place));
    std::vector<ExpressionId> ways;
    for (const std::string_view type : types) {
      ways.push_back(OR_RETURN(Typed(*object, type, place, depth)));
    }
    return out_.Choice(ways);
  }

  static bool IsAnnotation(std::string_view name) {
    return std::ranges::count(kAnnotations, name) > 0 ||
           std::ranges::count(kMoreAnnotations, name) > 0 || name.starts_with("x-");
  }

  Result<void> CheckKeywords(const json::object& schema, const std::string& place) {
    for (const auto& [key, value] : schema) {
      const std::string_view name(key.data(), key.size());
      const bool known =
          IsAnnotation(name) || name == "type" || name == "additionalProperties" ||
          name == "$ref" || name == "const" || name == "enum" || name == "anyOf" ||
          name == "oneOf" || name == "allOf" ||
          std::ranges::any_of(kOfTypes, [&](const Keyword& k) { return k.name == name; });
      // Those that ask for nothing are let through.
      if (known || (name == "uniqueItems" && value == json::value(false))) continue;
      return Wrong(ErrorCode::kUnsupported, place,
                   fmt::format("the keyword {} is not supported", Printable(name)));
    }
    return {};
  }

  // Keywords beside one that says everything would have to be joined with it. A type that all of
  // the values have is the one that people write.
  Result<void> Alone(const json::object& schema, std::string_view alone, const std::string& place) {
    for (const auto& [key, value] : schema) {
      const std::string_view name(key.data(), key.size());
      if (name == alone || IsAnnotation(name)) continue;
      if (name == "type" && (alone == "const" || alone == "enum")) continue;  // Listed filters
      return Wrong(
          ErrorCode::kUnsupported, place,
          fmt::format("the keyword {} is not supported beside {}", Printable(name), alone));
    }
    return {};
  }

  Result<std::vector<std::string_view>> TypesOf(const json::object& schema,
                                                const std::string& place) {
    std::vector<std::string_view> types;
    const auto add = [&](const json::value& value) -> Result<void> {
      const auto* name = value.if_string();
      for (const std::string_view type : kTypes) {
        if (name != nullptr && std::string_view(name->data(), name->size()) == type) {
          types.push_back(type);
          return {};
        }
      }
      return Wrong(ErrorCode::kInvalidArgument, place, "type names no type of JSON");
    };
    const auto* given = schema.if_contains("type");
    if (given == nullptr) {
      // Without a type every type is taken; keywords of one type say which one is meant.
      for (const Keyword& keyword : kOfTypes) {
        if (schema.contains(keyword.name) && std::ranges::count(types, keyword.type) == 0) {
          types.push_back(keyword.type);
        }
      }
      if (types.empty() && schema.contains("additionalProperties")) types.push_back("object");
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

  static std::string_view TypeOf(const json::value& value) {
    switch (value.kind()) {
      case json::kind::null: return "null";
      case json::kind::bool_: return "boolean";
      case json::kind::string: return "string";
      case json::kind::array: return "array";
      case json::kind::object: return "object";
      case json::kind::double_: {
        const double d = value.get_double();
        return std::floor(d) == d ? "integer" : "number";
      }
      default: return "integer";
    }
  }

  Result<ExpressionId> Listed(const json::object& schema, const char* name,
                              const std::string& place) {
    std::vector<std::string> texts;
    std::vector<std::string_view> types;
    if (schema.contains("type")) types = OR_RETURN(TypesOf(schema, place));
    const auto add = [&](const json::value& value) {
      const std::string_view type = TypeOf(value);
      const bool fits = types.empty() || std::ranges::count(types, type) > 0 ||
                        (type == "integer" && std::ranges::count(types, "number") > 0);
      if (fits) texts.push_back(CompactJson(value));
    };
    const json::value& given = schema.at(name);
    if (std::string_view(name) == "const") {
      add(given);
    } else {
      const auto* list = given.if_array();
      if (list == nullptr) return Wrong(ErrorCode::kInvalidArgument, place, "enum is an array");
      for (const json::value& value : *list) add(value);
    }
    return out_.OneOf(std::move(texts));
  }

  Result<ExpressionId> Combined(const json::value& given, std::string_view name,
                                const std::string& place, int depth) {
    const auto* list = given.if_array();
    if (list == nullptr || list->empty()) {
      return Wrong(ErrorCode::kInvalidArgument, place,
                   fmt::format("{} is an array of schemas", name));
    }
    if (name == "allOf" && list->size() > 1) {
      return Wrong(ErrorCode::kUnsupported, place,
                   "the keyword allOf is supported with one schema alone");
    }
    if (name == "oneOf") OR_RETURN(CheckApart(*list, place));
    std::vector<ExpressionId> ways;
    for (std::size_t i = 0; i < list->size(); ++i) {
      ways.push_back(
          OR_RETURN(Value((*list)[i], fmt::format("{}/{}/{}", place, name, i), depth + 1)));
    }
    return out_.Choice(ways);
  }

  // oneOf is anyOf where no value can fit two of the schemas: they have no type in common, or list
  // different values.
  Result<void> CheckApart(const json::array& list, const std::string& place) {
    std::map<std::string, std::size_t> seen;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const auto* schema = list[i].if_object();
      std::vector<std::string> marks;
      if (schema != nullptr && (schema->contains("const") || schema->contains("enum"))) {
        if (const auto* one = schema->if_contains("const")) marks.push_back(json::serialize(*one));
        if (const auto* many = schema->if_contains("enum"); many != nullptr && many->is_array()) {
          for (const json::value& value : many->get_array())
            marks.push_back(json::serialize(value));
        }
        for (const std::string& mark : marks) {
          const auto [at, fresh] = seen.emplace("=" + mark, i);
          if (!fresh && at->second != i) return Overlap(place);
        }
        std::vector<std::string> types;
        if (const auto* one = schema->if_contains("const")) types.emplace_back(TypeOf(*one));
        if (const auto* many = schema->if_contains("enum"); many != nullptr && many->is_array()) {
          for (const json::value& value : many->get_array()) types.emplace_back(TypeOf(value));
        }
        for (const std::string& type : types) {
          if (seen.contains("type " + type)) return Overlap(place);
          seen.emplace("value of " + type, i);
        }
        continue;
      }
      if (schema == nullptr || !schema->contains("type")) return Overlap(place);
      for (const std::string_view type : OR_RETURN(TypesOf(*schema, place))) {
        std::vector<std::string> names{std::string(type)};
        if (type == "number") names.emplace_back("integer");
        for (const std::string& one : names) {
          if (seen.contains("value of " + one)) return Overlap(place);
          if (!seen.emplace("type " + one, i).second) return Overlap(place);
        }
      }
    }
    return {};
  }

  static std::unexpected<Error> Overlap(const std::string& place) {
    return Wrong(ErrorCode::kUnsupported, place,
                 "the keyword oneOf is supported where its schemas have different types or list "
                 "different values; write anyOf");
  }

  // Each target is one rule, so that references may form circles.
  Result<ExpressionId> Reference(const json::value& ref, const std::string& place) {
    const auto* given = ref.if_string();
    if (given == nullptr) return Wrong(ErrorCode::kInvalidArgument, place, "$ref is a string");
    const std::string target(given->data(), given->size());
    if (const auto known = references_.find(target); known != references_.end()) {
      return out_.Call(known->second);
    }
    if (!target.starts_with('#')) {
      return Wrong(ErrorCode::kUnsupported, place, "$ref is supported inside the schema alone");
    }
    boost::system::error_code failed;
    const json::value* found =
        target == "#" ? &root_ : root_.find_pointer(target.substr(1), failed);
    if (found == nullptr || failed) {
      return Wrong(ErrorCode::kInvalidArgument, place,
                   fmt::format("$ref names nothing: {}", Printable(target)));
    }
    if (++open_references_ > kMostSchemaDepth) {
      return Wrong(ErrorCode::kLimit, place, "references lead too deep");
    }
    const RuleId rule = out_.AddRule(target);
    references_.emplace(target, rule);
    out_.Define(rule, OR_RETURN(Value(*found, target, 0)));
    --open_references_;
    return out_.Call(rule);
  }

  Result<ExpressionId> Typed(const json::object& schema, std::string_view type,
                             const std::string& place, int depth) {
    if (type == "null") return out_.Bytes("null");
    if (type == "boolean") return out_.OneOf({"true", "false"});
    if (type == "string") return StringOf(schema, place);
    if (type == "integer" || type == "number") return NumberOf(schema, type, place);
    if (type == "array") return ArrayOf(schema, place, depth);
    return ObjectOf(schema, place, depth);
  }

  // A count that a keyword gives; bounds above what an answer can hold are that bound.
  Result<std::uint32_t> CountOf(const json::object& schema, const char* name, std::uint32_t absent,
                                const std::string& place) {
    const auto* given = schema.if_contains(name);
    if (given == nullptr) return absent;
    boost::system::error_code failed;
    const auto count = given->to_number<std::int64_t>(failed);
    if (failed || count < 0) {
      return Wrong(ErrorCode::kInvalidArgument, place,
                   fmt::format("{} is a whole number, not below 0", name));
    }
    if (count > kMostCount && std::string_view(name).starts_with("min")) {
      return Wrong(ErrorCode::kLimit, place, fmt::format("{} is taken up to {}", name, kMostCount));
    }
    return static_cast<std::uint32_t>(std::min<std::int64_t>(count, kMostCount));
  }

  Result<ExpressionId> StringOf(const json::object& schema, const std::string& place) {
    const std::uint32_t min = OR_RETURN(CountOf(schema, "minLength", 0, place));
    const std::uint32_t max = OR_RETURN(CountOf(schema, "maxLength", kEndless, place));
    const auto* pattern = schema.if_contains("pattern");
    const auto* format = schema.if_contains("format");
    if (pattern == nullptr && format == nullptr) return text_.String(min, max);
    const bool lengths = schema.contains("minLength") || schema.contains("maxLength");
    if (lengths || (pattern != nullptr && format != nullptr)) {
      return Wrong(ErrorCode::kUnsupported, place,
                   fmt::format("the keyword {} is not supported beside {}",
                               lengths ? (schema.contains("minLength") ? "minLength" : "maxLength")
                                       : "format",
                               pattern != nullptr ? "pattern" : "format"));
    }
    const json::value& given = pattern != nullptr ? *pattern : *format;
    const auto* text = given.if_string();
    if (text == nullptr) {
      return Wrong(ErrorCode::kInvalidArgument, place,
                   fmt::format("{} is a string", pattern != nullptr ? "pattern" : "format"));
    }
    std::string_view expression(text->data(), text->size());
    if (pattern == nullptr) {
      const auto known = PatternOfFormat(expression);
      if (!known) {
        return Wrong(ErrorCode::kUnsupported, place,
                     fmt::format("the keyword format is not supported with '{}'",
                                 Printable(expression, 40)));
      }
      expression = *known;
    }
    auto read = ReadRegex(out_, expression, RegexExtent::kSomewhere,
                          [this](const CodePoints& set) { return text_.Spelled(set); });
    if (!read) return Wrong(read.error().code, place, "pattern: " + read.error().message);
    return out_.Sequence({out_.Bytes("\""), *read, out_.Bytes("\"")});
  }

  Result<ExpressionId> NumberOf(const json::object& schema, std::string_view type,
                                const std::string& place) {
    std::optional<std::int64_t> least, most;
    bool bounded = false;
    for (const char* name : {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"}) {
      const auto* given = schema.if_contains(name);
      if (given == nullptr) continue;
      bounded = true;
      if (!given->is_number()) {
        return Wrong(ErrorCode::kInvalidArgument, place, fmt::format("{} is a number", name));
      }
      const double value = given->to_number<double>();
      constexpr double kExact = 9007199254740992;  // 2^53
      const bool lower = std::string_view(name).ends_with("inimum");
      const bool exclusive = name[0] == 'e';
      // Between whole numbers a bound is the next one inside.
      const double inside = lower ? (exclusive ? std::floor(value) + 1 : std::ceil(value))
                                  : (exclusive ? std::ceil(value) - 1 : std::floor(value));
      if (std::abs(inside) > kExact) {
        return Wrong(ErrorCode::kLimit, place, fmt::format("{} is taken up to 2^53", name));
      }
      const auto whole = static_cast<std::int64_t>(inside);
      if (lower) least = std::max(least.value_or(whole), whole);
      if (!lower) most = std::min(most.value_or(whole), whole);
    }
    if (!bounded) return type == "integer" ? text_.Integer() : text_.Number();
    if (type == "integer") {
      if (least && most && *most < *least) return Expressions::kNever;
      return text_.IntegerBetween(least, most);
    }
    return Wrong(ErrorCode::kUnsupported, place,
                 "minimum and maximum are supported with type integer alone");
  }

  Result<ExpressionId> ArrayOf(const json::object& schema, const std::string& place, int depth) {
    std::vector<ExpressionId> first;
    if (const auto* prefix = schema.if_contains("prefixItems")) {
      const auto* list = prefix->if_array();
      if (list == nullptr) {
        return Wrong(ErrorCode::kInvalidArgument, place, "prefixItems is an array");
      }
      for (std::size_t i = 0; i < list->size(); ++i) {
        first.push_back(
            OR_RETURN(Value((*list)[i], fmt::format("{}/prefixItems/{}", place, i), depth + 1)));
      }
    }
    const auto* items = schema.if_contains("items");
    const ExpressionId item =
        items != nullptr ? OR_RETURN(Value(*items, place + "/items", depth + 1)) : text_.Any();
    const std::uint32_t min = OR_RETURN(CountOf(schema, "minItems", 0, place));
    const std::uint32_t max = OR_RETURN(CountOf(schema, "maxItems", kEndless, place));
    if (max < min) return Expressions::kNever;
    // What may follow after i of the first: from the last one back.
    const auto fixed = static_cast<std::uint32_t>(first.size());
    const auto less = [](std::uint32_t a, std::uint32_t b) {
      return a == kEndless ? a : a - std::min(a, b);
    };
    const ExpressionId more = out_.Sequence({text_.Comma(), item});
    ExpressionId rest = fixed > 0 || max == 0
                            ? out_.Repeat(more, min - std::min(min, fixed), less(max, fixed))
                            : Expressions::kEmpty;
    if (fixed == 0 && max > 0) {
      rest = out_.Sequence({item, out_.Repeat(more, min - std::min(min, 1u), less(max, 1))});
      if (min == 0) rest = out_.Optional(rest);
    }
    for (std::uint32_t i = fixed; i > 0; --i) {
      ExpressionId with = out_.Sequence({first[i - 1], rest});
      if (i > 1) with = out_.Sequence({text_.Comma(), with});
      if (i > max) {
        rest = Expressions::kEmpty;
      } else {
        rest = i <= min ? with : out_.Optional(with);
      }
    }
    return out_.Sequence({out_.Bytes("["), text_.Space(), rest, text_.Space(), out_.Bytes("]")});
  }

  Result<ExpressionId> ObjectOf(const json::object& schema, const std::string& place, int depth) {
    const auto* properties = schema.if_contains("properties");
    const auto* others = schema.if_contains("additionalProperties");
    std::vector<std::string> required;
    if (const auto* list = schema.if_contains("required")) {
      if (!list->is_array()) {
        return Wrong(ErrorCode::kInvalidArgument, place, "required is an array of names");
      }
      for (const json::value& name : list->get_array()) {
        if (!name.is_string()) {
          return Wrong(ErrorCode::kInvalidArgument, place, "required is an array of names");
        }
        required.emplace_back(name.get_string().data(), name.get_string().size());
      }
    }
    if (properties == nullptr && others == nullptr && required.empty()) return text_.Object();
    struct Member {
      ExpressionId text;
      bool required;
    };
    std::vector<Member> members;
    json::object none;
    if (properties != nullptr && !properties->is_object()) {
      return Wrong(ErrorCode::kInvalidArgument, place, "properties is an object");
    }
    const json::object& named = properties != nullptr ? properties->get_object() : none;
    for (const auto& [key, value] : named) {
      const std::string name(key.data(), key.size());
      const ExpressionId inside =
          OR_RETURN(Value(value, fmt::format("{}/properties/{}", place, name), depth + 1));
      const bool needed = std::ranges::count(required, name) > 0;
      if (inside == Expressions::kNever && !needed) continue;
      members.push_back(
          {MemberOf(out_.Bytes(json::serialize(json::string(name))), inside), needed});
      std::erase(required, name);
    }
    // Names that are required and not listed have any value, or that of the others.
    const bool open = others != nullptr && *others != json::value(false);
    ExpressionId other = Expressions::kNever;
    if (open) other = OR_RETURN(Value(*others, place + "/additionalProperties", depth + 1));
    for (const std::string& name : required) {
      const ExpressionId inside = others == nullptr ? text_.Any() : other;
      members.push_back({MemberOf(out_.Bytes(json::serialize(json::string(name))), inside), true});
    }
    std::vector<std::string> taken;
    for (const auto& [key, value] : named) taken.emplace_back(key.data(), key.size());
    taken.insert(taken.end(), required.begin(), required.end());
    ExpressionId extra = Expressions::kNever;
    if (open && other != Expressions::kNever) extra = MemberOf(OtherName(taken), other);
    // `first`: nothing stands before; `later`: something does. From the last member back.
    ExpressionId later = Expressions::kEmpty, first = Expressions::kEmpty;
    if (extra != Expressions::kNever) {
      later = Rule(out_.Star(out_.Sequence({text_.Comma(), extra})));
      first = out_.Optional(out_.Sequence({extra, later}));
    }
    for (std::size_t i = members.size(); i > 0; --i) {
      const Member& member = members[i - 1];
      const ExpressionId with_first = out_.Sequence({member.text, later});
      const ExpressionId with_later = out_.Sequence({text_.Comma(), member.text, later});
      first = Rule(member.required ? with_first : out_.Choice({with_first, first}));
      later = Rule(member.required ? with_later : out_.Choice({with_later, later}));
    }
    return out_.Sequence({out_.Bytes("{"), text_.Space(), first, text_.Space(), out_.Bytes("}")});
  }

  // Used in several places: built once.
  ExpressionId Rule(ExpressionId body) {
    const RuleId rule = out_.AddRule("part");
    out_.Define(rule, body);
    return out_.Call(rule);
  }

  ExpressionId MemberOf(ExpressionId name, ExpressionId value) {
    return Rule(out_.Sequence({name, text_.Space(), out_.Bytes(":"), text_.Space(), value}));
  }

  // A name that is none of these, each character in its one spelling.
  ExpressionId OtherName(std::vector<std::string> names) {
    std::ranges::sort(names);
    return out_.Sequence({out_.Bytes("\""), NotOneOf(names, 0), out_.Bytes("\"")});
  }

  // What may follow after bytes that these sorted names have in common, up to `at`.
  ExpressionId NotOneOf(std::span<const std::string> names, std::size_t at) {
    const ExpressionId anything = out_.Star(text_.Spelled(CodePoints::All()));
    std::vector<ExpressionId> ways;
    std::size_t i = 0;
    const bool ends_here = !names.empty() && names[0].size() == at;
    while (i < names.size() && names[i].size() == at) ++i;
    if (!ends_here) ways.push_back(Expressions::kEmpty);
    CodePoints followed;
    while (i < names.size()) {
      const auto [c, bytes] = FirstCodePoint(std::string_view(names[i]).substr(at));
      if (bytes == 0) break;  // JSON's strings are well-formed
      std::size_t end = i + 1;
      while (end < names.size() && std::string_view(names[end])
                                       .substr(at)
                                       .starts_with(std::string_view(names[i]).substr(at, bytes))) {
        ++end;
      }
      followed.Add(c, c);
      ways.push_back(out_.Sequence(
          {text_.Spelled({{c, c}}), NotOneOf(names.subspan(i, end - i), at + bytes)}));
      i = end;
    }
    ways.push_back(out_.Sequence({text_.Spelled(followed.Complement()), anything}));
    return out_.Choice(ways);
  }

  const json::value& root_;
  Expressions out_;
  JsonText text_;
  std::map<std::string, RuleId> references_;
  int open_references_ = 0;
};

}  // namespace

Result<std::shared_ptr<const Grammar>> CompileJsonSchema(const json::value& schema) {
  return Compilation(schema).Run();
}

Result<std::shared_ptr<const Grammar>> CompileJsonObject() {
  Expressions expressions;
  JsonText text(expressions);
  const RuleId root = expressions.AddRule("root");
  expressions.Define(root, text.Object());
  return Grammar::Compile(expressions, root, kMostJsonLevels);
}

}  // namespace cairn::grammar
