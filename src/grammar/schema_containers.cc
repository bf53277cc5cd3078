// SPDX-License-Identifier: Apache-2.0
// Arrays and objects of schemas.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "grammar/regex.h"
#include "grammar/schema_reader.h"
#include "grammar/schema_words.h"

namespace cairn::grammar {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostSharedBytes = 400;        // of names that are told apart
constexpr std::size_t kMostCountedMembers = 20'000;  // members times what is counted

std::string Quoted(std::string_view name) {
  return json::serialize(json::string(json::string_view(name.data(), name.size())));
}

}  // namespace

Result<ExpressionId> SchemaReader::ArrayOf(const Object& schema, const Place& place) {
  std::vector<ExpressionId> first;
  if (const auto* prefix = schema.if_contains("prefixItems")) {
    const auto* list = prefix->if_array();
    if (list == nullptr) {
      return Wrong(ErrorCode::kInvalidArgument, place, "prefixItems is an array");
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
      first.push_back(
          OR_RETURN(Schema((*list)[i], place.Inside(fmt::format("prefixItems/{}", i)))));
    }
  }
  const auto* items = schema.if_contains("items");
  if (items != nullptr && items->is_array()) {
    return Wrong(ErrorCode::kUnsupported, place,
                 "the keyword items is not supported with a list; write prefixItems");
  }
  const ExpressionId item =
      items != nullptr ? Rule(OR_RETURN(Schema(*items, place.Inside("items")))) : text_.Any();
  const std::uint32_t min = OR_RETURN(CountOf(schema, "minItems", 0, place));
  const std::uint32_t max = OR_RETURN(CountOf(schema, "maxItems", kEndless, place));
  if (max < min) return Expressions::kNever;
  // What may follow after i of the first: from the last one back.
  const auto fixed = static_cast<std::uint32_t>(first.size());
  const auto less = [](std::uint32_t a, std::uint32_t b) {
    return a == kEndless ? a : a - std::min(a, b);
  };
  const ExpressionId more = out_.Sequence({text_.Comma(), item});
  ExpressionId rest = fixed > 0 || max == 0 ? out_.Repeat(more, less(min, fixed), less(max, fixed))
                                            : Expressions::kEmpty;
  if (fixed == 0 && max > 0) {
    rest = out_.Sequence({item, out_.Repeat(more, less(min, 1), less(max, 1))});
    if (min == 0) rest = out_.Optional(rest);
  }
  for (std::uint32_t i = fixed; i > 0; --i) {
    ExpressionId with = out_.Sequence({first[i - 1], rest});
    if (i > 1) with = out_.Sequence({text_.Comma(), with});
    if (i > max) {
      rest = Expressions::kEmpty;
    } else {
      rest = Rule(i <= min ? with : out_.Optional(with));
    }
  }
  return out_.Sequence({out_.Bytes("["), text_.Space(), rest, text_.Space(), out_.Bytes("]")});
}

Result<std::vector<std::string>> SchemaReader::RequiredOf(const Object& schema,
                                                          const Place& place) const {
  std::vector<std::string> required;
  const auto* list = schema.if_contains("required");
  if (list == nullptr) return required;
  const auto* names = list->if_array();
  for (std::size_t i = 0; names != nullptr && i < names->size(); ++i) {
    const auto* name = (*names)[i].if_string();
    if (name == nullptr) {
      names = nullptr;
    } else {
      required.emplace_back(ViewOf(*name));
    }
  }
  if (names == nullptr) {
    return Wrong(ErrorCode::kInvalidArgument, place, "required is an array of names");
  }
  std::ranges::sort(required);
  const auto doubles = std::ranges::unique(required);
  required.erase(doubles.begin(), doubles.end());
  return required;
}

