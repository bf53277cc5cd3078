// SPDX-License-Identifier: Apache-2.0
#include "server/openai_response.h"

#include <boost/json/array.hpp>
#include <string_view>

#include "server/openai_logprobs.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

json::object MessageOf(const std::string& text, const AnswerForm& form) {
  json::object message{{"role", "assistant"}, {"content", text}};
  if (!form.reasoning) return message;
  ReasoningSplitter splitter(*form.reasoning, form.thinking);
  auto parts = splitter.Push(text);
  const auto rest = splitter.Finish();
  message["content"] = parts.content + rest.content;
  parts.reasoning += rest.reasoning;
  if (!parts.reasoning.empty()) message["reasoning_content"] = parts.reasoning;
  return message;
}

json::object ChoiceOf(Endpoint endpoint, std::size_t index, const engine::Answer& answer,
                      const AnswerForm& form) {
  json::object choice{{"index", index}};
  if (endpoint == Endpoint::kChat) {
    choice["message"] = MessageOf(answer.text, form);
  } else {
    choice["text"] = answer.text;
  }
  choice["logprobs"] = form.tokenizer == nullptr
                           ? json::value()
                           : LogprobsWriter(endpoint, *form.tokenizer).Write(answer.likelihoods);
  choice["finish_reason"] = FinishReasonOf(answer.reason);
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

AnswerForm FormOf(const OpenAiRequest& request, const ChatFace& face, const engine::Engine& engine,
                  bool thinking) {
  AnswerForm form{.tokenizer = nullptr, .reasoning = {}, .thinking = thinking};
  if (request.options.likelihoods >= 0) form.tokenizer = &engine.model().tokenizer();
  if (request.endpoint == Endpoint::kChat && request.separate_thoughts) {
    form.reasoning = face.reasoning;
  }
  return form;
}

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
                    std::span<const Result<engine::Answer>> answers, const AnswerForm& form) {
  json::array choices;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i]) return ToResponse(answers[i].error());
    choices.push_back(ChoiceOf(endpoint, i, *answers[i], form));
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
