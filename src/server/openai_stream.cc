// SPDX-License-Identifier: Apache-2.0
#include "server/openai_stream.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <ctime>
#include <utility>

namespace cairn::server {
namespace {

namespace json = boost::json;

std::string Quoted(std::string_view text) {
  return json::serialize(json::string_view(text.data(), text.size()));
}

class OpenAiListener final : public AnswerListener {
 public:
  OpenAiListener(CallRef call, const OpenAiStyle& style, std::string model)
      : call_(std::move(call)), style_(style) {
    const bool chat = style.endpoint == Endpoint::kChat;
    head_ = {.id = (chat ? "chatcmpl-" : "cmpl-") + call_->id,
             .created_s = std::time(nullptr),
             .model = std::move(model)};
    start_ = fmt::format(R"(data: {{"id":{},"object":"{}","created":{},"model":{},"choices":[)",
                         Quoted(head_.id), chat ? "chat.completion.chunk" : "text_completion",
                         head_.created_s, Quoted(head_.model));
    // Every chunk has the member where one of them will have a value.
    end_ = style.usage ? "],\"usage\":null}\n\n" : "]}\n\n";
  }

  void Refused(const Error& error) override { call_->Fail(error); }

  void Accepted() override {
    if (!style_.stream) return;
    call_->exchange->Begin({.type = "text/event-stream; charset=utf-8",
                            .headers = {{"Cache-Control", "no-cache"},
                                        {"X-Accel-Buffering", "no"},
                                        {"x-request-id", call_->id}}});
    if (style_.endpoint != Endpoint::kChat) return;
    for (int choice = 0; choice < style_.choices; ++choice) {
      Chunk(choice, R"("delta":{"role":"assistant","content":""})", "null");
    }
  }

  void Text(int choice, std::string_view text) override {
    if (!style_.stream) return;
    Chunk(choice,
          style_.endpoint == Endpoint::kChat
              ? fmt::format(R"("delta":{{"content":{}}})", Quoted(text))
              : fmt::format(R"("text":{})", Quoted(text)),
          "null");
  }

  void Done(std::vector<Result<engine::Answer>> answers) override {
    if (style_.stream) return EndStream(answers);
    for (const auto& answer : answers) {
      if (!answer) return call_->Fail(answer.error());
    }
    call_->Json(200, ToResponse(style_.endpoint, head_, answers).body);
  }

 private:
  void Chunk(int choice, std::string_view content, std::string_view reason) {
    call_->exchange->Write(
        fmt::format(R"({}{{"index":{},{},"logprobs":null,"finish_reason":{}}}{})", start_, choice,
                    content, reason, end_));
  }

  void EndStream(const std::vector<Result<engine::Answer>>& answers) {
    for (const auto& answer : answers) {
      if (answer) continue;
      const http::Response error = call_->error_form(
          {.status = StatusOf(answer.error()), .message = answer.error().message});
      call_->exchange->Write("data: " + error.body + "\n\n");
      return call_->exchange->End();
    }
    for (std::size_t i = 0; i < answers.size(); ++i) {
      Chunk(static_cast<int>(i),
            style_.endpoint == Endpoint::kChat ? R"("delta":{})" : R"("text":"")",
            fmt::format("\"{}\"", FinishReasonOf(answers[i]->reason)));
    }
    if (style_.usage) {
      call_->exchange->Write(
          fmt::format("{}],\"usage\":{}}}\n\n", start_, json::serialize(UsageOf(answers))));
    }
    call_->exchange->Write("data: [DONE]\n\n");
    call_->exchange->End();
  }

  CallRef call_;
  OpenAiStyle style_;
  ResponseHead head_;
  std::string start_, end_;  // of every chunk
};

}  // namespace

std::shared_ptr<AnswerListener> MakeOpenAiListener(const CallRef& call, const OpenAiStyle& style,
                                                   std::string model) {
  return std::make_shared<OpenAiListener>(call, style, std::move(model));
}

}  // namespace cairn::server
