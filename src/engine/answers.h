// SPDX-License-Identifier: Apache-2.0
// Answers to prompts, many at once: what `run`, `chat`, `batch` and the server use.
//
// An engine, a scheduler and a chooser per answer. Answers are the same bytes whatever runs beside
// them, was cached, preempted or proposed.
// Threads: one thread makes all calls but RequestCancel, which any thread may make.
// Owns: the scheduler; borrows the engine, which nobody else steps meanwhile.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "engine/answer.h"
#include "engine/engine.h"
#include "engine/scheduler.h"
#include "grammar/masks.h"

namespace cairn::engine {

struct AnswerRequest {
  std::vector<std::int32_t> prompt;  // the whole prompt: what was computed before is found
  bool streaming = false;            // or its beginning: it goes on until Finish
  GenerateOptions options;
  int choices = 1;   // answers to the one prompt, 1 to 128; choice i draws with index i
  int priority = 0;  // as Request's
  std::string tenant;
  kv::CacheSpace space = 0;
  bool use_cache = true;
  std::optional<std::int64_t> deadline_ns;
};

struct AnswerSink {
  // A choice as it is made; false cancels it. This and the next two may be empty.
  std::function<bool(int choice, const AnswerPiece& piece)> piece;
  // A choice has ended, and has not failed: its last tokens, with a text that is empty.
  std::function<void(int choice, const Answer& answer, const AnswerPiece& rest)> ended;
  // The prompt's computation goes on: at its beginning, after each step, and when it is whole.
  std::function<void(const PromptProgress& progress)> progress;
  // Every choice has ended; in their order. May submit the next request.
  std::function<void(std::vector<Result<Answer>> answers)> done;
};

class Answers {
 public:
  Answers(Engine& engine, const SchedulerOptions& options);

  // Errors: those of Scheduler::Submit and CheckSampling; kInvalidArgument for what the model or
  // this cannot give, naming it.
  [[nodiscard]] Result<RequestId> Submit(AnswerRequest request, AnswerSink sink);
  // Of a streaming request, as Scheduler's: the prompt goes on, is replaced, is complete. An
  // answer's prompt_seconds count from its last piece.
  [[nodiscard]] Result<void> Append(RequestId id, std::span<const std::int32_t> tokens) {
    return scheduler_.Append(id, tokens);
  }
  [[nodiscard]] Result<void> Update(RequestId id, std::span<const std::int32_t> tokens) {
    return scheduler_.Update(id, tokens);
  }
  [[nodiscard]] Result<void> Finish(RequestId id) { return scheduler_.Finish(id); }
  void RequestCancel(RequestId id) { scheduler_.RequestCancel(id); }
  // One step; false where there is nothing to do now.
  bool Step(std::stop_token stop = {}) { return scheduler_.Step(std::move(stop)); }

  // One answer, whole. Cancelled by `stop` or the sink, it returns what was made so far. Errors:
  // as Submit, and what the answer failed with.
  [[nodiscard]] Result<Answer> Generate(std::span<const std::int32_t> prompt,
                                        const GenerateOptions& options, const TextSink& sink,
                                        std::stop_token stop = {});

  // What the cache has of a text, as Scheduler's.
  Sequence Recall(std::span<const std::int32_t> tokens) { return scheduler_.Recall(0, tokens); }
  void Remember(Sequence& sequence) { scheduler_.Remember(0, sequence); }

  Engine& engine() { return engine_; }
  const Scheduler& scheduler() const { return scheduler_; }

 private:
  // The masks of a grammar, those that were used last kept.
  std::shared_ptr<grammar::Masks> MasksFor(std::shared_ptr<const grammar::Grammar> grammar);

  Engine& engine_;
  Scheduler scheduler_;
  std::shared_ptr<const grammar::TokenTrie> trie_;  // once it was needed
  const std::shared_ptr<grammar::SharedTables> shared_tables_ =
      std::make_shared<grammar::SharedTables>();
  std::vector<std::shared_ptr<grammar::Masks>> masks_;  // used last: at the end
};

}  // namespace cairn::engine
