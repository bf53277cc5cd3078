// SPDX-License-Identifier: Apache-2.0
#include "server/openai_request.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <limits>
#include <utility>

#include "server/json_members.h"
#include "server/openai_messages.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

constexpr std::int64_t kPlainCompletionTokens = 16;  // where a body has no max_tokens

// What changes the answer or its form, and does not exist yet. Left out, null, false, 0 or empty
// they ask for nothing.
constexpr std::string_view kUnsupported[] = {"top_logprobs", "logit_bias", "echo",      "suffix",
                                             "functions",    "ignore_eos", "min_tokens"};

bool AsksForSomething(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return false;
    case json::kind::bool_: return value.get_bool();
    case json::kind::string: return !value.get_string().empty();
    case json::kind::array: return !value.get_array().empty();
    case json::kind::object: return !value.get_object().empty();
    default: return WholeOf(value) != 0;
  }
}

std::unexpected<Error> NotYet(std::string_view name) {
  return Fail(ErrorCode::kUnsupported, fmt::format("{} is not supported yet; leave it out", name));
}

Result<void> CheckSupported(const Members& members, std::int64_t choices) {
  for (const std::string_view name : kUnsupported) {
    const json::value* value = members.Find(name);
    if (value != nullptr && AsksForSomething(*value)) return NotYet(name);
  }
  // A plain completion's 0 asks for the chosen tokens' own.
  const json::value* logprobs = members.Find("logprobs");
  if (logprobs != nullptr && *logprobs != json::value(false)) return NotYet("logprobs");
  const json::value* best_of = members.Find("best_of");
  if (best_of != nullptr && WholeOf(*best_of) != choices) return NotYet("best_of other than n");
  return {};
}

// Absent: as it is. -1: without limit.
Result<void> ReadLimit(const Members& members, const char* name, std::int64_t& tokens) {
  std::int64_t given = tokens;
  OR_RETURN(members.Read(name, -1, kMostAnswerTokens, given));
  if (given == 0) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} must be at least 1, or -1 for an answer without limit", name));
  }
  tokens = given;
  return {};
}

Result<void> ReadSeed(const Members& members, std::uint64_t& seed) {
  const json::value* value = members.Find("seed");
  if (value == nullptr) return {};
  const auto whole = WholeOf(*value);
  if (!whole && !value->is_uint64()) return members.Wrong("seed", "a whole number", *value);
  seed = whole ? static_cast<std::uint64_t>(*whole) : value->get_uint64();
  return {};
}

Result<void> ReadSampling(const Members& members, engine::SamplingOptions& s) {
  OR_RETURN(members.Read("temperature", 0, 100, false, s.temperature));
  // 0 is in the API's range: the likeliest token alone.
  OR_RETURN(members.Read("top_p", 0, 1, false, s.top_p));
  if (s.top_p == 0) s.top_p = std::numeric_limits<float>::min();
  OR_RETURN(members.Read("min_p", 0, 1, false, s.min_p));
  std::int64_t top_k = s.top_k, window = s.repeat_window;
  OR_RETURN(members.Read("top_k", -1, 1 << 30, top_k));  // -1: off, to other servers
  s.top_k = static_cast<int>(std::max<std::int64_t>(top_k, 0));
  OR_RETURN(members.Read("repeat_last_n", 0, 1 << 20, window));
  s.repeat_window = static_cast<int>(window);
  for (const char* name : {"repeat_penalty", "repetition_penalty"}) {
    OR_RETURN(members.Read(name, 0, 10, true, s.repeat_penalty));
  }
  OR_RETURN(members.Read("presence_penalty", -10, 10, false, s.presence_penalty));
  OR_RETURN(members.Read("frequency_penalty", -10, 10, false, s.frequency_penalty));
  return ReadSeed(members, s.seed);
}

Result<std::string> ReadStop(const json::value& value, const std::string& place) {
  const auto* text = value.if_string();
  if (text == nullptr || text->empty() || text->size() > kMostStopBytes) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} must be a string of 1 to {} bytes", place, kMostStopBytes));
  }
  return std::string(text->data(), text->size());
}

Result<void> ReadStops(const Members& members, std::vector<std::string>& stops) {
  const json::value* given = members.Find("stop");
  if (given == nullptr) return {};
  const auto* list = given->if_array();
  if (list == nullptr) {
    stops.push_back(OR_RETURN(ReadStop(*given, "stop")));
    return {};
  }
  if (list->size() > kMostStops) {
    return Fail(ErrorCode::kLimit,
                fmt::format("stop has {} entries, at most {} are taken", list->size(), kMostStops));
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    stops.push_back(OR_RETURN(ReadStop((*list)[i], fmt::format("stop[{}]", i))));
  }
  return {};
}

