// SPDX-License-Identifier: Apache-2.0
#include "server/tool_use.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/printable.h"
#include "server/json_members.h"
#include "server/openai_request.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

std::string_view ViewOf(const json::string& text) { return {text.data(), text.size()}; }

// The name of a tool that was checked.
std::string_view NameOf(const json::value& tool) {
  return ViewOf(tool.at("function").at("name").get_string());
}

// Names stand bare in some formats: nothing that may end them, and nothing to escape.
bool IsToolName(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == ':' || c == '/' || static_cast<unsigned char>(c) >= 0x80;
  });
}

Result<json::value> ReadTool(const json::value& value, const std::string& place) {
  const auto* object = value.if_object();
  if (object == nullptr) {
    return FailAt(ErrorCode::kInvalidArgument, place,
                  fmt::format("must be an object, got {}", KindOf(value)));
  }
  const Members members(*object, place + ".");
  std::string type = "function", name;
  OR_RETURN(members.Read("type", kMostBodyBytes, type));
  if (type != "function") {
    return FailAt(ErrorCode::kUnsupported, place,
                  fmt::format("is of type '{}'; only functions are known", Printable(type, 40)));
  }
  const json::value* function = members.Find("function");
  if (function == nullptr || !function->is_object()) {
    return FailAt(ErrorCode::kInvalidArgument, place + ".function",
                  "must be an object with a name");
  }
  const Members inside(function->get_object(), place + ".function.");
  bool strict = false;
  OR_RETURN(inside.Read("name", kMostNameBytes, name));
  OR_RETURN(inside.Read("strict", strict));
  if (!IsToolName(name)) {
    return FailAt(ErrorCode::kInvalidArgument, place + ".function.name",
                  "must be a name of letters, digits and _-.:/");
  }
  const json::value* parameters = inside.Find("parameters");
  if (parameters != nullptr && !parameters->is_object()) {
    return inside.Wrong("parameters", "an object", *parameters);
  }
  json::object tool = *object;
  tool["type"] = "function";
  if (parameters == nullptr) {  // it takes none, as the API says
    tool["function"].get_object()["parameters"] =
        json::object{{"type", "object"}, {"properties", json::object()}};
  }
  return tool;
}

Result<json::value> ReadTools(const Members& members) {
  const json::value* given = members.Find("tools");
  if (given == nullptr) return json::value();
  const auto* list = given->if_array();
  if (list == nullptr) return members.Wrong("tools", "an array", *given);
  if (list->size() > kMostTools) {
    return FailAt(ErrorCode::kLimit, "tools",
                  fmt::format("has {} entries, at most {} are taken", list->size(), kMostTools));
  }
  json::array tools;
  std::unordered_set<std::string> names;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string place = fmt::format("tools[{}]", i);
    tools.push_back(OR_RETURN(ReadTool((*list)[i], place)));
    if (names.emplace(NameOf(tools.back())).second) continue;
    return FailAt(ErrorCode::kInvalidArgument, place + ".function.name",
                  "stands on an earlier tool already");
  }
  return tools.empty() ? json::value() : json::value(std::move(tools));
}

// {"name"} of a tool that is chosen.
Result<std::string> ReadNamed(const Members& members, const std::string& place) {
  const json::value* function = members.Find("function");
  if (function == nullptr || !function->is_object()) {
    return FailAt(ErrorCode::kInvalidArgument, place + ".function",
                  "must be an object with a name");
  }
  std::string name;
  OR_RETURN(
      Members(function->get_object(), place + ".function.").Read("name", kMostNameBytes, name));
  if (!name.empty()) return name;
  return FailAt(ErrorCode::kInvalidArgument, place + ".function.name", "is missing");
}

// allowed_tools: some of the tools, of which one may or must be called.
Result<void> ReadAllowed(const Members& choice, ToolUse& use) {
  const json::value* given = choice.Find("allowed_tools");
  const json::value* list = nullptr;
  if (given != nullptr && given->is_object()) list = given->get_object().if_contains("tools");
  if (list == nullptr || !list->is_array() || list->get_array().empty()) {
    return FailAt(ErrorCode::kInvalidArgument, "tool_choice.allowed_tools",
                  "must be an object with tools");
  }
  std::string mode = "auto";
  OR_RETURN(Members(given->get_object(), "tool_choice.allowed_tools.")
                .Read("mode", kMostNameBytes, mode));
  if (mode != "auto" && mode != "required") {
    return FailAt(ErrorCode::kInvalidArgument, "tool_choice.allowed_tools.mode",
                  "must be 'auto' or 'required'");
  }
  if (mode == "required") use.choice = ToolChoice::kRequired;
  for (std::size_t i = 0; i < list->get_array().size(); ++i) {
    const std::string place = fmt::format("tool_choice.allowed_tools.tools[{}]", i);
    const auto* tool = list->get_array()[i].if_object();
    if (tool == nullptr) return FailAt(ErrorCode::kInvalidArgument, place, "must be an object");
    use.callable.push_back(OR_RETURN(ReadNamed(Members(*tool, place + "."), place)));
  }
  return {};
}

