// SPDX-License-Identifier: Apache-2.0
#include "server/openai_stream.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <ctime>
#include <optional>
#include <utility>

#include "server/openai_logprobs.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

std::string Quoted(std::string_view text) {
  return json::serialize(json::string_view(text.data(), text.size()));
}

class OpenAiListener final : public AnswerListener {
 public:
  OpenAiListener(CallRef call, const OpenAiRequest& request, const Asked& asked)
      : call_(std::move(call)),
        chat_(request.endpoint == Endpoint::kChat),
        stream_(request.stream),
        usage_(request.stream_usage),
        progress_(request.stream && request.stream_progress),
        model_(asked.model) {
    form_ = FormOf(request, asked.model->engine->engine(), asked.parts);
    head_ = {.id = (chat_ ? "chatcmpl-" : "cmpl-") + call_->id,
             .created_s = std::time(nullptr),
             .model = asked.model->id,
             .fingerprint = asked.model->face.fingerprint};
    start_ = fmt::format(
        R"(data: {{"id":{},"object":"{}","created":{},"model":{},"system_fingerprint":"{}","choices":[)",
        Quoted(head_.id), chat_ ? "chat.completion.chunk" : "text_completion", head_.created_s,
        Quoted(head_.model), head_.fingerprint);
    // Every chunk has the member where one of them will have a value.
    end_ = usage_ ? "],\"usage\":null" : "]";
    for (int i = 0; stream_ && i < request.choices; ++i) {
      Choice& choice = choices_.emplace_back(form_.parts);
      if (form_.tokenizer != nullptr) choice.logprobs.emplace(request.endpoint, *form_.tokenizer);
    }
  }

  void Refused(const Error& error) override { call_->Fail(error); }

  void Accepted() override {
    if (!stream_) return;
    call_->exchange->Begin({.type = "text/event-stream; charset=utf-8",
                            .headers = {{"Cache-Control", "no-cache"},
                                        {"X-Accel-Buffering", "no"},
                                        {"x-request-id", call_->id}}});
    for (std::size_t i = 0; chat_ && i < choices_.size(); ++i) {
      Chunk(static_cast<int>(i), R"("delta":{"role":"assistant","content":""})", "null", "null");
    }
  }

  bool wants_pieces() const override { return stream_; }
  bool wants_progress() const override { return progress_; }
  void Progress(const engine::PromptProgress& now) override {
    Chunk(0, chat_ ? R"("delta":{})" : R"("text":"")", "null", "null",
          fmt::format(R"(,"prompt_progress":{{"total":{},"cache":{},"processed":{},"time_ms":{}}})",
                      now.total, now.reused, now.computed, Milliseconds()));
  }

  void Piece(int index, const engine::AnswerPiece& piece) override {
    if (!stream_) return;
    Choice& choice = choices_[static_cast<std::size_t>(index)];
    // The tokens go with the first part that is told, or alone.
    std::string logprobs = "null";
    if (choice.logprobs && !piece.tokens.empty()) {
      logprobs = json::serialize(choice.logprobs->Write(piece.tokens));
    }
    Tell(index, choice.reader.Push(piece.text), logprobs);
    if (logprobs != "null") Chunk(index, TextDelta(R"("")"), logprobs, "null");
  }

  void Ended(int index, engine::FinishReason reason) override {
    if (!stream_) return;
    Choice& choice = choices_[static_cast<std::size_t>(index)];
    std::string logprobs = "null";
    Tell(index, choice.reader.Finish(), logprobs);
    Chunk(index, chat_ ? R"("delta":{})" : R"("text":"")", "null",
          fmt::format("\"{}\"", FinishReasonOf(reason, choice.reader.calls() > 0)));
  }

  void Done(std::vector<Result<engine::Answer>> answers) override {
    if (stream_) return EndStream(answers);
    for (const auto& answer : answers) {
      if (!answer) return call_->Fail(answer.error());
    }
    const Endpoint endpoint = chat_ ? Endpoint::kChat : Endpoint::kCompletions;
    call_->Json(200, ToResponse(endpoint, head_, answers, form_).body);
  }

 private:
  struct Choice {
    explicit Choice(const AnswerParts& parts) : reader(parts) {}
    AnswerReader reader;
    std::optional<LogprobsWriter> logprobs = {};
  };

  std::int64_t Milliseconds() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                 began_)
        .count();
  }

  std::string TextDelta(std::string_view quoted) const {
    return chat_ ? fmt::format(R"("delta":{{"content":{}}})", quoted)
                 : fmt::format(R"("text":{})", quoted);
  }
  std::string DeltaOf(int index, const AnswerEvent& event) const {
    const std::string text = Quoted(event.text);
    switch (event.kind) {
      case AnswerEvent::Kind::kThought:
        return fmt::format(R"("delta":{{"reasoning_content":{}}})", text);
      case AnswerEvent::Kind::kText: break;
      case AnswerEvent::Kind::kCall:
        return fmt::format(R"("delta":{{"tool_calls":[{{"index":{},"id":"{}","type":"function",)"
                           R"("function":{{"name":{},"arguments":""}}}}]}})",
                           event.call, ToolCallId(head_.id, index, event.call), text);
      case AnswerEvent::Kind::kArguments:
        return fmt::format(
            R"("delta":{{"tool_calls":[{{"index":{},"function":{{"arguments":{}}}}}]}})",
            event.call, text);
    }
    return TextDelta(text);
  }
  // `logprobs` is told with the first event, if there is one.
  void Tell(int index, const std::vector<AnswerEvent>& events, std::string& logprobs) {
    for (const AnswerEvent& event : events) {
      Chunk(index, DeltaOf(index, event), std::exchange(logprobs, "null"), "null");
    }
  }

  void Chunk(int choice, std::string_view content, std::string_view logprobs,
             std::string_view reason, std::string_view more = "") {
    call_->exchange->Write(
        fmt::format("{}{{\"index\":{},{},\"logprobs\":{},\"finish_reason\":{}}}{}{}}}\n\n", start_,
                    choice, content, logprobs, reason, end_, more));
  }

  void EndStream(const std::vector<Result<engine::Answer>>& answers) {
    for (const auto& answer : answers) {
      if (answer) continue;
      const http::Response error = call_->error_form(ApiErrorOf(answer.error()));
      call_->exchange->Write("data: " + error.body + "\n\n");
      return call_->exchange->End();
    }
    if (usage_) {
      call_->exchange->Write(
          fmt::format("{}],\"usage\":{}}}\n\n", start_, json::serialize(UsageOf(answers))));
    }
    call_->exchange->Write("data: [DONE]\n\n");
    call_->exchange->End();
  }

  CallRef call_;
  bool chat_, stream_, usage_, progress_;
  std::shared_ptr<const ServedModel> model_;  // the form's tokenizer is its
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  ResponseHead head_;
  AnswerForm form_;
  std::vector<Choice> choices_;  // of a stream
  std::string start_, end_;      // of every chunk
};

}  // namespace

std::shared_ptr<AnswerListener> MakeOpenAiListener(const CallRef& call,
                                                   const OpenAiRequest& request,
                                                   const Asked& asked) {
  return std::make_shared<OpenAiListener>(call, request, asked);
}

}  // namespace cairn::server
