// SPDX-License-Identifier: Apache-2.0
#include "server/response_items.h"

#include <fmt/format.h>

#include <utility>

#include "base/printable.h"
#include "server/json_members.h"
#include "server/openai_request.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

// Parts have other names here than in chats.
Result<json::value> ContentOf(const json::value& content, const std::string& place) {
  const auto* parts = content.if_array();
  if (parts == nullptr) return content;
  json::array texts;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    const std::string at = fmt::format("{}[{}]", place, i);
    const json::object& part = *OR_RETURN(ObjectAt((*parts)[i], at));
    std::string type;
    OR_RETURN(Members(part, at + ".").Read("type", kMostBodyBytes, type));
    if (type != "input_text" && type != "output_text" && type != "text") {
      return FailAt(ErrorCode::kUnsupported, at,
                    fmt::format("is of type '{}'; only text is read", Printable(type, 40)));
    }
    const auto* text = part.if_contains("text");
    texts.push_back({{"type", "text"}, {"text", text == nullptr ? json::value() : *text}});
  }
  return texts;
}

// Calls are items of their own: those that follow one another, and the answer before them, are one
// message.
json::object& MessageOfCalls(json::array& messages) {
  if (!messages.empty()) {
    json::object& last = messages.back().get_object();
    const auto* role = last.if_contains("role");
    if (role != nullptr && *role == "assistant") return last;
  }
  messages.push_back({{"role", "assistant"}, {"tool_calls", json::array()}});
  return messages.back().get_object();
}

bool Is(const json::object& item, std::string_view name, std::string_view word) {
  const auto* member = item.if_contains(json::string_view(name.data(), name.size()));
  return member != nullptr && member->is_string() &&
         std::string_view(member->get_string().data(), member->get_string().size()) == word;
}

}  // namespace

Result<const json::object*> ObjectAt(const json::value& value, const std::string& place) {
  if (const auto* object = value.if_object()) return object;
  return FailAt(ErrorCode::kInvalidArgument, place,
                fmt::format("must be an object, got {}", KindOf(value)));
}

Result<void> AddItem(const json::value& value, const std::string& place, json::array& messages) {
  const json::object& object = *OR_RETURN(ObjectAt(value, place));
  const Members item(object, place + ".");
  std::string type = "message", id;
  OR_RETURN(item.Read("type", kMostBodyBytes, type));
  if (type == "reasoning") return {};
  if (type == "message") {
    json::object message;
    if (const auto* role = item.Find("role")) message["role"] = *role;
    if (const auto* content = item.Find("content")) {
      message["content"] = OR_RETURN(ContentOf(*content, place + ".content"));
    }
    messages.push_back(std::move(message));
    return {};
  }
  OR_RETURN(item.Read("call_id", kMostNameBytes, id));
  if (type == "function_call") {
    json::object function;
    for (const char* name : {"name", "arguments"}) {
      if (const auto* member = item.Find(name)) function[name] = *member;
    }
    json::object call{{"id", id}, {"type", "function"}, {"function", std::move(function)}};
    json::value& calls = MessageOfCalls(messages)["tool_calls"];
    if (!calls.is_array()) calls = json::array();
    calls.get_array().push_back(std::move(call));
    return {};
  }
  if (type == "function_call_output") {
    const json::value* output = item.Find("output");
    messages.push_back(
        {{"role", "tool"},
         {"tool_call_id", id},
         {"content",
          output == nullptr ? json::value() : OR_RETURN(ContentOf(*output, place + ".output"))}});
    return {};
  }
  return FailAt(ErrorCode::kUnsupported, place,
                fmt::format("is of type '{}', which is not read here", Printable(type, 40)));
}

json::object KeptItem(json::object item, std::string_view id) {
  const auto* given = item.if_contains("id");
  if (given == nullptr || !given->is_string()) item["id"] = json::string(id.data(), id.size());
  const auto* type = item.if_contains("type");
  if (type == nullptr || type->is_null()) item["type"] = "message";
  const auto* content = item.if_contains("content");
  if (!Is(item, "type", "message") || content == nullptr || !content->is_string()) return item;
  const bool said = Is(item, "role", "assistant");
  json::object part{{"type", said ? "output_text" : "input_text"}, {"text", *content}};
  if (said) part["annotations"] = json::array();
  json::array parts;
  parts.emplace_back(std::move(part));
  item["content"] = std::move(parts);
  return item;
}

}  // namespace cairn::server
