// SPDX-License-Identifier: Apache-2.0
#include "server/anthropic_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "base/printable.h"
#include "server/json_members.h"
#include "server/openai_messages.h"
#include "server/openai_request.h"
#include "server/sampling_members.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

Result<const json::object*> ObjectAt(const json::value& value, const std::string& place) {
  if (const auto* object = value.if_object()) return object;
  return FailAt(ErrorCode::kInvalidArgument, place,
                fmt::format("must be an object, got {}", KindOf(value)));
}

Result<std::string> TextOf(const Members& block, const std::string& place, const char* name) {
  if (block.Find(name) == nullptr) {
    return FailAt(ErrorCode::kInvalidArgument, fmt::format("{}.{}", place, name), "is missing");
  }
  std::string text;
  OR_RETURN(block.Read(name, kMostBodyBytes, text));
  return text;
}

// A string, or blocks of text, which become lines.
Result<std::string> ReadTexts(const json::value& value, const std::string& place) {
  if (const auto* text = value.if_string()) return std::string(text->data(), text->size());
  const auto* blocks = value.if_array();
  if (blocks == nullptr) {
    return FailAt(ErrorCode::kInvalidArgument, place, "must be a string or an array of blocks");
  }
  std::string text;
  for (std::size_t i = 0; i < blocks->size(); ++i) {
    const std::string at = fmt::format("{}[{}]", place, i);
    const Members block(*OR_RETURN(ObjectAt((*blocks)[i], at)), at + ".");
    std::string type;
    OR_RETURN(block.Read("type", kMostBodyBytes, type));
    if (type != "text") {
      return FailAt(ErrorCode::kUnsupported, at,
                    fmt::format("is of type '{}'; only text is read", Printable(type, 40)));
    }
    if (i > 0) text += '\n';
    text += OR_RETURN(TextOf(block, at, "text"));
  }
  return text;
}

// What the blocks of one message hold.
struct Blocks {
  std::string text, thoughts;
  json::array calls;    // of an assistant's message
  json::array results;  // messages of tools, which stand before the text
};

void AddLine(std::string& text, const std::string& line) {
  if (!text.empty()) text += '\n';
  text += line;
}

Result<void> ReadBlock(const json::value& value, const std::string& place, bool assistant,
                       Blocks& blocks) {
  const Members block(*OR_RETURN(ObjectAt(value, place)), place + ".");
  std::string type, id;
  OR_RETURN(block.Read("type", kMostBodyBytes, type));
  if (type == "text") {
    AddLine(blocks.text, OR_RETURN(TextOf(block, place, "text")));
  } else if (type == "thinking" && assistant) {
    AddLine(blocks.thoughts, OR_RETURN(TextOf(block, place, "thinking")));
  } else if (type == "tool_use" && assistant) {
    const json::value* input = block.Find("input");
    OR_RETURN(block.Read("id", kMostNameBytes, id));
    blocks.calls.push_back(json::object{
        {"id", id},
        {"type", "function"},
        {"function", json::object{{"name", OR_RETURN(TextOf(block, place, "name"))},
                                  {"arguments", input == nullptr ? json::object() : *input}}}});
  } else if (type == "tool_result" && !assistant) {
    const json::value* content = block.Find("content");
    OR_RETURN(block.Read("tool_use_id", kMostNameBytes, id));
    std::string text;
    if (content != nullptr) text = OR_RETURN(ReadTexts(*content, place + ".content"));
    blocks.results.push_back(
        json::object{{"role", "tool"}, {"tool_call_id", id}, {"content", text}});
  } else if (type != "redacted_thinking") {
    return FailAt(ErrorCode::kUnsupported, place,
                  fmt::format("is of type '{}', which is not read here", Printable(type, 40)));
  }
  return {};
}

Result<void> AddMessage(const json::value& value, const std::string& place, json::array& out) {
  const Members message(*OR_RETURN(ObjectAt(value, place)), place + ".");
  std::string role;
  OR_RETURN(message.Read("role", kMostBodyBytes, role));
  if (role != "user" && role != "assistant") {
    return FailAt(ErrorCode::kInvalidArgument, place + ".role", "must be user or assistant");
  }
  const json::value* content = message.Find("content");
  if (content == nullptr) {
    return FailAt(ErrorCode::kInvalidArgument, place + ".content", "is missing");
  }
  Blocks blocks;
  if (const auto* list = content->if_array()) {
    for (std::size_t i = 0; i < list->size(); ++i) {
      OR_RETURN(ReadBlock((*list)[i], fmt::format("{}.content[{}]", place, i), role == "assistant",
                          blocks));
    }
  } else {
    blocks.text = OR_RETURN(ReadTexts(*content, place + ".content"));
  }
  for (json::value& result : blocks.results) out.push_back(std::move(result));
  if (blocks.text.empty() && blocks.calls.empty() && !blocks.results.empty()) return {};
  json::object made{{"role", role}, {"content", blocks.text}};
  if (!blocks.thoughts.empty()) made["reasoning_content"] = blocks.thoughts;
  if (!blocks.calls.empty()) made["tool_calls"] = std::move(blocks.calls);
  out.push_back(std::move(made));
  return {};
}

