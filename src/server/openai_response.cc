// SPDX-License-Identifier: Apache-2.0
#include "server/openai_response.h"

#include <boost/json/array.hpp>
#include <string_view>

namespace cairn::server {
namespace {

namespace json = boost::json;

json::object ChoiceOf(Endpoint endpoint, std::size_t index, const engine::Answer& answer) {
  json::object choice{{"index", index}};
  if (endpoint == Endpoint::kChat) {
    choice["message"] = json::object{{"role", "assistant"}, {"content", answer.text}};
  } else {
    choice["text"] = answer.text;
  }
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = FinishReasonOf(answer.reason);
  return choice;
}

int StatusOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kCorrupt:
    case ErrorCode::kUnsupported:
    case ErrorCode::kLimit: return 400;
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kBusy:
    case ErrorCode::kOutOfMemory:
    case ErrorCode::kCancelled: return 503;
    case ErrorCode::kIo:
    case ErrorCode::kNumeric: return 500;
  }
  return 500;
}

}  // namespace

std::string_view FinishReasonOf(engine::FinishReason reason) {
  switch (reason) {
    case engine::FinishReason::kEndOfTurn:
    case engine::FinishReason::kStopString: return "stop";
    case engine::FinishReason::kLength:
    case engine::FinishReason::kContext: return "length";
    case engine::FinishReason::kCancelled: return "cancelled";
  }
  return "?";
}

json::object UsageOf(std::span<const Result<engine::Answer>> answers) {
  const engine::Answer& first = *answers.front();
  std::int64_t made = 0;
  for (const auto& answer : answers) made += static_cast<std::int64_t>(answer->tokens.size());
  return {{"prompt_tokens", first.prompt_tokens},
          {"completion_tokens", made},
          {"total_tokens", first.prompt_tokens + made},
          {"prompt_tokens_details", json::object{{"cached_tokens", first.reused_tokens}}}};
}

Response ToResponse(Endpoint endpoint, const ResponseHead& head,
                    std::span<const Result<engine::Answer>> answers) {
  json::array choices;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i]) return ToResponse(answers[i].error());
    choices.push_back(ChoiceOf(endpoint, i, *answers[i]));
  }
  const bool chat = endpoint == Endpoint::kChat;
  return {.body = {{"id", head.id},
                   {"object", chat ? "chat.completion" : "text_completion"},
                   {"created", head.created_s},
                   {"model", head.model},
                   {"choices", std::move(choices)},
                   {"usage", UsageOf(answers)}}};
}

Response ToResponse(const Error& error) {
  const int status = StatusOf(error.code);
  return {.status = status,
          .body = {{"error",
                    json::object{{"message", error.message},
                                 {"type", status < 500 ? "invalid_request_error" : "server_error"},
                                 {"param", nullptr},
                                 {"code", nullptr}}}}};
}

}  // namespace cairn::server