Result<std::vector<std::int32_t>> ReadTokens(const json::array& list) {
  std::vector<std::int32_t> tokens;
  tokens.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto token = WholeOf(list[i]);
    if (!token || *token < 0 || *token > std::numeric_limits<std::int32_t>::max()) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("prompt[{}] must be the id of a token", i));
    }
    tokens.push_back(static_cast<std::int32_t>(*token));
  }
  return tokens;
}

Result<void> ReadPrompt(const Members& members, OpenAiRequest& request) {
  const json::value* given = members.Find("prompt");
  if (given == nullptr) return Fail(ErrorCode::kInvalidArgument, "prompt is missing");
  const json::value* text = given;
  if (const auto* list = given->if_array()) {
    if (list->empty()) return Fail(ErrorCode::kInvalidArgument, "prompt is empty");
    if (list->front().is_number()) {
      request.prompt = OR_RETURN(ReadTokens(*list));
      return {};
    }
    if (list->size() > 1) {
      return Fail(ErrorCode::kUnsupported,
                  "prompt has more than one text; send one request for each");
    }
    text = &list->front();
  }
  if (!text->is_string()) return members.Wrong("prompt", "a string or an array of tokens", *text);
  request.prompt = std::string(text->get_string().data(), text->get_string().size());
  return {};
}

Result<void> ReadStreamOptions(const Members& members, OpenAiRequest& request) {
  const json::value* options = members.Find("stream_options");
  if (options == nullptr) return {};
  if (!options->is_object()) return members.Wrong("stream_options", "an object", *options);
  return Members(options->get_object(), "stream_options.")
      .Read("include_usage", request.stream_usage);
}

// The names of the conversation itself cannot be given another meaning.
Result<void> ReadTemplateVariables(const Members& members, OpenAiRequest& request) {
  const json::value* given = members.Find("chat_template_kwargs");
  if (given == nullptr) return {};
  if (!given->is_object()) return members.Wrong("chat_template_kwargs", "an object", *given);
  for (const auto& [name, value] : given->get_object()) {
    if (name != "messages" && name != "tools") request.template_variables[name] = value;
  }
  return {};
}

}  // namespace

std::string_view PathOf(Endpoint endpoint) {
  return endpoint == Endpoint::kChat ? "/v1/chat/completions" : "/v1/completions";
}

std::optional<Endpoint> EndpointOf(std::string_view path) {
  for (const Endpoint endpoint : {Endpoint::kChat, Endpoint::kCompletions}) {
    if (path == PathOf(endpoint)) return endpoint;
  }
  return std::nullopt;
}

Result<OpenAiRequest> ReadOpenAiRequest(Endpoint endpoint, const json::value& body) {
  const auto* object = body.if_object();
  if (object == nullptr) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the body must be an object, got {}", KindOf(body)));
  }
  const Members members(*object, "");
  OpenAiRequest request;
  request.endpoint = endpoint;
  OR_RETURN(members.Read("model", kMostNameBytes, request.model));
  OR_RETURN(members.Read("user", kMostNameBytes, request.tenant));
  OR_RETURN(members.Read("stream", request.stream));
  OR_RETURN(members.Read("cache_prompt", request.use_cache));
  OR_RETURN(ReadStreamOptions(members, request));
  std::int64_t choices = 1;
  OR_RETURN(members.Read("n", 1, engine::kMostChoices, choices));
  request.choices = static_cast<int>(choices);
  OR_RETURN(CheckSupported(members, choices));
  OR_RETURN(ReadSampling(members, request.options.sampling));
  OR_RETURN(ReadStops(members, request.options.stop));
  request.form = OR_RETURN(ReadForm(members));
  std::int64_t& tokens = request.options.max_tokens;
  if (endpoint == Endpoint::kChat) {
    OR_RETURN(ReadLimit(members, "max_tokens", tokens));
    OR_RETURN(ReadLimit(members, "max_completion_tokens", tokens));
    request.messages = OR_RETURN(ReadMessages(*object));
    request.tools = OR_RETURN(ReadTools(*object));
    OR_RETURN(ReadTemplateVariables(members, request));
  } else {
    tokens = kPlainCompletionTokens;
    OR_RETURN(ReadLimit(members, "max_tokens", tokens));
    OR_RETURN(ReadPrompt(members, request));
  }
  return request;
}

}  // namespace cairn::server