Result<json::value> ReadConversation(const Members& members) {
  json::array messages;
  if (const json::value* system = members.Find("system")) {
    messages.push_back(
        json::object{{"role", "system"}, {"content", OR_RETURN(ReadTexts(*system, "system"))}});
  }
  const json::array* list = OR_RETURN(ListOfMessages(members));
  for (std::size_t i = 0; i < list->size(); ++i) {
    OR_RETURN(AddMessage((*list)[i], fmt::format("messages[{}]", i), messages));
  }
  return ReadMessages(json::object{{"messages", std::move(messages)}});
}

// {"name", "description", "input_schema"} becomes {"type": "function", "function": {...}}.
Result<json::value> AsFunction(const json::value& value, const std::string& place) {
  const Members tool(*OR_RETURN(ObjectAt(value, place)), place + ".");
  std::string type = "custom";
  OR_RETURN(tool.Read("type", kMostBodyBytes, type));
  if (type != "custom") {
    return FailAt(ErrorCode::kUnsupported, place + ".type",
                  fmt::format("is '{}', a tool that this server does not have; only tools with an "
                              "input_schema are known",
                              Printable(type, 40)));
  }
  json::object function{{"name", OR_RETURN(TextOf(tool, place, "name"))}};
  constexpr std::pair<const char*, const char*> kNames[] = {
      {"description", "description"}, {"input_schema", "parameters"}, {"strict", "strict"}};
  for (const auto& [theirs, ours] : kNames) {
    if (const auto* given = tool.Find(theirs)) function[ours] = *given;
  }
  return json::object{{"type", "function"}, {"function", std::move(function)}};
}

// The members of OpenAI's bodies that say the same as this tool_choice.
Result<void> AddChoice(const json::value& given, json::object& body) {
  const Members choice(*OR_RETURN(ObjectAt(given, "tool_choice")), "tool_choice.");
  std::string type;
  bool alone = false;
  OR_RETURN(choice.Read("type", kMostNameBytes, type));
  OR_RETURN(choice.Read("disable_parallel_tool_use", alone));
  body["parallel_tool_calls"] = !alone;
  if (type == "tool") {
    body["tool_choice"] = json::object{
        {"type", "function"},
        {"function", json::object{{"name", OR_RETURN(TextOf(choice, "tool_choice", "name"))}}}};
    return {};
  }
  if (type != "auto" && type != "any" && type != "none") {
    return FailAt(ErrorCode::kInvalidArgument, "tool_choice.type",
                  "must be auto, any, tool or none");
  }
  body["tool_choice"] = type == "any" ? "required" : type;
  return {};
}

Result<ToolUse> ReadAnthropicTools(const Members& members) {
  json::object body;
  if (const json::value* choice = members.Find("tool_choice")) {
    OR_RETURN(AddChoice(*choice, body));
  }
  if (const json::value* given = members.Find("tools")) {
    const auto* list = given->if_array();
    if (list == nullptr) return members.Wrong("tools", "an array", *given);
    json::array tools;
    for (std::size_t i = 0; i < std::min(list->size(), kMostTools + 1); ++i) {
      tools.push_back(OR_RETURN(AsFunction((*list)[i], fmt::format("tools[{}]", i))));
    }
    body["tools"] = std::move(tools);
  }
  return ReadToolUse(body);
}

// Thoughts that are not asked for are asked away, where the template can do that.
Result<json::object> ReadThinking(const Members& members) {
  const json::value* thinking = members.Find("thinking");
  if (thinking == nullptr) return json::object{{"enable_thinking", false}};
  std::string type;
  OR_RETURN(Members(*OR_RETURN(ObjectAt(*thinking, "thinking")), "thinking.")
                .Read("type", kMostNameBytes, type));
  return json::object{{"enable_thinking", type != "disabled"}};
}

}  // namespace

Result<AnthropicRequest> ReadAnthropicRequest(const json::value& body, bool counting) {
  const json::object* object = OR_RETURN(BodyObject(body));
  const Members members(*object, "");
  AnthropicRequest request;
  Question& question = request.question;
  OR_RETURN(members.Read("model", kMostNameBytes, question.model));
  OR_RETURN(members.Read("stream", request.stream));
  if (!counting && members.Find("max_tokens") == nullptr) {
    return FailAt(ErrorCode::kInvalidArgument, "max_tokens", "is missing");
  }
  OR_RETURN(ReadLimit(members, "max_tokens", question.options.max_tokens));
  OR_RETURN(ReadSampling(members, question.options.sampling));
  OR_RETURN(ReadStops(members, "stop_sequences", question.options.stop));
  if (const json::value* metadata = members.Find("metadata")) {
    OR_RETURN(Members(*OR_RETURN(ObjectAt(*metadata, "metadata")), "metadata.")
                  .Read("user_id", kMostNameBytes, question.tenant));
  }
  Conversation conversation{.messages = OR_RETURN(ReadConversation(members)),
                            .tools = OR_RETURN(ReadAnthropicTools(members)),
                            .variables = OR_RETURN(ReadThinking(members)),
                            .begun = {}};
  conversation.begun = TakeBegun(conversation.messages.as_array()).value_or("");
  question.prompt = std::move(conversation);
  return request;
}

}  // namespace cairn::server
