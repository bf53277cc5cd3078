// SPDX-License-Identifier: Apache-2.0
// The engine: sequences of tokens, and steps over many of them at once.
//
// A step takes rows of any number of sequences and hands back logits: `logits`, `perplexity`,
// `bench` and tests work on it; the scheduler (scheduler.h) decides what goes into a step where
// answers are made (answers.h). Bytes of every output follow docs/canonical.md, whatever the
// company, the chunks, the threads and the instruction set.
//
// Threads: an Engine is used by one thread at a time (its caller is worker 0 of its team); a
//   stop_token may be triggered from any thread or signal-safe flag owner.
// Owns: its worker team, step buffers and KV tiles. Shares the model, which is immutable.
// Sequences must not outlive their engine.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "engine/step_model.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"
#include "model/model.h"

namespace cairn::engine {

class InputSums;
class StepObserver;

struct EngineOptions {
  int threads = 0;                  // 0: the physical cores this process may use; at most 256
  std::optional<kernels::Isa> isa;  // absent: the best the machine has
  kernels::KvFormat kv = kernels::KvFormat::kF16;  // how keys and values are kept
  // Tokens per sequence, at most what the model was trained for. 0: that, or what the KV memory
  // below holds, but at least 256 where that is not given (or all the model has). A context that is
  // asked for is not checked against the memory: KV comes tile by tile, and a step that gets none
  // is kLimit (the KV memory is full) or kOutOfMemory (the system has none).
  std::int64_t context = 0;
  // Bytes of keys and values of all sequences together, kept ones included. 0: half of the memory
  // that is free once the weights are loaded, and at least what one sequence of `context` takes.
  std::size_t kv_memory_bytes = 0;
  kv::KvBackend kv_backend = kv::KvBackend::kArena;
  int step_rows = 512;      // most rows of one step: the prefill chunk, 1 to 65,536
  int step_sequences = 64;  // most sequences of one step, 1 to 65,536
  std::shared_ptr<const Clock> clock = std::make_shared<SystemClock>();  // for seconds of answers
  bool pinned = false;               // each worker stays on a core of its own (parallel/team.h)
  StepObserver* observer = nullptr;  // sees every step (engine/trace.h); outlives the engine
  InputSums* inputs = nullptr;       // sees what matrices are multiplied with; outlives the engine
  bool embeds = false;  // the model was loaded for embeddings (embedder.h), not for text
  // In place of the instruction set's own, for measurements of other arithmetic (bench/order).
  const kernels::Kernels* kernels = nullptr;
};

class Engine final : public StepModel {
 public:
  // Errors: kInvalidArgument (threads, rows or sequences out of range; KV memory below one tile of
  // each group), kUnsupported (instruction set, or a shape that the kernels lack), kLimit (context
  // beyond the model's), kOutOfMemory; kUnsupported
  // where the model yields logits and `embeds` is set, or the other way round.
  [[nodiscard]] static Result<std::unique_ptr<Engine>> Create(
      std::shared_ptr<const model::Model> model, const EngineOptions& options);
  ~Engine();

  const model::Model& model() const;
  std::int64_t context() const override;  // tokens a sequence can hold
  int vocabulary() const override;
  int threads() const;
  kernels::Isa isa() const;
  const kernels::Kernels& kernels() const;
  const Clock& clock() const;
  int step_rows() const override;
  int step_sequences() const override;

  // Bytes the engine holds beside the weights: step buffers, and KV per token of context.
  std::size_t step_buffer_bytes() const;
  std::size_t kv_bytes_per_token() const;
  kernels::KvFormat kv_format() const;
  kv::KvUse kv_use() const;
  kv::KvPool& pool() override;
  // Bytes of weights that a step of so many rows reads (each once), without KV; of experts as many
  // as rows that choose by lot meet.
  std::size_t weight_bytes_per_step(std::int64_t rows) const;

  Sequence NewSequence() { return Sequence(pool()); }

  [[nodiscard]] Result<void> Step(std::span<StepEntry> entries, const LogitsSink& sink,
                                  std::stop_token stop = {}) override;

  // Appends tokens in chunks of step_rows(); logits for the last `sampled` of all of them.
  [[nodiscard]] Result<void> Prefill(Sequence& sequence, std::span<const std::int32_t> tokens,
                                     std::int64_t sampled, const LogitsSink& sink,
                                     std::stop_token stop = {});

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::engine
