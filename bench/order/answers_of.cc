// SPDX-License-Identifier: Apache-2.0
#include "answers_of.h"

#include <algorithm>
#include <optional>

#include "engine/answers.h"

namespace cairn::kernels::free_order {
extern const Kernels kTable;
}

namespace cairn::bench {

const kernels::Kernels& FreeOrder() { return kernels::free_order::kTable; }

Result<std::shared_ptr<engine::Engine>> Open(const std::shared_ptr<const model::Model>& model,
                                             const kernels::Kernels* kernels,
                                             kernels::KvFormat kv) {
  const std::int64_t context = std::min<std::int64_t>(2048, model->context_length());
  return engine::Engine::Create(
      model, {.isa = FreeOrder().isa, .kv = kv, .context = context, .kernels = kernels});
}

Result<std::vector<Tokens>> PromptsOf(const model::Model& model, const std::string& text,
                                      int count) {
  constexpr std::size_t kLength = 200;
  std::vector<Tokens> prompts;
  for (int i = 0; i < count; ++i) {
    const std::size_t room = text.size() - std::min(text.size(), kLength);
    std::size_t at = room * static_cast<std::size_t>(i) / static_cast<std::size_t>(count);
    at = std::min(text.find(' ', at), room);
    prompts.push_back(OR_RETURN(model.tokenizer().Encode(text.substr(at, kLength), true)));
  }
  return prompts;
}

Result<Made> MakeAnswers(engine::Engine& engine, const std::vector<Tokens>& prompts,
                         std::int64_t tokens, int sequences,
                         const std::shared_ptr<engine::Engine>& proposer) {
  std::shared_ptr<engine::Draft> draft;
  if (proposer != nullptr) {
    draft = std::make_shared<engine::Draft>(
        proposer, engine::DraftOptions{.vocabulary = engine.model().tokenizer().size()});
  }
  engine::Answers answers(engine, {.sequences = sequences,
                                   .propose = false,
                                   .draft = draft,
                                   .propose_always = draft != nullptr});
  Made made;
  made.answers.resize(prompts.size());
  std::size_t ended = 0;
  std::optional<Error> failed;
  const std::int64_t start = engine.clock().NowNs();
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    engine::AnswerRequest request;
    request.prompt = prompts[i];
    request.options = {.max_tokens = tokens, .ignore_end = true};
    request.options.sampling.temperature = 0;
    request.use_cache = false;
    engine::AnswerSink sink;
    sink.done = [&, i](std::vector<Result<engine::Answer>> choices) {
      ++ended;
      if (choices[0]) made.answers[i] = choices[0]->tokens;
      if (!choices[0]) failed = choices[0].error();
    };
    OR_RETURN(answers.Submit(std::move(request), std::move(sink)));
  }
  while (ended < prompts.size() && !failed) answers.Step();
  if (failed) return std::unexpected(*failed);
  made.seconds = static_cast<double>(engine.clock().NowNs() - start) * 1e-9;
  const engine::SchedulerCounters counters = answers.scheduler().counters();
  made.guessed = counters.guessed;
  made.right = counters.guessed_right;
  return made;
}

}  // namespace cairn::bench
