// SPDX-License-Identifier: Apache-2.0
// Anthropic's routes: messages and their tokens counted (docs/server.md).
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "server/anthropic_request.h"
#include "server/api.h"
#include "server/dialect.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

const char* TypeOf(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503: return "overloaded_error";
    default: return status < 500 ? "invalid_request_error" : "api_error";
  }
}

json::object ErrorObject(const ApiError& error) {
  return {{"type", "error"},
          {"error", json::object{{"type", TypeOf(error.status)}, {"message", error.message}}}};
}

http::Response AnthropicError(const ApiError& error) {
  return {.status = error.status, .body = json::serialize(ErrorObject(error))};
}

const char* StopReasonOf(engine::FinishReason reason) {
  switch (reason) {
    case engine::FinishReason::kStopString: return "stop_sequence";
    case engine::FinishReason::kLength: return "max_tokens";
    case engine::FinishReason::kContext: return "model_context_window_exceeded";
    default: return "end_turn";
  }
}

// Blocks come one after the other; the next begins when there is something for it.
class MessageTeller final : public AnswerTeller {
 public:
  MessageTeller(CallRef call, const Asked& asked, bool stream)
      : AnswerTeller(std::move(call), asked, stream, true) {}

 private:
  json::object Message() const {
    return {{"id", "msg_" + call()->id}, {"type", "message"},        {"role", "assistant"},
            {"model", model().id},       {"content", json::array()}, {"stop_reason", nullptr},
            {"stop_sequence", nullptr}};
  }
  // What was found in the cache is not counted as input, as the API has it.
  static json::object UsageOf(std::int64_t prompt, std::int64_t found, std::int64_t made) {
    return {{"input_tokens", prompt - found},
            {"cache_creation_input_tokens", 0},
            {"cache_read_input_tokens", found},
            {"output_tokens", made}};
  }
  static json::object UsageOf(const engine::Answer& answer) {
    return UsageOf(answer.prompt_tokens, answer.reused_tokens,
                   static_cast<std::int64_t>(answer.tokens.size()));
  }
  static void SetReason(const engine::Answer& answer, std::size_t calls, json::object& out) {
    out["stop_reason"] = EndedWithCalls(answer, calls) ? "tool_use" : StopReasonOf(answer.reason);
    out["stop_sequence"] = answer.stop.empty() ? json::value() : json::value(answer.stop);
  }
  static json::object Block(std::string_view kind, const std::string& text) {
    const json::string_view name(kind.data(), kind.size());
    json::object block{{"type", name}, {name, text}};
    if (kind == "thinking") block["signature"] = "";
    return block;
  }
  static json::object CallBlock(const std::string& id, std::string_view tool, json::object input) {
    return {{"type", "tool_use"},
            {"id", id},
            {"name", json::string_view(tool.data(), tool.size())},
            {"input", std::move(input)}};
  }

  void Event(json::object data) {
    const json::string type = data.at("type").as_string();
    WriteEvent(call(), {type.data(), type.size()}, data);
  }
  void Open(const char* kind) {
    if (open_ != kind) Open(kind, Block(kind, ""));
  }
  void Open(const char* kind, json::object block) {
    Close();
    open_ = kind;
    Event(
        {{"type", "content_block_start"}, {"index", index_}, {"content_block", std::move(block)}});
  }
  void Close() {
    if (open_.empty()) return;
    Event({{"type", "content_block_stop"}, {"index", index_++}});
    open_ = {};
  }
  void Delta(const char* type, const char* name, std::string_view text) {
    Event({{"type", "content_block_delta"},
           {"index", index_},
           {"delta",
            json::object{{"type", type}, {name, json::string_view(text.data(), text.size())}}}});
  }

  void Begin() override {
    BeginEvents(call());
    json::object message = Message();
    message["usage"] = UsageOf(prompt_tokens(), 0, 0);
    Event({{"type", "message_start"}, {"message", std::move(message)}});
    Event({{"type", "ping"}});
  }
  void Thought(std::string_view text) override {
    Open("thinking");
    Delta("thinking_delta", "thinking", text);
  }
  void Said(std::string_view text) override {
    Open("text");
    Delta("text_delta", "text", text);
  }
  void Calls(const std::string& id, std::string_view tool) override {
    ++calls_;
    Open("tool_use", CallBlock(id, tool, {}));
  }
  void Arguments(std::string_view text) override {
    Delta("input_json_delta", "partial_json", text);
  }
  void End(const engine::Answer& answer) override {
    // An answer without a text and calls has an empty block.
    if (index_ == 0 && calls_ == 0) Open("text");
    Close();
    json::object delta;
    SetReason(answer, calls_, delta);
    Event({{"type", "message_delta"}, {"delta", std::move(delta)}, {"usage", UsageOf(answer)}});
    Event({{"type", "message_stop"}});
  }
  void Broken(const ApiError& error) override { Event(ErrorObject(error)); }

  // A call that was cut has no input and is left out.
  void Whole(const ReadAnswer& read, const engine::Answer& answer) override {
    json::object message = Message();
    json::array content;
    if (!read.reasoning.empty()) content.push_back(Block("thinking", read.reasoning));
    if (!read.content.empty() || read.calls.empty()) {
      content.push_back(Block("text", read.content));
    }
    for (std::size_t i = 0; i < read.calls.size(); ++i) {
      auto input = ArgumentsOf(read.calls[i]);
      if (!input) continue;
      content.push_back(
          CallBlock(IdOfCall(static_cast<int>(i)), read.calls[i].name, *std::move(input)));
    }
    message["content"] = std::move(content);
    SetReason(answer, read.calls.size(), message);
    message["usage"] = UsageOf(answer);
    call()->Json(200, message);
  }

  int index_ = 0;
  std::string_view open_;  // the kind of the open block
  std::size_t calls_ = 0;
};

void Messages(const CallRef& call) {
  const auto body = call->Body();
  if (!body) return;
  auto request = ReadAnthropicRequest(*body, false);
  if (!request) return call->Fail(request.error());
  Ask(call, std::move(request->question), [call, stream = request->stream](const Asked& asked) {
    return std::make_shared<MessageTeller>(call, asked, stream);
  });
}

void CountTokens(const CallRef& call) {
  const auto body = call->Body();
  if (!body) return;
  auto request = ReadAnthropicRequest(*body, true);
  if (!request) return call->Fail(request.error());
  const std::string name = request->question.model;
  WithModel(call, name, [call, prompt = std::move(request->question.prompt)](const auto& model) {
    const auto encoded = EncodePrompt(model->engine->engine(), model->face, prompt);
    if (!encoded) return call->Fail(encoded.error());
    call->Json(200, json::object{{"input_tokens", encoded->tokens.size()}});
  });
}

}  // namespace

std::vector<Route> AnthropicRoutes() {
  return {
      {.method = "POST", .path = "/v1/messages", .handle = Messages, .error_form = AnthropicError},
      {.method = "POST",
       .path = "/v1/messages/count_tokens",
       .handle = CountTokens,
       .error_form = AnthropicError},
  };
}

}  // namespace cairn::server
