// SPDX-License-Identifier: Apache-2.0
// What an engine holds. Private to src/engine.
// Threads: as Engine.
#pragma once

#include "engine/engine.h"
#include "engine/executor.h"
#include "kv/pool.h"
#include "parallel/team.h"

namespace cairn::engine {

struct Engine::State {
  State(std::shared_ptr<const model::Model> model_in, const EngineOptions& options_in,
        std::int64_t context_in, int threads, const kernels::Kernels& kernels_in,
        std::unique_ptr<kv::KvPool> pool_in)
      : model(std::move(model_in)),
        options(options_in),
        context(context_in),
        team(threads, options_in.pinned),
        kernels(kernels_in),
        pool(std::move(pool_in)) {}

  [[nodiscard]] Result<void> CheckEntries(std::span<const StepEntry> entries);
  // Makes room for the entries' tokens and lists their rows. On failure some tiles have grown.
  [[nodiscard]] Result<void> TakeRows(std::span<StepEntry> entries);
  // Runs the rows and hands out logits; slices say which of them failed.
  [[nodiscard]] Result<void> RunRows(const LogitsSink& sink, std::stop_token stop);

  std::shared_ptr<const model::Model> model;
  EngineOptions options;
  std::int64_t context;
  parallel::WorkerTeam team;
  const kernels::Kernels& kernels;
  std::unique_ptr<kv::KvPool> pool;
  std::unique_ptr<Executor> executor;
  // Of the current step, kept so that a step allocates nothing after the first.
  std::vector<std::int32_t> step_tokens;
  std::vector<SequenceSlice> slices;
  std::vector<int> sampled_entries;  // by sampled row
  std::vector<const Sequence*> seen;
};

}  // namespace cairn::engine
