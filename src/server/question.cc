// SPDX-License-Identifier: Apache-2.0
#include "server/question.h"

#include <boost/asio/dispatch.hpp>
#include <chrono>
#include <utility>

#include "server/keys.h"

namespace cairn::server {
namespace {

// Holds the model and counts what was answered; hands everything on.
class Counted final : public AnswerListener {
 public:
  Counted(CallRef call, std::shared_ptr<const ServedModel> model,
          std::shared_ptr<Allowances::Place> place, std::shared_ptr<AnswerListener> listener)
      : call_(std::move(call)),
        model_(std::move(model)),
        place_(std::move(place)),
        listener_(std::move(listener)) {}

  void Refused(const Error& error) override {
    place_.reset();
    listener_->Refused(error);
  }
  void Accepted() override { listener_->Accepted(); }
  void Piece(int choice, const engine::AnswerPiece& piece) override {
    listener_->Piece(choice, piece);
  }
  void Ended(int choice, engine::FinishReason reason) override { listener_->Ended(choice, reason); }
  bool wants_pieces() const override { return listener_->wants_pieces(); }
  bool wants_progress() const override { return listener_->wants_progress(); }
  void Progress(const engine::PromptProgress& progress) override { listener_->Progress(progress); }
  void Done(std::vector<Result<engine::Answer>> answers) override {
    ModelMetrics& metrics = call_->api.metrics.models[model_->id];
    bool first = true;
    std::int64_t spent = 0;
    for (const auto& answer : answers) {
      if (!answer) continue;
      metrics.Add(*answer, first);
      spent += static_cast<std::int64_t>(answer->tokens.size());
      if (std::exchange(first, false)) spent += answer->prompt_tokens - answer->reused_tokens;
    }
    call_->api.allowances.Spend(call_->tenant, call_->holder->limits, spent,
                                std::chrono::steady_clock::now());
    place_.reset();
    listener_->Done(std::move(answers));
  }

 private:
  CallRef call_;
  std::shared_ptr<const ServedModel> model_;
  std::shared_ptr<Allowances::Place> place_;
  std::shared_ptr<AnswerListener> listener_;
};

}  // namespace

kv::CacheSpace SpaceOf(std::string_view tenant) {
  if (tenant.empty()) return 0;
  const Sha256 hash = Sha256Of(tenant);
  kv::CacheSpace space = 0;
  for (std::size_t i = 0; i < sizeof space; ++i) space = (space << 8) | hash[i];
  return space;
}

EngineLoop::JobRef Submit(const CallRef& call, const std::shared_ptr<const ServedModel>& model,
                          Question question, PromptTokens prompt, bool streaming,
                          const MakeListener& make) {
  std::int64_t wait_s = 0;
  auto place = call->api.allowances.Begin(call->tenant, call->holder->limits,
                                          std::chrono::steady_clock::now(), wait_s);
  if (!place) {
    ApiError error = ApiErrorOf(place.error());
    error.retry_s = wait_s;
    call->Fail(std::move(error));
    return nullptr;
  }
  const Asked asked{.model = model,
                    .prompt_tokens = static_cast<std::int64_t>(prompt.tokens.size()),
                    .parts = std::move(prompt.parts)};
  const auto timeout = std::chrono::nanoseconds(call->api.options.request);
  engine::AnswerRequest request{
      .prompt = std::move(prompt.tokens),
      .streaming = streaming,
      .options = std::move(question.options),
      .choices = question.choices,
      .tenant = call->tenant.empty() ? std::move(question.tenant) : call->tenant,
      .space = SpaceOf(call->tenant),
      .use_cache = question.use_cache,
      .deadline_ns = model->engine->engine().clock().NowNs() + timeout.count()};
  const auto job = EngineLoop::NewJob();
  call->exchange->OnGone([&engines = call->api.engines, job] { engines.Cancel(job); });
  auto listener = std::make_shared<Counted>(call, model, *std::move(place), make(asked));
  const auto submitted =
      call->api.engines.Submit(job, model->engine, std::move(request), std::move(listener));
  if (submitted) return job;
  call->Fail(submitted.error());
  return nullptr;
}

ApiError PromptErrorOf(const Error& error) {
  ApiError told = ApiErrorOf(error);
  if (error.code == ErrorCode::kLimit) told.code = "context_length_exceeded";
  return told;
}

void Ask(const CallRef& call, Question question, MakeListener make) {
  const std::string name = question.model;
  WithModel(
      call, name,
      [call, question = std::move(question), make = std::move(make)](const auto& model) mutable {
        auto prompt = EncodePrompt(model->engine->engine(), model->face, question.prompt);
        if (!prompt) return call->Fail(PromptErrorOf(prompt.error()));
        auto grammar = GrammarOf(question.prompt, prompt->parts, question.form,
                                 question.options.stop, call->api.forms);
        if (!grammar) return call->Fail(grammar.error());
        question.options.grammar = *std::move(grammar);
        boost::asio::dispatch(
            call->api.loop, [call, model, question = std::move(question),
                             prompt = *std::move(prompt), make = std::move(make)]() mutable {
              Submit(call, model, std::move(question), std::move(prompt), false, make);
            });
      });
}

}  // namespace cairn::server
