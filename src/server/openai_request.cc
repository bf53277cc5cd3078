// SPDX-License-Identifier: Apache-2.0
#include "server/openai_request.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <limits>
#include <utility>

#include "server/json_members.h"
#include "server/openai_messages.h"
#include "server/sampling_members.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

constexpr std::int64_t kPlainCompletionTokens = 16;  // where a body has no max_tokens

// What changes the answer or its form, and does not exist yet. Left out, null, false, 0 or empty
// they ask for nothing.
constexpr std::string_view kUnsupported[] = {"echo", "functions", "min_tokens"};

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

std::unexpected<Error> NotYet(std::string_view name, std::string_view which = "") {
  return Fail(ErrorCode::kUnsupported,
              fmt::format("{}{} is not supported yet; leave it out", name, which),
              std::string(name));
}

Result<void> CheckSupported(const Members& members, std::int64_t choices) {
  for (const std::string_view name : kUnsupported) {
    const json::value* value = members.Find(name);
    if (value != nullptr && AsksForSomething(*value)) return NotYet(name);
  }
  const json::value* best_of = members.Find("best_of");
  if (best_of != nullptr && WholeOf(*best_of) != choices) return NotYet("best_of", " other than n");
  return {};
}

Result<std::vector<std::int32_t>> ReadTokens(const json::array& list) {
  std::vector<std::int32_t> tokens;
  tokens.reserve(list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto token = WholeOf(list[i]);
    if (!token || *token < 0 || *token > std::numeric_limits<std::int32_t>::max()) {
      return FailAt(ErrorCode::kInvalidArgument, fmt::format("prompt[{}]", i),
                    "must be the id of a token");
    }
    tokens.push_back(static_cast<std::int32_t>(*token));
  }
  return tokens;
}

Result<void> ReadPrompt(const Members& members, OpenAiRequest& request) {
  const json::value* given = members.Find("prompt");
  if (given == nullptr) return FailAt(ErrorCode::kInvalidArgument, "prompt", "is missing");
  const json::value* text = given;
  if (const auto* list = given->if_array()) {
    if (list->empty()) return FailAt(ErrorCode::kInvalidArgument, "prompt", "is empty");
    if (list->front().is_number()) {
      request.prompt = OR_RETURN(ReadTokens(*list));
      return {};
    }
    if (list->size() > 1) {
      return FailAt(ErrorCode::kUnsupported, "prompt",
                    "has more than one text; send one request for each");
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

// Chat: logprobs true, and how many beside; a plain completion: how many.
Result<void> ReadLogprobs(const Members& members, Endpoint endpoint, int& likelihoods) {
  std::int64_t top = 0;
  bool wanted = false;
  if (endpoint == Endpoint::kChat) {
    OR_RETURN(members.Read("logprobs", wanted));
    OR_RETURN(members.Read("top_logprobs", 0, kMostTopLogprobs, top));
    if (top > 0 && !wanted) {
      return FailAt(ErrorCode::kInvalidArgument, "top_logprobs", "needs logprobs: true");
    }
  } else {
    const json::value* given = members.Find("logprobs");
    wanted = given != nullptr && *given != json::value(false);
    if (wanted) OR_RETURN(members.Read("logprobs", 0, kMostTopLogprobs, top));
  }
  if (wanted) likelihoods = static_cast<int>(top);
  return {};
}

// continue_final_message: the last message is the beginning of the answer.
Result<void> ReadContinued(const Members& members, OpenAiRequest& request) {
  bool wanted = false;
  OR_RETURN(members.Read("continue_final_message", wanted));
  if (!wanted) return {};
  auto begun = TakeBegun(request.messages.as_array());
  if (!begun) {
    return FailAt(ErrorCode::kInvalidArgument, "continue_final_message",
                  "needs an assistant's message at the end, and others before it");
  }
  request.begun = *std::move(begun);
  return {};
}

Result<void> ReadReasoning(const Members& members, bool& separate) {
  std::string format = "auto";
  OR_RETURN(members.Read("reasoning_format", kMostNameBytes, format));
  separate = format != "none";
  if (format == "auto" || format == "none" || format == "deepseek") return {};
  return FailAt(ErrorCode::kInvalidArgument, "reasoning_format",
                "must be 'auto', 'deepseek' or 'none'");
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

Prompt TakePrompt(OpenAiRequest& request) {
  if (request.endpoint == Endpoint::kChat) {
    return Conversation{.messages = std::move(request.messages),
                        .tools = std::move(request.tools),
                        .variables = std::move(request.template_variables),
                        .begun = std::move(request.begun)};
  }
  if (auto* text = std::get_if<std::string>(&request.prompt)) {
    if (request.suffix.empty()) return std::move(*text);
    return Hole{.before = std::move(*text), .behind = std::move(request.suffix)};
  }
  return std::get<std::vector<std::int32_t>>(std::move(request.prompt));
}

Result<OpenAiRequest> ReadOpenAiRequest(Endpoint endpoint, const json::value& body) {
  const json::object* object = OR_RETURN(BodyObject(body));
  const Members members(*object, "");
  OpenAiRequest request;
  request.endpoint = endpoint;
  OR_RETURN(members.Read("model", kMostNameBytes, request.model));
  OR_RETURN(members.Read("user", kMostNameBytes, request.tenant));
  OR_RETURN(members.Read("stream", request.stream));
  OR_RETURN(members.Read("cache_prompt", request.use_cache));
  OR_RETURN(ReadStreamOptions(members, request));
  OR_RETURN(members.Read("return_progress", request.stream_progress));
  std::int64_t choices = 1;
  OR_RETURN(members.Read("n", 1, engine::kMostChoices, choices));
  request.choices = static_cast<int>(choices);
  OR_RETURN(CheckSupported(members, choices));
  OR_RETURN(ReadSampling(members, request.options.sampling));
  OR_RETURN(ReadBiases(members, request.options.sampling.bias));
  OR_RETURN(ReadLogprobs(members, endpoint, request.options.likelihoods));
  OR_RETURN(ReadStops(members, "stop", request.options.stop));
  OR_RETURN(members.Read("ignore_eos", request.options.ignore_end));
  request.form = OR_RETURN(ReadForm(members));
  std::int64_t& tokens = request.options.max_tokens;
  if (endpoint == Endpoint::kChat) {
    OR_RETURN(ReadLimit(members, "max_tokens", tokens));
    OR_RETURN(ReadLimit(members, "max_completion_tokens", tokens));
    request.messages = OR_RETURN(ReadMessages(*object));
    request.tools = OR_RETURN(ReadToolUse(*object));
    OR_RETURN(ReadContinued(members, request));
    request.template_variables = OR_RETURN(ReadTemplateVariables(*object));
    OR_RETURN(ReadReasoning(members, request.separate_thoughts));
  } else {
    tokens = kPlainCompletionTokens;
    OR_RETURN(ReadLimit(members, "max_tokens", tokens));
    OR_RETURN(ReadPrompt(members, request));
    OR_RETURN(members.Read("suffix", kMostBodyBytes, request.suffix));
    if (!request.suffix.empty() && !std::holds_alternative<std::string>(request.prompt)) {
      return FailAt(ErrorCode::kInvalidArgument, "suffix", "needs a prompt that is a text");
    }
  }
  return request;
}

}  // namespace cairn::server
