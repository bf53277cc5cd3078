// SPDX-License-Identifier: Apache-2.0
#include "server/ollama_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cmath>
#include <utility>

#include "server/json_members.h"
#include "server/openai_messages.h"
#include "server/openai_request.h"
#include "server/sampling_members.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

constexpr double kMostSeconds = 1e9;

std::unexpected<Error> NotYet(const std::string& name, const char* why) {
  return FailAt(ErrorCode::kUnsupported, name, why);
}

// A number at the beginning of `text` and its unit behind it; what is left. 0 seconds: neither.
double TakeDuration(std::string_view& text) {
  std::size_t size = 0;
  double number = 0, place = 1;
  bool fraction = false, digits = false;
  for (; size < text.size(); ++size) {
    const char c = text[size];
    if (c == '.' && !fraction) {
      fraction = true;
    } else if (c >= '0' && c <= '9') {
      digits = true;
      number = fraction ? number + (c - '0') * (place /= 10) : number * 10 + (c - '0');
    } else {
      break;
    }
  }
  constexpr std::pair<std::string_view, double> kUnits[] = {
      {"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
  if (!digits) return std::nan("");
  text.remove_prefix(size);
  for (const auto& [unit, seconds] : kUnits) {
    if (!text.starts_with(unit)) continue;
    text.remove_prefix(unit.size());
    return number * seconds;
  }
  return std::nan("");
}

Result<void> ReadOptions(const Members& members, engine::GenerateOptions& options) {
  const json::value* given = members.Find("options");
  if (given == nullptr) return {};
  if (!given->is_object()) return members.Wrong("options", "an object", *given);
  const Members inner(given->get_object(), "options.");
  OR_RETURN(ReadSampling(inner, options.sampling));
  OR_RETURN(ReadStops(inner, "stop", options.stop));
  // -1: no limit; -2: until the context is full.
  std::int64_t limit = options.max_tokens;
  OR_RETURN(inner.Read("num_predict", -2, kMostAnswerTokens, limit));
  options.max_tokens = limit == -2 ? -1 : limit;
  return {};
}

// What all requests have.
Result<void> ReadCommon(const json::object& body, OllamaRequest& request) {
  const Members members(body, "");
  OR_RETURN(members.Read("model", kMostNameBytes, request.model));
  if (request.model.empty()) {
    return FailAt(ErrorCode::kInvalidArgument, "model", "is missing");
  }
  request.question.model = request.model;
  OR_RETURN(members.Read("stream", request.stream));
  if (const json::value* keep = members.Find("keep_alive")) {
    request.keep_alive = OR_RETURN(ReadKeepAlive(*keep));
  }
  const json::value* format = members.Find("format");
  const bool plain = format == nullptr || (format->is_string() && format->get_string().empty());
  if (!plain) return NotYet("format", "is not supported yet; leave it out");
  return ReadOptions(members, request.question.options);
}

// think: true, false, or how much, as templates of some models have it.
Result<void> ReadThink(const Members& members, OllamaRequest& request, json::object& variables) {
  const json::value* think = members.Find("think");
  if (think == nullptr) return {};
  if (const auto* level = think->if_string()) {
    variables["reasoning_effort"] = *level;
    variables["enable_thinking"] = true;
    return {};
  }
  bool wanted = false;
  OR_RETURN(members.Read("think", wanted));
  variables["enable_thinking"] = wanted;
  request.separate_thoughts = true;
  return {};
}

// Names that differ from OpenAI's; images are refused by name.
Result<json::array> MessagesOf(const Members& members) {
  const json::value* given = members.Find("messages");
  if (given == nullptr) return json::array();
  if (!given->is_array()) return members.Wrong("messages", "an array", *given);
  json::array messages = given->get_array();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    auto* message = messages[i].if_object();
    if (message == nullptr) continue;  // ReadMessages says so
    const auto* images = message->if_contains("images");
    const bool none = images == nullptr || images->is_null() ||
                      (images->is_array() && images->get_array().empty());
    if (!none) {
      return NotYet(fmt::format("messages[{}].images", i), "cannot be read by these models");
    }
    if (const auto* thoughts = message->if_contains("thinking")) {
      (*message)["reasoning_content"] = json::value(*thoughts);
    }
    if (const auto* tool = message->if_contains("tool_name")) {
      (*message)["name"] = json::value(*tool);
    }
    if (!message->contains("content")) (*message)["content"] = "";
  }
  return messages;
}

}  // namespace

