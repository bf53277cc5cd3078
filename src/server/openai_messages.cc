// SPDX-License-Identifier: Apache-2.0
#include "server/openai_messages.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "base/printable.h"
#include "server/json_members.h"
#include "server/openai_request.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

std::string_view ViewOf(const json::string& text) { return {text.data(), text.size()}; }

Result<std::string> ReadRole(const Members& message) {
  std::string role;
  OR_RETURN(message.Read("role", kMostBodyBytes, role));
  if (role == "developer") return std::string("system");  // the name that templates know
  for (const std::string_view known : {"system", "user", "assistant", "tool"}) {
    if (role == known) return role;
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("a message's role must be system, developer, user, assistant or tool, "
                          "got '{}'",
                          Printable(role, 40)));
}

// The text of one part of a content.
Result<std::string> ReadPart(const json::value& value, const std::string& place) {
  const auto* object = value.if_object();
  if (object == nullptr) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} must be an object, got {}", place, KindOf(value)));
  }
  const Members part(*object, place + ".");
  std::string type, text;
  OR_RETURN(part.Read("type", kMostBodyBytes, type));
  if (type != "text") {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("{} is of type '{}'; only text is read", place, Printable(type, 40)));
  }
  if (part.Find("text") == nullptr) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{}.text is missing", place));
  }
  OR_RETURN(part.Read("text", kMostBodyBytes, text));
  return text;
}

Result<std::string> ReadContent(const Members& message, const std::string& place, bool optional) {
  const json::value* content = message.Find("content");
  if (content == nullptr) {
    if (optional) return std::string();
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{}content is missing", place));
  }
  if (const auto* text = content->if_string()) return std::string(ViewOf(*text));
  const auto* parts = content->if_array();
  if (parts == nullptr) return message.Wrong("content", "a string or an array of parts", *content);
  std::string text;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    if (i > 0) text += '\n';
    text += OR_RETURN(ReadPart((*parts)[i], fmt::format("{}content[{}]", place, i)));
  }
  return text;
}

// A call's arguments are the text of a JSON object; templates read the object. What a model wrote
// otherwise stays text.
json::value ArgumentsOf(const json::value& arguments) {
  const auto* text = arguments.if_string();
  if (text == nullptr) return arguments;
  auto parsed = ParseJson(ViewOf(*text), kMostBodyBytes);
  return parsed && parsed->is_object() ? std::move(*parsed) : arguments;
}

Result<json::value> ReadCall(const json::value& value, const std::string& place) {
  const auto* object = value.if_object();
  if (object == nullptr) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} must be an object, got {}", place, KindOf(value)));
  }
  const Members call(*object, place + ".");
  const json::value* function = call.Find("function");
  if (function == nullptr || !function->is_object()) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{}.function must be an object with a name", place));
  }
  const Members named(function->get_object(), place + ".function.");
  std::string id, name;
  OR_RETURN(call.Read("id", kMostNameBytes, id));
  OR_RETURN(named.Read("name", kMostNameBytes, name));
  if (name.empty()) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("{}.function.name is missing", place));
  }
  const json::value* arguments = named.Find("arguments");
  if (arguments != nullptr && !arguments->is_string() && !arguments->is_object()) {
    return named.Wrong("arguments", "a string", *arguments);
  }
  json::object out;
  if (!id.empty()) out["id"] = id;
  out["type"] = "function";
  out["function"] =
      json::object{{"name", name},
                   {"arguments", arguments == nullptr ? json::object() : ArgumentsOf(*arguments)}};
  return out;
}

Result<json::value> ReadMessage(const json::value& value, const std::string& where) {
  const auto* object = value.if_object();
  if (object == nullptr) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} must be an object, got {}", where, KindOf(value)));
  }
  const std::string place = where + ".";
  const Members message(*object, place);
  auto role = ReadRole(message);
  if (!role) return std::unexpected(std::move(role).error().Within(where));

  json::array calls;
  if (const json::value* given = message.Find("tool_calls")) {
    const auto* list = given->if_array();
    if (list == nullptr) return message.Wrong("tool_calls", "an array", *given);
    for (std::size_t i = 0; i < list->size(); ++i) {
      calls.push_back(OR_RETURN(ReadCall((*list)[i], fmt::format("{}tool_calls[{}]", place, i))));
    }
  }
  json::object out;
  out["role"] = *role;
  out["content"] = OR_RETURN(ReadContent(message, place, !calls.empty()));
  if (!calls.empty()) out["tool_calls"] = std::move(calls);
  for (const char* name : {"name", "tool_call_id", "reasoning_content"}) {
    std::string text;
    OR_RETURN(message.Read(name, kMostBodyBytes, text));
    if (!text.empty()) out[name] = text;
  }
  return out;
}

Result<void> CheckTool(const json::value& value, const std::string& place) {
  const auto* object = value.if_object();
  if (object == nullptr) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} must be an object, got {}", place, KindOf(value)));
  }
  const Members tool(*object, place + ".");
  std::string type = "function", name;
  OR_RETURN(tool.Read("type", kMostBodyBytes, type));
  if (type != "function") {
    return Fail(ErrorCode::kUnsupported, fmt::format("{} is of type '{}'; only functions are known",
                                                     place, Printable(type, 40)));
  }
  const json::value* function = tool.Find("function");
  if (function != nullptr && function->is_object()) {
    OR_RETURN(
        Members(function->get_object(), place + ".function.").Read("name", kMostNameBytes, name));
  }
  if (!name.empty()) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("{}.function must be an object with a name", place));
}

// Whether the model is to see the tools.
Result<bool> ToolsAreWanted(const Members& members) {
  const json::value* choice = members.Find("tool_choice");
  if (choice == nullptr) return true;
  if (const auto* word = choice->if_string()) {
    if (*word == "auto") return true;
    if (*word == "none") return false;
  }
  return Fail(ErrorCode::kUnsupported,
              "tool_choice must be 'auto' or 'none': a call cannot be required yet");
}

}  // namespace

Result<json::value> ReadMessages(const json::object& body) {
  const Members members(body, "");
  const json::value* given = members.Find("messages");
  if (given == nullptr) return Fail(ErrorCode::kInvalidArgument, "messages is missing");
  const auto* list = given->if_array();
  if (list == nullptr) return members.Wrong("messages", "an array", *given);
  if (list->empty()) return Fail(ErrorCode::kInvalidArgument, "messages is empty");
  if (list->size() > kMostMessages) {
    return Fail(ErrorCode::kLimit, fmt::format("messages has {} entries, at most {} are taken",
                                               list->size(), kMostMessages));
  }
  json::array out;
  out.reserve(list->size());
  for (std::size_t i = 0; i < list->size(); ++i) {
    out.push_back(OR_RETURN(ReadMessage((*list)[i], fmt::format("messages[{}]", i))));
  }
  return out;
}

Result<json::value> ReadTools(const json::object& body) {
  const Members members(body, "");
  const bool wanted = OR_RETURN(ToolsAreWanted(members));
  const json::value* given = members.Find("tools");
  if (given == nullptr) return json::value();
  const auto* list = given->if_array();
  if (list == nullptr) return members.Wrong("tools", "an array", *given);
  if (list->size() > kMostTools) {
    return Fail(ErrorCode::kLimit, fmt::format("tools has {} entries, at most {} are taken",
                                               list->size(), kMostTools));
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    OR_RETURN(CheckTool((*list)[i], fmt::format("tools[{}]", i)));
  }
  return wanted && !list->empty() ? *given : json::value();
}

}  // namespace cairn::server