Result<ExpressionId> SchemaReader::ObjectOf(const Object& schema, const Place& place) {
  const auto* properties = schema.if_contains("properties");
  if (properties != nullptr && !properties->is_object()) {
    return Wrong(ErrorCode::kInvalidArgument, place, "properties is an object");
  }
  const std::vector<std::string> required = OR_RETURN(RequiredOf(schema, place));
  bool restricted = properties != nullptr || !required.empty();
  for (const char* name : {"additionalProperties", "unevaluatedProperties", "patternProperties",
                           "propertyNames", "minProperties", "maxProperties"}) {
    restricted = restricted || schema.contains(name);
  }
  if (!restricted) return text_.Object();
  const Object none;
  const Object& named = properties != nullptr ? properties->get_object() : none;
  std::vector<Member> members;
  std::vector<std::string> taken;
  for (const auto& [key, value] : named) {
    const std::string_view name(key.data(), key.size());
    const ExpressionId inside =
        OR_RETURN(Schema(value, place.Inside(fmt::format("properties/{}", name))));
    const bool needed = std::ranges::binary_search(required, name);
    taken.emplace_back(name);
    if (inside == Expressions::kNever && !needed) continue;
    members.push_back({MemberOf(out_.Bytes(Quoted(name)), inside), needed});
  }
  // Names that are required and not listed have any value, or that of the others.
  const auto* others = schema.if_contains("additionalProperties");
  const bool closed = others == nullptr && schema.contains("unevaluatedProperties");
  for (const std::string& name : required) {
    if (named.contains(name)) continue;
    if (schema.contains("patternProperties") || schema.contains("propertyNames")) {
      return Wrong(ErrorCode::kUnsupported, place,
                   "required names are not supported beside patternProperties or propertyNames "
                   "unless properties lists them");
    }
    const ExpressionId inside =
        closed              ? Expressions::kNever
        : others == nullptr ? text_.Any()
                            : OR_RETURN(Schema(*others, place.Inside("additionalProperties")));
    members.push_back({MemberOf(out_.Bytes(Quoted(name)), inside), true});
    taken.push_back(name);
  }
  const ExpressionId extra = OR_RETURN(ExtraMember(schema, std::move(taken), place));
  const ExpressionId inside = OR_RETURN(Members(members, extra, schema, place));
  return out_.Sequence({out_.Bytes("{"), text_.Space(), inside, text_.Space(), out_.Bytes("}")});
}

// A member beside those of these names: never where there may be none.
Result<ExpressionId> SchemaReader::ExtraMember(const Object& schema, std::vector<std::string> taken,
                                               const Place& place) {
  const auto* others = schema.if_contains("additionalProperties");
  const auto* patterns = schema.if_contains("patternProperties");
  const auto* names = schema.if_contains("propertyNames");
  if (patterns != nullptr) {
    const auto* list = patterns->if_object();
    if (list == nullptr) {
      return Wrong(ErrorCode::kInvalidArgument, place, "patternProperties is an object");
    }
    const bool open = others != nullptr && *others != json::value(false);
    if (!taken.empty() || open || names != nullptr || list->size() != 1) {
      return Wrong(ErrorCode::kUnsupported, place,
                   "the keyword patternProperties is supported with one pattern, and without "
                   "properties, propertyNames and other members");
    }
    const std::string_view pattern(list->begin()->key().data(), list->begin()->key().size());
    auto name = ReadRegex(out_, pattern, RegexExtent::kSomewhere,
                          [this](const CodePoints& set) { return text_.Spelled(set); });
    if (!name) return Wrong(name.error().code, place, "patternProperties: " + name.error().message);
    const ExpressionId value =
        OR_RETURN(Schema(list->begin()->value(), place.Inside("patternProperties")));
    return MemberOf(out_.Sequence({out_.Bytes("\""), *name, out_.Bytes("\"")}), value);
  }
  ExpressionId value = Expressions::kNever;
  if (others != nullptr) {
    value = OR_RETURN(Schema(*others, place.Inside("additionalProperties")));
  } else if (schema.contains("propertyNames") && !schema.contains("properties") &&
             !schema.contains("unevaluatedProperties")) {
    value = text_.Any();
  } else if (!schema.contains("properties") && !schema.contains("required") &&
             !schema.contains("unevaluatedProperties")) {
    value = text_.Any();  // what is said is how many members there are
  }
  if (value == Expressions::kNever) return value;
  if (names == nullptr) return MemberOf(OtherName(std::move(taken)), value);
  if (!taken.empty()) {
    return Wrong(ErrorCode::kUnsupported, place,
                 "the keyword propertyNames is not supported beside properties and required");
  }
  Value of_names = *names;
  auto* object = of_names.if_object();
  if (object == nullptr || object->contains("$ref") ||
      (object->contains("type") && object->at("type") != "string")) {
    return Wrong(ErrorCode::kUnsupported, place,
                 "the keyword propertyNames is supported with a schema of strings");
  }
  OR_RETURN(budget_.Take(of_names));
  (*object)["type"] = "string";
  return MemberOf(OR_RETURN(Schema(of_names, place.Inside("propertyNames"))), value);
}

