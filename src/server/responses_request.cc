// SPDX-License-Identifier: Apache-2.0
#include "server/responses_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <utility>

#include "base/printable.h"
#include "server/json_members.h"
#include "server/openai_messages.h"
#include "server/openai_request.h"
#include "server/sampling_members.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

std::unexpected<Error> NotHere(const char* name, const char* why) {
  return FailAt(ErrorCode::kUnsupported, name, why);
}

Result<const json::object*> ObjectAt(const json::value& value, const std::string& place) {
  if (const auto* object = value.if_object()) return object;
  return FailAt(ErrorCode::kInvalidArgument, place,
                fmt::format("must be an object, got {}", KindOf(value)));
}

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

// A call and its result are items of their own; thoughts that come back are left out, as templates
// leave out those of earlier turns.
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
    messages.push_back({{"role", "assistant"}, {"tool_calls", json::array{std::move(call)}}});
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

Result<json::value> ReadInput(const Members& members) {
  json::array messages;
  std::string instructions;
  OR_RETURN(members.Read("instructions", kMostBodyBytes, instructions));
  if (!instructions.empty()) {
    messages.push_back({{"role", "system"}, {"content", instructions}});
  }
  const json::value* input = members.Find("input");
  if (input == nullptr) return FailAt(ErrorCode::kInvalidArgument, "input", "is missing");
  if (input->is_string()) {
    messages.push_back({{"role", "user"}, {"content", *input}});
  } else if (const auto* items = input->if_array()) {
    if (items->empty()) return FailAt(ErrorCode::kInvalidArgument, "input", "is empty");
    if (items->size() > kMostMessages) {
      return FailAt(
          ErrorCode::kLimit, "input",
          fmt::format("has {} entries, at most {} are taken", items->size(), kMostMessages));
    }
    for (std::size_t i = 0; i < items->size(); ++i) {
      OR_RETURN(AddItem((*items)[i], fmt::format("input[{}]", i), messages));
    }
  } else {
    return members.Wrong("input", "a string or an array of items", *input);
  }
  return ReadMessages(json::object{{"messages", std::move(messages)}});
}

// A function's members stand beside its type.
Result<json::value> ReadFunctions(const json::object& body, const Members& members) {
  const json::value* given = members.Find("tools");
  if (given == nullptr) return json::value();
  const auto* list = given->if_array();
  if (list == nullptr) return members.Wrong("tools", "an array", *given);
  json::array tools;
  for (std::size_t i = 0; i < std::min(list->size(), kMostTools + 1); ++i) {
    json::object function = *OR_RETURN(ObjectAt((*list)[i], fmt::format("tools[{}]", i)));
    json::value type("function");
    if (const auto* told = function.if_contains("type")) type = *told;
    function.erase("type");
    tools.push_back({{"type", std::move(type)}, {"function", std::move(function)}});
  }
  json::object chat{{"tools", std::move(tools)}};
  if (const auto* choice = body.if_contains("tool_choice")) chat["tool_choice"] = *choice;
  return ReadTools(chat);
}

Result<void> CheckSupported(const Members& members) {
  for (const char* name : {"previous_response_id", "conversation", "prompt"}) {
    if (members.Find(name) != nullptr) {
      return NotHere(name,
                     "names something that this server does not keep; send the whole "
                     "conversation as input");
    }
  }
  bool background = false;
  OR_RETURN(members.Read("background", background));
  if (background) return NotHere("background", "is not supported; leave it out");
  const json::value* text = members.Find("text");
  if (text == nullptr) return {};
  const Members form(*OR_RETURN(ObjectAt(*text, "text")), "text.");
  const json::value* format = form.Find("format");
  if (format == nullptr) return {};
  std::string type;
  OR_RETURN(Members(*OR_RETURN(ObjectAt(*format, "text.format")), "text.format.")
                .Read("type", kMostNameBytes, type));
  if (type == "text") return {};
  return NotHere("text.format", "other than text is not supported yet; leave it out");
}

}  // namespace

Result<ResponsesRequest> ReadResponsesRequest(const json::value& body) {
  const json::object* object = OR_RETURN(BodyObject(body));
  const Members members(*object, "");
  ResponsesRequest request;
  Question& question = request.question;
  OR_RETURN(members.Read("model", kMostNameBytes, question.model));
  OR_RETURN(members.Read("user", kMostNameBytes, question.tenant));
  OR_RETURN(members.Read("stream", request.stream));
  OR_RETURN(CheckSupported(members));
  OR_RETURN(ReadLimit(members, "max_output_tokens", question.options.max_tokens));
  OR_RETURN(ReadSampling(members, question.options.sampling));
  OR_RETURN(ReadStops(members, "stop", question.options.stop));
  Conversation conversation{.messages = OR_RETURN(ReadInput(members)),
                            .tools = OR_RETURN(ReadFunctions(*object, members)),
                            .variables = OR_RETURN(ReadTemplateVariables(*object)),
                            .begun = {}};
  if (const json::value* reasoning = members.Find("reasoning")) {
    const Members inner(*OR_RETURN(ObjectAt(*reasoning, "reasoning")), "reasoning.");
    std::string effort;
    OR_RETURN(inner.Read("effort", kMostNameBytes, effort));
    if (!effort.empty()) {
      conversation.variables["enable_thinking"] = effort != "none";
      conversation.variables["reasoning_effort"] = effort;
    }
  }
  question.prompt = std::move(conversation);
  for (const char* name :
       {"instructions", "max_output_tokens", "metadata", "temperature", "top_p", "user"}) {
    const json::value* given = members.Find(name);
    request.echo[name] = given == nullptr ? json::value() : *given;
  }
  return request;
}

}  // namespace cairn::server
