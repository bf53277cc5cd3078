// SPDX-License-Identifier: Apache-2.0
#include "server/openai_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <utility>
#include <vector>

#include "base/printable.h"
#include "server/openai_request.h"

namespace cairn::server {
namespace {

namespace json = boost::json;
using grammar::FormKind;

// Gathers the forms of a body; there may be one.
class FormReader {
 public:
  Result<void> Add(std::string member, FormKind kind, std::string text) {
    if (text.size() > grammar::kMostFormBytes) {
      return FailAt(
          ErrorCode::kLimit, member,
          fmt::format("has {} bytes, at most {} are taken", text.size(), grammar::kMostFormBytes));
    }
    if (found_) {
      return FailAt(
          ErrorCode::kInvalidArgument, member,
          fmt::format("and {} both say what the answer must be; give one of them", found_->member));
    }
    found_ =
        RequiredForm{.member = std::move(member), .form = {.kind = kind, .text = std::move(text)}};
    return {};
  }

  // A schema, as an object or as its text.
  Result<void> Schema(const Members& members, const char* name, const std::string& member) {
    const json::value* value = members.Find(name);
    if (value == nullptr) return {};
    if (const auto* text = value->if_string()) {
      return Add(member, FormKind::kJsonSchema, std::string(text->data(), text->size()));
    }
    if (!value->is_object() && !value->is_bool()) return members.Wrong(name, "a schema", *value);
    return Add(member, FormKind::kJsonSchema, json::serialize(*value));
  }

  Result<void> Text(const Members& members, const char* name, const std::string& member,
                    FormKind kind) {
    std::string text;
    OR_RETURN(members.Read(name, kMostBodyBytes, text));
    if (text.empty()) return {};
    return Add(member, kind, std::move(text));
  }

  // A text, or an object that says in which syntax it is written.
  Result<void> Grammar(const Members& members, const char* name, const std::string& member) {
    const json::value* value = members.Find(name);
    if (value == nullptr) return {};
    if (const auto* object = value->if_object()) return Definition(*object, member);
    return Text(members, name, member, FormKind::kGrammar);
  }

  // {"syntax", "definition"}, as tools of OpenAI's that are free texts have it.
  Result<void> Definition(const json::object& object, const std::string& member) {
    const Members members(object, member + ".");
    std::string syntax, definition;
    OR_RETURN(members.Read("syntax", kMostNameBytes, syntax));
    OR_RETURN(members.Read("definition", kMostBodyBytes, definition));
    constexpr std::array<std::pair<std::string_view, FormKind>, 4> kSyntaxes{
        {{"lark", FormKind::kLark},
         {"gbnf", FormKind::kGbnf},
         {"ebnf", FormKind::kGbnf},
         {"regex", FormKind::kRegex}}};
    const auto* known =
        std::ranges::find(kSyntaxes, syntax, &decltype(kSyntaxes)::value_type::first);
    if (known == kSyntaxes.end()) {
      return FailAt(
          ErrorCode::kUnsupported, member + ".syntax",
          fmt::format("must be lark, gbnf, ebnf or regex, got '{}'", Printable(syntax, 40)));
    }
    if (definition.empty()) {
      return FailAt(ErrorCode::kInvalidArgument, member + ".definition", "is missing");
    }
    return Add(member + ".definition", known->second, std::move(definition));
  }

  Result<void> Choices(const Members& members, const char* name, const std::string& member) {
    const json::value* value = members.Find(name);
    if (value == nullptr) return {};
    if (!value->is_array()) return members.Wrong(name, "an array of texts", *value);
    return Add(member, FormKind::kChoices, json::serialize(*value));
  }

