// SPDX-License-Identifier: Apache-2.0
#include "server/openai_response.h"

#include <boost/json/array.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "server/openai_logprobs.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

json::array ToolCallsOf(const std::vector<ToolCall>& calls, std::string_view id, int choice) {
  json::array list;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    list.push_back(json::object{
        {"id", ToolCallId(id, choice, static_cast<int>(i))},
        {"type", "function"},
        {"function", json::object{{"name", calls[i].name}, {"arguments", calls[i].arguments}}}});
  }
  return list;
}

json::object ChoiceOf(Endpoint endpoint, const std::string& id, std::size_t index,
                      const engine::Answer& answer, const AnswerForm& form) {
  json::object choice{{"index", index}};
  bool calls = false;
  if (endpoint == Endpoint::kChat) {
    const ReadAnswer read = ReadWhole(form.parts, answer.text);
    calls = !read.calls.empty();
    json::object message{{"role", "assistant"}, {"content", read.content}};
    if (calls && read.content.empty()) message["content"] = nullptr;
    if (!read.reasoning.empty()) message["reasoning_content"] = read.reasoning;
    if (calls) message["tool_calls"] = ToolCallsOf(read.calls, id, static_cast<int>(index));
    choice["message"] = std::move(message);
  } else {
    choice["text"] = answer.text;
  }
  choice["logprobs"] = form.tokenizer == nullptr
                           ? json::value()
                           : LogprobsWriter(endpoint, *form.tokenizer).Write(answer.likelihoods);
  choice["finish_reason"] = FinishReasonOf(answer.reason, calls);
  return choice;
}

json::value OrNull(const std::string& text) {
  return text.empty() ? json::value() : json::value(text);
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

AnswerForm FormOf(const OpenAiRequest& request, const engine::Engine& engine, AnswerParts parts) {
  AnswerForm form{.tokenizer = nullptr, .parts = std::move(parts)};
  if (request.options.likelihoods >= 0) form.tokenizer = &engine.model().tokenizer();
  if (!request.separate_thoughts) form.parts.reasoning.reset();
  return form;
}

std::string_view FinishReasonOf(engine::FinishReason reason, bool calls) {
  switch (reason) {
    case engine::FinishReason::kEndOfTurn: return calls ? "tool_calls" : "stop";
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
                    std::span<const Result<engine::Answer>> answers, const AnswerForm& form) {
  json::array choices;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i]) return ToResponse(answers[i].error());
    choices.push_back(ChoiceOf(endpoint, head.id, i, *answers[i], form));
  }
  const bool chat = endpoint == Endpoint::kChat;
  return {.body = {{"id", head.id},
                   {"object", chat ? "chat.completion" : "text_completion"},
                   {"created", head.created_s},
                   {"model", head.model},
                   {"system_fingerprint", OrNull(head.fingerprint)},
                   {"choices", std::move(choices)},
                   {"usage", UsageOf(answers)}}};
}

Response ToResponse(const Error& error) {
  const int status = StatusOf(error.code);
  return {.status = status,
          .body = {{"error",
                    json::object{{"message", error.message},
                                 {"type", status < 500 ? "invalid_request_error" : "server_error"},
                                 {"param", OrNull(error.subject)},
                                 {"code", nullptr}}}}};
}

}  // namespace cairn::server