Result<void> ReadChoice(const Members& members, ToolUse& use) {
  const json::value* choice = members.Find("tool_choice");
  if (choice == nullptr) return {};
  if (const auto* word = choice->if_string()) {
    if (*word == "auto") return {};
    if (*word == "none" || *word == "required") {
      use.choice = *word == "none" ? ToolChoice::kNone : ToolChoice::kRequired;
      return {};
    }
  }
  const auto* object = choice->if_object();
  if (object == nullptr) {
    return members.Wrong("tool_choice", "auto, none, required or a function", *choice);
  }
  const Members inside(*object, "tool_choice.");
  std::string type;
  OR_RETURN(inside.Read("type", kMostNameBytes, type));
  if (type == "allowed_tools") return ReadAllowed(inside, use);
  if (type != "function") {
    return FailAt(
        ErrorCode::kUnsupported, "tool_choice.type",
        fmt::format("must be 'function' or 'allowed_tools', got '{}'", Printable(type, 40)));
  }
  use.callable.push_back(OR_RETURN(ReadNamed(inside, "tool_choice")));
  use.choice = ToolChoice::kRequired;
  return {};
}

// The schema of a call's arguments, which are an object whether it says so or not.
json::value ArgumentsOf(const json::value& parameters) {
  json::object schema = parameters.get_object();
  const auto* type = schema.if_contains("type");
  if (type == nullptr || type->is_array()) schema["type"] = "object";
  return schema;
}

// The schema that says the same as this form.
Result<json::value> SchemaOf(const RequiredForm& form, const char* otherwise) {
  if (form.form.kind == grammar::FormKind::kJsonObject) return json::object{{"type", "object"}};
  if (form.form.kind == grammar::FormKind::kJsonSchema) {
    return ParseJson(form.form.text, kMostBodyBytes);
  }
  return FailAt(ErrorCode::kUnsupported, form.member, otherwise);
}

}  // namespace

Result<ToolUse> ReadToolUse(const json::object& body) {
  const Members members(body, "");
  ToolUse use;
  OR_RETURN(ReadChoice(members, use));
  OR_RETURN(members.Read("parallel_tool_calls", use.parallel));
  use.tools = OR_RETURN(ReadTools(members));
  if (use.tools.is_null()) {
    if (use.choice != ToolChoice::kRequired) return use;
    return FailAt(ErrorCode::kInvalidArgument, "tool_choice",
                  "requires a call, and there are no tools");
  }
  for (const std::string& name : use.callable) {
    const bool known = std::ranges::any_of(
        use.tools.get_array(), [&](const json::value& tool) { return NameOf(tool) == name; });
    if (known) continue;
    return FailAt(ErrorCode::kInvalidArgument, "tool_choice",
                  fmt::format("names no tool: {}", Printable(name, 60)));
  }
  return use;
}

Result<RequiredForm> FormOfTools(const ToolUse& use, const grammar::ToolFormat& format,
                                 const std::optional<grammar::ThoughtMarks>& thoughts,
                                 const std::optional<RequiredForm>& content) {
  const bool required = use.choice == ToolChoice::kRequired;
  grammar::ToolCallForm form{.format = &format,
                             .tools = {},
                             .required = required,
                             .parallel = use.parallel,
                             .thoughts = thoughts};
  for (std::size_t i = 0; i < use.tools.get_array().size(); ++i) {
    const json::value& tool = use.tools.get_array()[i];
    const std::string name(NameOf(tool));
    if (!use.callable.empty() && std::ranges::count(use.callable, name) == 0) continue;
    const json::object& function = tool.at("function").get_object();
    json::value schema = ArgumentsOf(function.at("parameters"));
    const auto* type = schema.get_object().if_contains("type");
    if (*type != "object") {
      return FailAt(ErrorCode::kInvalidArgument, fmt::format("tools[{}].function.parameters", i),
                    "must be the schema of an object");
    }
    const auto* strict = function.if_contains("strict");
    form.tools.push_back({.name = name,
                          .parameters = std::move(schema),
                          .strict = required || (strict != nullptr && *strict == true)});
  }
  if (content && !required) {
    form.content = OR_RETURN(SchemaOf(*content, "is not supported beside tools"));
  }
  return RequiredForm{.member = "tools", .form = grammar::FormOfToolCalls(form)};
}

Result<RequiredForm> FormAfterThoughts(const RequiredForm& content,
                                       const grammar::ThoughtMarks& thoughts) {
  const grammar::ToolCallForm form{
      .tools = {},
      .content = OR_RETURN(SchemaOf(content,
                                    "is not supported for a model that thinks first; "
                                    "ask it not to think")),
      .thoughts = thoughts};
  return RequiredForm{.member = content.member, .form = grammar::FormOfToolCalls(form)};
}

}  // namespace cairn::server
