// SPDX-License-Identifier: Apache-2.0
#include "server/question.h"

#include <fmt/format.h>

#include <boost/asio/dispatch.hpp>
#include <utility>

#include "server/keys.h"

namespace cairn::server {
namespace {

// What one key's prompts left in the cache is not found with another's.
kv::CacheSpace SpaceOf(const std::string& tenant) {
  if (tenant.empty()) return 0;
  const Sha256 hash = Sha256Of(tenant);
  kv::CacheSpace space = 0;
  for (std::size_t i = 0; i < sizeof space; ++i) space = (space << 8) | hash[i];
  return space;
}

// Holds the model and counts what was answered; hands everything on.
class Counted final : public AnswerListener {
 public:
  Counted(CallRef call, std::shared_ptr<const ServedModel> model,
          std::shared_ptr<AnswerListener> listener)
      : call_(std::move(call)), model_(std::move(model)), listener_(std::move(listener)) {}

  void Refused(const Error& error) override { listener_->Refused(error); }
  void Accepted() override { listener_->Accepted(); }
  void Text(int choice, std::string_view text) override { listener_->Text(choice, text); }
  void Done(std::vector<Result<engine::Answer>> answers) override {
    Metrics& metrics = call_->api.metrics;
    bool first = true;
    for (const auto& answer : answers) {
      if (!answer) continue;
      const auto made = static_cast<std::uint64_t>(answer->tokens.size());
      metrics.answer_tokens += made;
      if (std::exchange(first, false)) {
        metrics.prompt_tokens += static_cast<std::uint64_t>(answer->prompt_tokens);
        metrics.cached_tokens += static_cast<std::uint64_t>(answer->reused_tokens);
        metrics.first_token.Add(answer->prompt_seconds);
      }
      if (made > 1) metrics.per_token.Add(answer->answer_seconds / static_cast<double>(made - 1));
    }
    listener_->Done(std::move(answers));
  }

 private:
  CallRef call_;
  std::shared_ptr<const ServedModel> model_;
  std::shared_ptr<AnswerListener> listener_;
};

void Submit(const CallRef& call, const std::shared_ptr<const ServedModel>& model, Question question,
            std::vector<std::int32_t> tokens, const MakeListener& make) {
  const auto timeout = std::chrono::nanoseconds(call->api.options.request);
  engine::AnswerRequest request{
      .prompt = std::move(tokens),
      .options = std::move(question.options),
      .choices = question.choices,
      .tenant = call->tenant.empty() ? std::move(question.tenant) : call->tenant,
      .space = SpaceOf(call->tenant),
      .use_cache = question.use_cache,
      .deadline_ns = model->engine->engine().clock().NowNs() + timeout.count()};
  const auto job = EngineLoop::NewJob();
  call->exchange->OnGone([&engines = call->api.engines, job] { engines.Cancel(job); });
  auto listener = std::make_shared<Counted>(call, model, make(model));
  const auto submitted =
      call->api.engines.Submit(job, model->engine, std::move(request), std::move(listener));
  if (!submitted) call->Fail(submitted.error());
}

}  // namespace

Result<std::vector<std::int32_t>> PromptOf(const ServedModel& model, const Question& question) {
  std::vector<std::int32_t> tokens;
  if (const auto* chat = std::get_if<Conversation>(&question.prompt)) {
    if (!model.chat) return std::unexpected(model.chat.error());
    tokens = OR_RETURN(model.chat->Encode(
        chat->messages, chat->tools.is_null() ? nullptr : &chat->tools, chat->variables));
  } else if (const auto* text = std::get_if<std::string>(&question.prompt)) {
    tokens = OR_RETURN(model::EncodeText(model.engine->model(), *text));
  } else {
    tokens = std::get<std::vector<std::int32_t>>(question.prompt);
  }
  const std::int64_t context = model.engine->context();
  const auto size = static_cast<std::int64_t>(tokens.size());
  if (size <= context) return tokens;
  return Fail(ErrorCode::kLimit,
              fmt::format("the prompt has {} tokens, the context holds {}", size, context));
}

void Ask(const CallRef& call, Question question, MakeListener make) {
  const std::string name = question.model;
  WithModel(
      call, name,
      [call, question = std::move(question), make = std::move(make)](const auto& model) mutable {
        if (question.form) {
          auto compiled = CompileForm(*question.form, call->api.forms);
          if (!compiled) return call->Fail(compiled.error());
          question.options.grammar = *std::move(compiled);
        }
        auto tokens = PromptOf(*model, question);
        if (!tokens) return call->Fail(tokens.error());
        boost::asio::dispatch(call->api.loop,
                              [call, model, question = std::move(question),
                               tokens = *std::move(tokens), make = std::move(make)]() mutable {
                                Submit(call, model, std::move(question), std::move(tokens), make);
                              });
      });
}

}  // namespace cairn::server