Result<std::chrono::seconds> ReadKeepAlive(const json::value& value) {
  double seconds = std::nan("");
  if (const auto* text = value.if_string()) {
    std::string_view rest(text->data(), text->size());
    const bool negative = rest.starts_with('-');
    if (negative) rest.remove_prefix(1);
    seconds = rest.empty() ? std::nan("") : 0;
    if (rest == "0" || (negative && rest == "1")) rest = {};  // as numbers
    while (!rest.empty() && !std::isnan(seconds)) seconds += TakeDuration(rest);
    if (negative) seconds = -1;
  } else if (value.is_number()) {
    seconds = value.to_number<double>();
  }
  if (std::isnan(seconds)) {
    return FailAt(ErrorCode::kInvalidArgument, "keep_alive",
                  "must be a number of seconds or a duration like \"5m\"");
  }
  if (seconds < 0) return std::chrono::seconds(-1);
  return std::chrono::seconds(static_cast<std::int64_t>(std::min(seconds, kMostSeconds)));
}

Result<OllamaRequest> ReadOllamaChat(const json::value& body) {
  const json::object& object = *OR_RETURN(BodyObject(body));
  const Members members(object, "");
  OllamaRequest request;
  OR_RETURN(ReadCommon(object, request));
  json::array messages = OR_RETURN(MessagesOf(members));
  json::object variables;
  OR_RETURN(ReadThink(members, request, variables));
  request.empty = messages.empty();
  if (request.empty) return request;
  request.question.prompt = Conversation{
      .messages = OR_RETURN(ReadMessages(json::object{{"messages", std::move(messages)}})),
      .tools = OR_RETURN(ReadTools(object)),
      .variables = std::move(variables),
      .begun = {}};
  return request;
}

Result<OllamaRequest> ReadOllamaGenerate(const json::value& body) {
  const json::object& object = *OR_RETURN(BodyObject(body));
  const Members members(object, "");
  OllamaRequest request;
  OR_RETURN(ReadCommon(object, request));
  std::string prompt, system, chat_template;
  bool raw = false;
  OR_RETURN(members.Read("prompt", kMostBodyBytes, prompt));
  OR_RETURN(members.Read("system", kMostBodyBytes, system));
  OR_RETURN(members.Read("template", kMostBodyBytes, chat_template));
  OR_RETURN(members.Read("raw", raw));
  if (!chat_template.empty()) {
    return NotYet("template", "of a request is not read; send the whole text with raw: true");
  }
  for (const char* name : {"images", "context"}) {
    const json::value* list = members.Find(name);
    if (list != nullptr && (!list->is_array() || !list->get_array().empty())) {
      return NotYet(name, "is not supported; leave it out");
    }
  }
  json::object variables;
  OR_RETURN(ReadThink(members, request, variables));
  request.empty = prompt.empty();
  if (raw) {
    request.separate_thoughts = false;
    request.question.prompt = MarkedText{std::move(prompt)};
    return request;
  }
  json::array messages;
  if (!system.empty()) messages.push_back({{"role", "system"}, {"content", system}});
  messages.push_back({{"role", "user"}, {"content", prompt}});
  request.question.prompt = Conversation{
      .messages = std::move(messages), .tools = {}, .variables = std::move(variables), .begun = {}};
  return request;
}

}  // namespace cairn::server
