// SPDX-License-Identifier: Apache-2.0
// What the scheduler needs of a model: sequences and steps. Engine is one; tests have another that
// computes nothing and checks everything.
// Threads: one thread at a time.
#pragma once

#include <stop_token>

#include "engine/sequence.h"
#include "kv/pool.h"

namespace cairn::engine {

class StepModel {
 public:
  virtual ~StepModel() = default;
  virtual kv::KvPool& pool() = 0;
  virtual std::int64_t context() const = 0;  // most tokens of a sequence
  virtual int vocabulary() const = 0;
  virtual int step_rows() const = 0;       // most rows of a step
  virtual int step_sequences() const = 0;  // most entries of a step

  // Appends the entries' tokens to their sequences and reports logits. All entries together have
  // at most step_rows() rows and step_sequences() entries, a sequence appears once. On failure
  // (kLimit: a context or the KV memory is full; kInvalidArgument: a token the model does not have;
  // kCancelled; kOutOfMemory) no sequence has grown. An entry whose values leave the finite numbers
  // fails alone.
  [[nodiscard]] virtual Result<void> Step(std::span<StepEntry> entries, const LogitsSink& sink,
                                          std::stop_token stop) = 0;
};

}  // namespace cairn::engine
