// SPDX-License-Identifier: Apache-2.0
// Any bytes as a body of the server's APIs, as a line of a batch, as a line of a batch's results,
// and as an answer that may call tools: an Error that says something, or values within their
// ranges. The first byte chooses.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/answer_reader.h"
#include "server/anthropic_request.h"
#include "server/json_members.h"
#include "server/ollama_request.h"
#include "server/openai_batch.h"
#include "server/openai_request.h"
#include "server/responses_request.h"
#include "server/sampling_members.h"

namespace {

using cairn::Error;
using cairn::server::Endpoint;
using cairn::server::OpenAiRequest;

void Require(bool holds) {
  if (!holds) std::abort();
}

// One sentence that does not repeat what was sent.
void Check(const Error& error) {
  Require(!error.message.empty() && error.message.size() < 600);
  Require(error.message.find('\n') == std::string::npos);
}

void Check(const cairn::engine::GenerateOptions& options) {
  const auto& s = options.sampling;
  Require(s.temperature >= 0 && s.temperature <= 100 && s.top_p > 0 && s.top_p <= 1);
  Require(s.min_p >= 0 && s.min_p <= 1 && s.top_k >= 0 && s.repeat_window >= 0);
  Require(s.repeat_penalty > 0 && s.repeat_penalty <= 10);
  Require(s.presence_penalty >= -10 && s.presence_penalty <= 10);
  Require(s.frequency_penalty >= -10 && s.frequency_penalty <= 10);
  Require(s.bias.size() <= cairn::engine::kMostBiases);
  for (const auto& entry : s.bias) Require(entry.token >= 0);
  Require(options.likelihoods >= -1 && options.likelihoods <= cairn::server::kMostTopLogprobs);
  Require(options.max_tokens >= -1);
  Require(options.stop.size() <= cairn::server::kMostStops);
  for (const auto& stop : options.stop) Require(!stop.empty());
}

// As templates expect them.
void CheckConversation(const boost::json::value& messages, const cairn::server::ToolUse& use) {
  for (const auto& message : messages.get_array()) {
    Require(message.at("role").is_string() && message.at("content").is_string());
  }
  Require(use.tools.is_null() || !use.tools.get_array().empty());
  Require(use.choice != cairn::server::ToolChoice::kRequired || use.shown());
  if (!use.shown()) return;
  const auto form = cairn::server::FormOfTools(use, cairn::grammar::GenericToolFormat(), {}, {});
  if (!form) return Check(form.error());
  Require(form->form.kind == cairn::grammar::FormKind::kToolCalls);
}

// The parts of an answer, read as a whole and byte by byte.
void CheckAnswer(std::string_view answer) {
  for (const auto& format : cairn::grammar::ToolFormats()) {
    const cairn::server::AnswerParts parts{
        .reasoning = cairn::server::ReasoningMarks{"<think>", "</think>"}, .tools = &format};
    const auto whole = cairn::server::ReadWhole(parts, answer);
    cairn::server::AnswerReader reader(parts);
    std::string content;
    std::size_t calls = 0;
    const auto take = [&](const std::vector<cairn::server::AnswerEvent>& events) {
      for (const auto& event : events) {
        if (event.kind == cairn::server::AnswerEvent::Kind::kText) content += event.text;
        if (event.kind == cairn::server::AnswerEvent::Kind::kCall) ++calls;
      }
    };
    for (const char& byte : answer) take(reader.Push({&byte, 1}));
    take(reader.Finish());
    Require(content == whole.content && calls == whole.calls.size());
  }
}

void Check(const OpenAiRequest& r) {
  Check(r.options);
  Require(r.choices >= 1 && r.choices <= 128);
  Require(r.options.max_tokens != 0);
  if (r.endpoint == Endpoint::kChat) {
    Require(!r.messages.get_array().empty());
    CheckConversation(r.messages, r.tools);
  } else if (const auto* tokens = std::get_if<1>(&r.prompt)) {
    Require(!tokens->empty());
    for (const std::int32_t token : *tokens) Require(token >= 0);
  }
}

void Check(const cairn::Result<OpenAiRequest>& request) {
  if (request) {
    Check(*request);
  } else {
    Check(request.error());
  }
}

void CheckBody(Endpoint endpoint, std::string_view text) {
  const auto body = cairn::server::ParseJson(text, cairn::server::kMostBodyBytes);
  if (!body) return Check(body.error());
  Check(cairn::server::ReadOpenAiRequest(endpoint, *body));
}

template <typename Request>
void CheckDialect(cairn::Result<Request> (*read)(const boost::json::value&),
                  std::string_view text) {
  const auto body = cairn::server::ParseJson(text, cairn::server::kMostBodyBytes);
  if (!body) return Check(body.error());
  const auto request = read(*body);
  if (!request) return Check(request.error());
  Check(request->question.options);
  const auto* chat = std::get_if<cairn::server::Conversation>(&request->question.prompt);
  if (chat != nullptr && chat->messages.is_array()) CheckConversation(chat->messages, chat->tools);
}

// Behind one that is kept.
cairn::Result<cairn::server::ResponsesRequest> ReadResponses(const boost::json::value& body) {
  return cairn::server::ReadResponsesRequest(
      body, [](const std::string& id) -> cairn::Result<boost::json::array> {
        return boost::json::array{boost::json::object{{"role", "user"}, {"content", id}}};
      });
}

cairn::Result<cairn::server::AnthropicRequest> ReadAnthropic(const boost::json::value& body) {
  return cairn::server::ReadAnthropicRequest(body, false);
}

void CheckBatchLine(std::string_view text) {
  const auto line = cairn::server::ParseBatchLine(text);
  if (!line) return Check(line.error());
  Require(!line->custom_id.empty());
  Check(line->request);
  // What is written about a line is read again.
  const auto result = cairn::server::BatchFailureResult(
      7, line->custom_id, cairn::server::BatchFailure::kDuplicateId, "again");
  const auto record = cairn::server::ParseBatchResult(result);
  Require(record && record->custom_id == line->custom_id && record->line == 7 && !record->answered);
}

void CheckResultLine(std::string_view text) {
  const auto record = cairn::server::ParseBatchResult(text);
  if (!record) return Check(record.error());
  Require(record->line > 0 && (!record->answered || !record->custom_id.empty()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'c': CheckBody(Endpoint::kChat, text); break;
    case 'p': CheckBody(Endpoint::kCompletions, text); break;
    case 'r': CheckResultLine(text); break;
    case 'a': CheckDialect(ReadAnthropic, text); break;
    case 'o': CheckDialect(cairn::server::ReadOllamaChat, text); break;
    case 'g': CheckDialect(cairn::server::ReadOllamaGenerate, text); break;
    case 's': CheckDialect(ReadResponses, text); break;
    case 't': CheckAnswer(text); break;
    default: CheckBatchLine(text); break;
  }
  return 0;
}
