// SPDX-License-Identifier: Apache-2.0
// Greedy answers of engines with kernels of one order of sums or another.
// Threads: one at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"

namespace cairn::bench {

using Tokens = std::vector<std::int32_t>;

// Kernels of the instruction set that this program was compiled for, in a free order of sums: up to
// three rows add into two running sums by turns, more rows into one, as engines do that owe nobody
// an order.
const kernels::Kernels& FreeOrder();

// `kernels` null: the canonical ones. Errors: as Engine::Create.
[[nodiscard]] Result<std::shared_ptr<engine::Engine>> Open(
    const std::shared_ptr<const model::Model>& model, const kernels::Kernels* kernels,
    kernels::KvFormat kv = kernels::KvFormat::kF16);

// `count` prompts of about 40 tokens from all over a text.
[[nodiscard]] Result<std::vector<Tokens>> PromptsOf(const model::Model& model,
                                                    const std::string& text, int count);

struct Made {
  std::vector<Tokens> answers;  // by prompt
  double seconds = 0;
  std::int64_t guessed = 0, right = 0;  // by the proposer
};

// Answers of `tokens` tokens, `sequences` at once; `proposer`, where there is one, guesses each of
// them and `engine` confirms. Errors: what an answer fails with.
[[nodiscard]] Result<Made> MakeAnswers(engine::Engine& engine, const std::vector<Tokens>& prompts,
                                       std::int64_t tokens, int sequences,
                                       const std::shared_ptr<engine::Engine>& proposer = nullptr);

}  // namespace cairn::bench
