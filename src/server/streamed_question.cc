// SPDX-License-Identifier: Apache-2.0
#include "server/streamed_question.h"

#include <boost/asio/dispatch.hpp>
#include <utility>

namespace cairn::server {
namespace {

std::size_t BytesOf(const Prompt& prompt) {
  if (const auto* text = std::get_if<std::string>(&prompt)) return text->size();
  const auto* conversation = std::get_if<Conversation>(&prompt);
  const auto* messages = conversation != nullptr ? conversation->messages.if_array() : nullptr;
  std::size_t bytes = 0;
  for (std::size_t i = 0; messages != nullptr && i < messages->size(); ++i) {
    const auto* message = (*messages)[i].if_object();
    const auto* content = message != nullptr ? message->if_contains("content") : nullptr;
    if (content != nullptr && content->is_string()) bytes += content->get_string().size();
  }
  return bytes;
}

// An answer that was cancelled for a reason fails with the reason.
class Explained final : public AnswerListener {
 public:
  Explained(std::shared_ptr<AnswerListener> listener,
            std::shared_ptr<const std::optional<Error>> reason)
      : listener_(std::move(listener)), reason_(std::move(reason)) {}

  void Refused(const Error& error) override { listener_->Refused(*reason_ ? **reason_ : error); }
  void Accepted() override { listener_->Accepted(); }
  void Piece(int choice, const engine::AnswerPiece& piece) override {
    listener_->Piece(choice, piece);
  }
  void Ended(int choice, engine::FinishReason reason) override {
    if (!*reason_) listener_->Ended(choice, reason);
  }
  bool wants_pieces() const override { return listener_->wants_pieces(); }
  bool wants_progress() const override { return listener_->wants_progress(); }
  void Progress(const engine::PromptProgress& progress) override { listener_->Progress(progress); }
  void Done(std::vector<Result<engine::Answer>> answers) override {
    for (auto& answer : answers) {
      if (*reason_) answer = std::unexpected(**reason_);
    }
    listener_->Done(std::move(answers));
  }

 private:
  std::shared_ptr<AnswerListener> listener_;
  std::shared_ptr<const std::optional<Error>> reason_;
};

}  // namespace

StreamedQuestion::StreamedQuestion(CallRef call, Question question, MakeListener make)
    : call_(std::move(call)),
      question_(std::move(question)),
      make_(std::move(make)),
      prompt_(question_.prompt),
      news_(true) {}

void StreamedQuestion::Tell(Prompt prompt, bool whole) {
  if (whole_ || failed_) return;
  prompt_ = std::move(prompt);
  whole_ = whole;
  news_ = true;
  Work();
}

void StreamedQuestion::Fail(const Error& error) {
  if (std::exchange(failed_, true)) return;
  if (!job_) return call_->Fail(PromptErrorOf(error));
  *reason_ = error;
  call_->api.engines.Cancel(job_);
}

void StreamedQuestion::Work() {
  if (busy_ || failed_ || !std::exchange(news_, false)) return;
  busy_ = true;
  WithModel(call_, question_.model,
            [self = shared_from_this()](const auto& model) { self->Encode(model); });
}

// A copy of the prompt: the next state may come while this one is made into tokens.
void StreamedQuestion::Encode(const std::shared_ptr<const ServedModel>& model) {
  call_->api.Prepare(
      BytesOf(prompt_), [self = shared_from_this(), model, prompt = prompt_, whole = whole_] {
        const engine::Engine& engine = model->engine->engine();
        auto tokens = whole ? EncodePrompt(engine, model->face, prompt)
                            : EncodeBeginning(engine, model->face, prompt);
        if (tokens && !self->job_) tokens = self->WithGrammar(prompt, *std::move(tokens));
        boost::asio::dispatch(self->call_->api.loop,
                              [self, model, whole, tokens = std::move(tokens)]() mutable {
                                self->Encoded(model, std::move(tokens), whole);
                              });
      });
}

// What its answer must be does not change with the text.
Result<PromptTokens> StreamedQuestion::WithGrammar(const Prompt& prompt, PromptTokens tokens) {
  question_.options.grammar = OR_RETURN(
      GrammarOf(prompt, tokens.parts, question_.form, question_.options.stop, call_->api.forms));
  return tokens;
}

void StreamedQuestion::Encoded(const std::shared_ptr<const ServedModel>& model,
                               Result<PromptTokens> prompt, bool whole) {
  busy_ = false;
  if (failed_) return;
  if (!prompt) return Fail(prompt.error());
  EngineLoop& engines = call_->api.engines;
  const auto told = [self = shared_from_this()](const Result<void>& result) {
    // Not found: it has ended, and its listener knows how.
    if (!result && result.error().code != ErrorCode::kNotFound) self->Fail(result.error());
  };
  if (!job_) {
    Start(model, *std::move(prompt));
  } else {
    engines.Update(job_, std::move(prompt->tokens), told);
  }
  if (job_ && whole) engines.Finish(job_, told);
  Work();
}

void StreamedQuestion::Start(const std::shared_ptr<const ServedModel>& model, PromptTokens prompt) {
  question_.prompt = {};
  job_ = Submit(call_, model, question_, std::move(prompt), true,
                [make = make_, reason = reason_](const Asked& asked) {
                  return std::make_shared<Explained>(make(asked), reason);
                });
  if (!job_) failed_ = true;
}

}  // namespace cairn::server