  Result<void> ResponseFormat(const json::value& given, const Members& body) {
    const auto* object = given.if_object();
    if (object == nullptr) return body.Wrong("response_format", "an object", given);
    const Members format(*object, "response_format.");
    std::string type;
    OR_RETURN(format.Read("type", kMostNameBytes, type));
    if (type == "text") return {};
    if (type == "json_object") {
      if (format.Find("schema") != nullptr) {
        return Schema(format, "schema", "response_format.schema");
      }
      return Add("response_format", FormKind::kJsonObject, "");
    }
    if (type == "grammar") {
      if (format.Find("definition") != nullptr) return Definition(*object, "response_format");
      if (format.Find("grammar") != nullptr) {
        return Grammar(format, "grammar", "response_format.grammar");
      }
      return FailAt(ErrorCode::kInvalidArgument, "response_format.grammar", "is missing");
    }
    if (type != "json_schema") {
      return FailAt(ErrorCode::kUnsupported, "response_format.type",
                    fmt::format("must be text, json_object, json_schema or grammar, got '{}'",
                                Printable(type, 40)));
    }
    const json::value* named = format.Find("json_schema");
    if (named == nullptr && format.Find("schema") != nullptr) {
      return Schema(format, "schema", "response_format.schema");
    }
    if (named == nullptr || !named->is_object()) {
      return FailAt(ErrorCode::kInvalidArgument, "response_format.json_schema",
                    "must be an object with a schema");
    }
    const Members inside(named->get_object(), "response_format.json_schema.");
    std::string name;
    bool strict = true;  // an answer fits its schema, whatever this says
    OR_RETURN(inside.Read("name", kMostNameBytes, name));
    OR_RETURN(inside.Read("strict", strict));
    if (inside.Find("schema") == nullptr) {
      return FailAt(ErrorCode::kInvalidArgument, "response_format.json_schema.schema",
                    "is missing");
    }
    return Schema(inside, "schema", "response_format.json_schema.schema");
  }

  // vLLM's object with one member.
  Result<void> Structured(const json::value& given, const Members& body) {
    const auto* object = given.if_object();
    if (object == nullptr) return body.Wrong("structured_outputs", "an object", given);
    const std::string place = "structured_outputs.";
    const Members members(*object, place);
    OR_RETURN(Schema(members, "json", place + "json"));
    OR_RETURN(Text(members, "regex", place + "regex", FormKind::kRegex));
    OR_RETURN(Grammar(members, "grammar", place + "grammar"));
    OR_RETURN(Choices(members, "choice", place + "choice"));
    bool any = false;
    OR_RETURN(members.Read("json_object", any));
    if (any) OR_RETURN(Add(place + "json_object", FormKind::kJsonObject, ""));
    if (members.Find("structural_tag") != nullptr) {
      return FailAt(ErrorCode::kUnsupported, "structured_outputs.structural_tag",
                    "is not supported");
    }
    return {};
  }

  std::optional<RequiredForm> Take() { return std::move(found_); }

 private:
  std::optional<RequiredForm> found_;
};

}  // namespace

Result<std::optional<RequiredForm>> ReadForm(const Members& members) {
  FormReader reader;
  if (const json::value* format = members.Find("response_format")) {
    OR_RETURN(reader.ResponseFormat(*format, members));
  }
  if (const json::value* structured = members.Find("structured_outputs")) {
    OR_RETURN(reader.Structured(*structured, members));
  }
  OR_RETURN(reader.Schema(members, "guided_json", "guided_json"));
  OR_RETURN(reader.Text(members, "guided_regex", "guided_regex", FormKind::kRegex));
  OR_RETURN(reader.Grammar(members, "guided_grammar", "guided_grammar"));
  OR_RETURN(reader.Choices(members, "guided_choice", "guided_choice"));
  OR_RETURN(reader.Schema(members, "json_schema", "json_schema"));
  OR_RETURN(reader.Grammar(members, "grammar", "grammar"));
  return reader.Take();
}

Result<std::shared_ptr<const grammar::Grammar>> CompileForm(const RequiredForm& required,
                                                            grammar::CompiledForms& forms) {
  auto compiled = forms.Get(required.form);
  if (compiled) return compiled;
  Error error = std::move(compiled).error().Within(required.member);
  error.subject = required.member;
  return std::unexpected(std::move(error));
}

}  // namespace cairn::server
