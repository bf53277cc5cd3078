// SPDX-License-Identifier: Apache-2.0
#include "server/responses_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <optional>
#include <utility>

#include "base/printable.h"
#include "server/json_members.h"
#include "server/openai_messages.h"
#include "server/openai_request.h"
#include "server/response_items.h"
#include "server/sampling_members.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

std::unexpected<Error> NotHere(const char* name, const char* why) {
  return FailAt(ErrorCode::kUnsupported, name, why);
}

// A text is a message of the user.
json::array OneMessage(const json::value& text) {
  json::array items;
  items.push_back({{"role", "user"}, {"content", text}});
  return items;
}

// What came before, then the request's own. Its items come behind `items` where they are `kept`.
Result<json::value> ReadInput(const Members& members, bool kept, json::array& items) {
  json::array messages;
  std::string instructions;
  OR_RETURN(members.Read("instructions", kMostBodyBytes, instructions));
  if (!instructions.empty()) {
    messages.push_back({{"role", "system"}, {"content", instructions}});
  }
  const json::value* input = members.Find("input");
  if (input == nullptr) return FailAt(ErrorCode::kInvalidArgument, "input", "is missing");
  const json::array of_text = input->is_string() ? OneMessage(*input) : json::array();
  const json::array* own = input->is_string() ? &of_text : input->if_array();
  if (own == nullptr) return members.Wrong("input", "a string or an array of items", *input);
  if (own->empty()) return FailAt(ErrorCode::kInvalidArgument, "input", "is empty");
  if (own->size() + items.size() > kMostMessages) {
    return FailAt(ErrorCode::kLimit, "input",
                  fmt::format("has {} entries, {} with those before it; at most {} are taken",
                              own->size(), own->size() + items.size(), kMostMessages));
  }
  for (const json::value& item : items) {
    OR_RETURN(AddItem(item, "previous_response_id", messages));
  }
  for (std::size_t i = 0; i < own->size(); ++i) {
    OR_RETURN(AddItem((*own)[i], fmt::format("input[{}]", i), messages));
    if (kept) items.push_back((*own)[i]);
  }
  return ReadMessages(json::object{{"messages", std::move(messages)}});
}

// A function's members stand beside its type.
json::object AsFunction(json::object function) {
  json::value type("function");
  if (const auto* told = function.if_contains("type")) type = *told;
  function.erase("type");
  return {{"type", std::move(type)}, {"function", std::move(function)}};
}

json::value AsChoice(const json::value& choice) {
  const auto* object = choice.if_object();
  const auto* type = object == nullptr ? nullptr : object->if_contains("type");
  if (type == nullptr) return choice;
  if (*type == "function") return AsFunction(*object);
  if (*type != "allowed_tools") return choice;
  json::object allowed = *object;
  allowed.erase("type");
  if (auto* tools = allowed.if_contains("tools"); tools != nullptr && tools->is_array()) {
    for (json::value& tool : tools->get_array()) {
      if (tool.is_object()) tool = AsFunction(tool.get_object());
    }
  }
  return json::object{{"type", "allowed_tools"}, {"allowed_tools", std::move(allowed)}};
}

Result<ToolUse> ReadFunctions(const Members& members) {
  json::object chat;
  if (const json::value* given = members.Find("tools")) {
    const auto* list = given->if_array();
    if (list == nullptr) return members.Wrong("tools", "an array", *given);
    json::array tools;
    for (std::size_t i = 0; i < std::min(list->size(), kMostTools + 1); ++i) {
      tools.push_back(AsFunction(*OR_RETURN(ObjectAt((*list)[i], fmt::format("tools[{}]", i)))));
    }
    chat["tools"] = std::move(tools);
  }
  if (const auto* choice = members.Find("tool_choice")) chat["tool_choice"] = AsChoice(*choice);
  if (const auto* several = members.Find("parallel_tool_calls")) {
    chat["parallel_tool_calls"] = *several;
  }
  return ReadToolUse(chat);
}

// text.format: what the answer must be.
Result<std::optional<RequiredForm>> ReadTextForm(const Members& members) {
  const json::value* text = members.Find("text");
  if (text == nullptr) return std::nullopt;
  const Members form(*OR_RETURN(ObjectAt(*text, "text")), "text.");
  const json::value* given = form.Find("format");
  if (given == nullptr) return std::nullopt;
  const Members format(*OR_RETURN(ObjectAt(*given, "text.format")), "text.format.");
  std::string type;
  OR_RETURN(format.Read("type", kMostNameBytes, type));
  if (type == "text") return std::nullopt;
  RequiredForm required{.member = "text.format", .form = {}};
  if (type == "json_object") return required;
  if (type != "json_schema") {
    return FailAt(
        ErrorCode::kUnsupported, "text.format.type",
        fmt::format("must be text, json_object or json_schema, got '{}'", Printable(type, 40)));
  }
  const json::value* schema = format.Find("schema");
  if (schema == nullptr || !schema->is_object()) {
    return FailAt(ErrorCode::kInvalidArgument, "text.format.schema", "must be an object");
  }
  required = {.member = "text.format.schema",
              .form = {.kind = grammar::FormKind::kJsonSchema, .text = json::serialize(*schema)}};
  return required;
}

Result<void> CheckSupported(const Members& members) {
  for (const char* name : {"conversation", "prompt"}) {
    if (members.Find(name) != nullptr) {
      return NotHere(name,
                     "names something that this server does not keep; previous_response_id names a "
                     "response that it does");
    }
  }
  bool background = false;
  OR_RETURN(members.Read("background", background));
  if (background) return NotHere("background", "is not supported; leave it out");
  return {};
}

}  // namespace

Result<ResponsesRequest> ReadResponsesRequest(const json::value& body, const FindItems& before) {
  const json::object* object = OR_RETURN(BodyObject(body));
  const Members members(*object, "");
  ResponsesRequest request;
  Question& question = request.question;
  OR_RETURN(members.Read("model", kMostNameBytes, question.model));
  OR_RETURN(members.Read("user", kMostNameBytes, question.tenant));
  OR_RETURN(members.Read("stream", request.stream));
  OR_RETURN(members.Read("store", request.store));
  OR_RETURN(CheckSupported(members));
  std::string previous;
  OR_RETURN(members.Read("previous_response_id", kMostNameBytes, previous));
  if (members.Find("previous_response_id") != nullptr) request.items = OR_RETURN(before(previous));
  OR_RETURN(ReadLimit(members, "max_output_tokens", question.options.max_tokens));
  OR_RETURN(ReadSampling(members, question.options.sampling));
  OR_RETURN(ReadStops(members, "stop", question.options.stop));
  question.form = OR_RETURN(ReadTextForm(members));
  Conversation conversation{.messages = OR_RETURN(ReadInput(members, request.store, request.items)),
                            .tools = OR_RETURN(ReadFunctions(members)),
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
  for (const char* name : {"instructions", "max_output_tokens", "metadata", "previous_response_id",
                           "temperature", "top_p", "user"}) {
    const json::value* given = members.Find(name);
    request.echo[name] = given == nullptr ? json::value() : *given;
  }
  for (const char* name : {"parallel_tool_calls", "text", "tool_choice", "tools"}) {
    if (const json::value* given = members.Find(name)) request.echo[name] = *given;
  }
  return request;
}

}  // namespace cairn::server
