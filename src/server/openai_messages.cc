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

Result<std::string> ReadRole(const Members& message, const std::string& place) {
  std::string role;
  OR_RETURN(message.Read("role", kMostBodyBytes, role));
  if (role == "developer") return std::string("system");  // the name that templates know
  for (const std::string_view known : {"system", "user", "assistant", "tool"}) {
    if (role == known) return role;
  }
  return FailAt(ErrorCode::kInvalidArgument, place + "role",
                fmt::format("must be system, developer, user, assistant or tool, got '{}'",
                            Printable(role, 40)));
}

// The text of one part of a content.
Result<std::string> ReadPart(const json::value& value, const std::string& place) {
  const auto* object = value.if_object();
  if (object == nullptr) {
    return FailAt(ErrorCode::kInvalidArgument, place,
                  fmt::format("must be an object, got {}", KindOf(value)));
  }
  const Members part(*object, place + ".");
  std::string type, text;
  OR_RETURN(part.Read("type", kMostBodyBytes, type));
  if (type != "text") {
    return FailAt(ErrorCode::kUnsupported, place,
                  fmt::format("is of type '{}'; only text is read", Printable(type, 40)));
  }
  if (part.Find("text") == nullptr) {
    return FailAt(ErrorCode::kInvalidArgument, place + ".text", "is missing");
  }
  OR_RETURN(part.Read("text", kMostBodyBytes, text));
  return text;
}

Result<std::string> ReadContent(const Members& message, const std::string& place, bool optional) {
  const json::value* content = message.Find("content");
  if (content == nullptr) {
    if (optional) return std::string();
    return FailAt(ErrorCode::kInvalidArgument, place + "content", "is missing");
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
    return FailAt(ErrorCode::kInvalidArgument, place,
                  fmt::format("must be an object, got {}", KindOf(value)));
  }
  const Members call(*object, place + ".");
  const json::value* function = call.Find("function");
  if (function == nullptr || !function->is_object()) {
    return FailAt(ErrorCode::kInvalidArgument, place + ".function",
                  "must be an object with a name");
  }
  const Members named(function->get_object(), place + ".function.");
  std::string id, name;
  OR_RETURN(call.Read("id", kMostNameBytes, id));
  OR_RETURN(named.Read("name", kMostNameBytes, name));
  if (name.empty()) {
    return FailAt(ErrorCode::kInvalidArgument, place + ".function.name", "is missing");
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
    return FailAt(ErrorCode::kInvalidArgument, where,
                  fmt::format("must be an object, got {}", KindOf(value)));
  }
  const std::string place = where + ".";
  const Members message(*object, place);
  const std::string role = OR_RETURN(ReadRole(message, place));
  json::array calls;
  if (const json::value* given = message.Find("tool_calls")) {
    const auto* list = given->if_array();
    if (list == nullptr) return message.Wrong("tool_calls", "an array", *given);
    for (std::size_t i = 0; i < list->size(); ++i) {
      calls.push_back(OR_RETURN(ReadCall((*list)[i], fmt::format("{}tool_calls[{}]", place, i))));
    }
  }
  json::object out;
  out["role"] = role;
  out["content"] = OR_RETURN(ReadContent(message, place, !calls.empty()));
  if (!calls.empty()) out["tool_calls"] = std::move(calls);
  for (const char* name : {"name", "tool_call_id", "reasoning_content"}) {
    std::string text;
    OR_RETURN(message.Read(name, kMostBodyBytes, text));
    if (!text.empty()) out[name] = text;
  }
  return out;
}

}  // namespace

Result<const json::array*> ListOfMessages(const Members& members) {
  const json::value* given = members.Find("messages");
  if (given == nullptr) return FailAt(ErrorCode::kInvalidArgument, "messages", "is missing");
  const auto* list = given->if_array();
  if (list == nullptr) return members.Wrong("messages", "an array", *given);
  if (list->empty()) return FailAt(ErrorCode::kInvalidArgument, "messages", "is empty");
  if (list->size() > kMostMessages) {
    return FailAt(ErrorCode::kLimit, "messages",
                  fmt::format("has {} entries, at most {} are taken", list->size(), kMostMessages));
  }
  return list;
}

Result<json::value> ReadMessages(const json::object& body) {
  const Members members(body, "");
  const json::array* list = OR_RETURN(ListOfMessages(members));
  json::array out;
  out.reserve(list->size());
  for (std::size_t i = 0; i < list->size(); ++i) {
    out.push_back(OR_RETURN(ReadMessage((*list)[i], fmt::format("messages[{}]", i))));
  }
  return out;
}

std::optional<std::string> TakeBegun(json::array& messages) {
  if (messages.size() < 2) return std::nullopt;
  const json::object& last = messages.back().as_object();
  if (last.at("role") != "assistant" || last.contains("tool_calls")) return std::nullopt;
  std::string text(ViewOf(last.at("content").as_string()));
  messages.pop_back();
  return text;
}

// The names of the conversation itself cannot be given another meaning.
Result<json::object> ReadTemplateVariables(const json::object& body) {
  const Members members(body, "");
  json::object variables;
  const json::value* given = members.Find("chat_template_kwargs");
  if (given == nullptr) return variables;
  if (!given->is_object()) return members.Wrong("chat_template_kwargs", "an object", *given);
  for (const auto& [name, value] : given->get_object()) {
    if (name != "messages" && name != "tools") variables[name] = value;
  }
  return variables;
}

}  // namespace cairn::server