// Members in their order, each that is not required may be left out, then any number of extra ones.
// From the last one back: what may follow when so many stand before.
Result<ExpressionId> SchemaReader::Members(const std::vector<Member>& members, ExpressionId extra,
                                           const Object& schema, const Place& place) {
  const std::uint32_t min = OR_RETURN(CountOf(schema, "minProperties", 0, place));
  const std::uint32_t max = OR_RETURN(CountOf(schema, "maxProperties", kEndless, place));
  if (max < min) return Expressions::kNever;
  if (min > 1 && extra != Expressions::kNever) {
    return Wrong(ErrorCode::kUnsupported, place,
                 "the keyword minProperties is supported above 1 where properties lists all "
                 "members: a name could come twice");
  }
  // Counts above which nothing changes; one tells whether a comma must stand before.
  const auto most_members = static_cast<std::uint32_t>(members.size());
  std::uint32_t cap = std::max(std::min(min, most_members + 1), 1u);
  if (max != kEndless) cap = std::max(cap, std::min(max, most_members + 1));
  if (members.size() * std::size_t{cap} > kMostCountedMembers) {
    return Wrong(ErrorCode::kLimit, place, "too many members to count them");
  }
  const auto less = [](std::uint32_t a, std::uint32_t b) {
    return a == kEndless ? a : a - std::min(a, b);
  };
  const ExpressionId more = out_.Sequence({text_.Comma(), extra});
  std::vector<ExpressionId> after(cap + 1);
  for (std::uint32_t count = 0; count <= cap; ++count) {
    const std::uint32_t least = less(min, count), most = less(max, count);
    ExpressionId& here = after[count];
    if (extra == Expressions::kNever || most == 0) {
      here = least == 0 ? Expressions::kEmpty : Expressions::kNever;
    } else if (count > 0) {
      here = Rule(out_.Repeat(more, least, most));
    } else {
      here = out_.Sequence({extra, out_.Repeat(more, less(least, 1), less(most, 1))});
      here = Rule(least == 0 ? out_.Optional(here) : here);
    }
  }
  for (std::size_t i = members.size(); i > 0; --i) {
    const Member& member = members[i - 1];
    std::vector<ExpressionId> before(cap + 1);
    for (std::uint32_t count = 0; count <= cap; ++count) {
      ExpressionId with = Expressions::kNever;
      if (count < max) {
        with = out_.Sequence({member.text, after[std::min(count + 1, cap)]});
        if (count > 0) with = out_.Sequence({text_.Comma(), with});
      }
      before[count] = Rule(member.required ? with : out_.Choice({with, after[count]}));
    }
    after = std::move(before);
  }
  return after[0];
}

ExpressionId SchemaReader::MemberOf(ExpressionId name, ExpressionId value) {
  return Rule(out_.Sequence({name, text_.Space(), out_.Bytes(":"), text_.Space(), value}));
}

// A name that is none of these, each character in its one spelling.
ExpressionId SchemaReader::OtherName(std::vector<std::string> names) {
  std::ranges::sort(names);
  const auto doubles = std::ranges::unique(names);
  names.erase(doubles.begin(), doubles.end());
  return out_.Sequence({out_.Bytes("\""), NotOneOf(names, 0), out_.Bytes("\"")});
}

// What may follow after bytes that these sorted names have in common, up to `at`.
ExpressionId SchemaReader::NotOneOf(std::span<const std::string> names, std::size_t at) {
  if (at > kMostSharedBytes) return Expressions::kNever;  // names that begin like that are left out
  std::vector<ExpressionId> ways;
  std::size_t i = 0;
  while (i < names.size() && names[i].size() == at) ++i;
  if (i == 0) ways.push_back(Expressions::kEmpty);
  CodePoints followed;
  while (i < names.size()) {
    const auto [c, bytes] = FirstCodePoint(std::string_view(names[i]).substr(at));
    if (bytes == 0) return Expressions::kNever;  // JSON's strings are well-formed
    const auto character = std::string_view(names[i]).substr(at, bytes);
    std::size_t end = i + 1;
    while (end < names.size() && std::string_view(names[end]).substr(at).starts_with(character)) {
      ++end;
    }
    followed.Add(c, c);
    ways.push_back(
        out_.Sequence({text_.Spelled({{c, c}}), NotOneOf(names.subspan(i, end - i), at + bytes)}));
    i = end;
  }
  ways.push_back(out_.Sequence({text_.Spelled(followed.Complement()), text_.Spellings()}));
  return out_.Choice(ways);
}

}  // namespace cairn::grammar
