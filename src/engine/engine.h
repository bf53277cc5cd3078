// SPDX-License-Identifier: Apache-2.0
// The engine: sequences of tokens, steps over many of them at once, and answers.
//
// Two levels. A step takes rows of any number of sequences and hands back logits: `logits`,
// `perplexity`, `bench` and tests work on it. Generate runs steps until an answer ends: `run`,
// `chat` and the server use it. Bytes of every output follow docs/canonical.md, whatever the
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
#include "engine/sampler.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"
#include "model/model.h"

namespace cairn::kv {
class KvPool;
class SequenceTiles;
struct KvUse;
}  // namespace cairn::kv

namespace cairn::engine {

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
  int step_rows = 512;      // most rows of one step: the prefill chunk, 1 to 65,536
  int step_sequences = 64;  // most sequences of one step, 1 to 65,536
  std::shared_ptr<const Clock> clock = std::make_shared<SystemClock>();  // for an Answer's seconds
  bool pinned = false;               // each worker stays on a core of its own (parallel/team.h)
  StepObserver* observer = nullptr;  // sees every step (engine/trace.h); outlives the engine
};

// One conversation's tokens and their KV. Made by Engine::NewSequence.
class Sequence {
 public:
  Sequence(Sequence&&) noexcept;
  Sequence& operator=(Sequence&&) noexcept;
  ~Sequence();
  // Tokens whose KV is stored: positions 0 .. size()-1.
  std::span<const std::int32_t> tokens() const;
  std::int64_t size() const;
  // Drops everything from position `size` on. Requires size <= this->size().
  void Truncate(std::int64_t size);

  // For what manages KV memory (the scheduler, the prefix cache).
  kv::SequenceTiles& tiles();
  // An empty sequence whose tiles were filled for exactly these positions now has these tokens.
  void Adopt(std::span<const std::int32_t> tokens);

 private:
  friend class Engine;
  struct State;
  explicit Sequence(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// Rows of one sequence in a step: `tokens` are appended, logits are wanted for the last `sampled`.
struct StepEntry {
  Sequence* sequence = nullptr;
  std::span<const std::int32_t> tokens;
  int sampled = 0;
  // Set by Step where this entry alone failed (kNumeric, naming the layer): its sequence has not
  // grown and logits that were handed out before mean nothing; other entries are not touched by it.
  std::optional<Error> failure;
};

// Receives the logits of one sampled row: which entry, which row of the entry (0-based), and
// vocabulary-many finite values, valid during the call. Called on the caller's thread; not called
// for a row whose logits are not finite, which fails its entry.
using LogitsSink = std::function<void(int entry, int row, std::span<const float> logits)>;

enum class FinishReason { kEndOfTurn, kStopString, kLength, kContext, kCancelled };
std::string_view FinishReasonName(FinishReason reason);  // "end of turn", ...

struct GenerateOptions {
  std::int64_t max_tokens = -1;   // -1: until the model ends or the context is full
  std::vector<std::string> stop;  // matched across token borders; never part of the text
  SamplingOptions sampling;
};

struct Answer {
  std::string text;
  std::vector<std::int32_t> tokens;  // includes the end token when there was one
  FinishReason reason = FinishReason::kLength;
  std::int64_t prompt_tokens = 0;  // of the whole prompt
  std::int64_t reused_tokens = 0;  // of them found in the sequence already
  double prompt_seconds = 0;       // by EngineOptions::clock
  double answer_seconds = 0;
};

// Receives text as it is made: whole characters only, never part of a stop string. Returning false
// cancels; it is not called again.
using TextSink = std::function<bool(std::string_view text)>;

class Engine {
 public:
  // Errors: kInvalidArgument (threads, rows or sequences out of range; KV memory below one tile of
  // each group), kUnsupported (instruction set, or a shape that the kernels lack), kLimit (context
  // beyond the model's), kOutOfMemory.
  [[nodiscard]] static Result<std::unique_ptr<Engine>> Create(
      std::shared_ptr<const model::Model> model, const EngineOptions& options);
  ~Engine();

  const model::Model& model() const;
  std::int64_t context() const;  // tokens a sequence can hold
  int threads() const;
  kernels::Isa isa() const;
  int step_rows() const;

  // Bytes the engine holds beside the weights: step buffers, and KV per token of context.
  std::size_t step_buffer_bytes() const;
  std::size_t kv_bytes_per_token() const;
  kernels::KvFormat kv_format() const;
  kv::KvUse kv_use() const;
  kv::KvPool& pool();
  // Bytes of weights that a step of one row reads (each once), without KV.
  std::size_t weight_bytes_per_step() const;

  [[nodiscard]] Result<Sequence> NewSequence();
  // A sequence of the first `size` tokens that shares their KV; whoever writes first copies.
  // Requires sequence.tiles().UsableSize(size) == size.
  Sequence Fork(const Sequence& sequence, std::int64_t size);

  // Appends the entries' tokens to their sequences and reports logits. All entries together have
  // at most step_rows() rows and step_sequences entries, a sequence appears once. On failure
  // (kLimit: a context or the KV memory is full; kInvalidArgument: a token the model does not have;
  // kCancelled; kOutOfMemory) no sequence has grown. An entry whose values leave the finite numbers
  // fails alone.
  [[nodiscard]] Result<void> Step(std::span<StepEntry> entries, const LogitsSink& sink,
                                  std::stop_token stop = {});

  // Appends tokens in chunks of step_rows(); logits for the last `sampled` of all of them.
  [[nodiscard]] Result<void> Prefill(Sequence& sequence, std::span<const std::int32_t> tokens,
                                     std::int64_t sampled, const LogitsSink& sink,
                                     std::stop_token stop = {});

  // Answers `prompt` (the whole prompt, not only what is new): what the sequence already holds of
  // it is kept, the rest is dropped and recomputed. Errors: kLimit when the prompt does not fit
  // the context, as Step else. Cancelled by `stop` or the sink, it returns what was made so far.
  [[nodiscard]] Result<Answer> Generate(Sequence& sequence, std::span<const std::int32_t> prompt,
                                        const GenerateOptions& options, const TextSink& sink,
                                        std::stop_token stop = {});

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::engine
