// SPDX-License-Identifier: Apache-2.0
// The user's proof that an answer does not depend on how it was made: the same prompts in many
// ways, alone and in company, in chunks, in pieces and revised, cold and cached, proposed and
// preempted, on every instruction set and number of threads. Threads: one at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "engine/answer.h"
#include "kernels/isa.h"
#include "kernels/kernels.h"
#include "model/model.h"

namespace cairn::engine {

// How a prompt comes: at once, in pieces, or as other prompts that are replaced until it is right.
enum class Arrival { kWhole, kInPieces, kRevised };

// One way to make answers.
struct Way {
  std::string name;
  int sequences = 1;      // at once
  int step_rows = 512;    // chunks of prompts are at most so long
  bool cached = false;    // every prompt twice; the second finds the first's tiles
  bool proposed = false;  // n-gram proposals
  // A fast path with another arithmetic proposes, always, and the canonical one confirms: the same
  // weights over keys and values in another format (q8; f16 where the answers have q8).
  bool fast_path = false;
  bool preempted = false;  // answers give way every few steps and are computed anew
  Arrival arrival = Arrival::kWhole;
  // Worth its time on every instruction set and number of threads. The others try decisions of the
  // scheduler, which are the same on all.
  bool everywhere = false;
};
// Alone first: what the others are compared with.
std::vector<Way> AllWays();

struct VerifyPrompt {
  std::vector<std::int32_t> tokens;
  SamplingOptions sampling;
};

struct VerifyOptions {
  std::int64_t max_tokens = 32;  // of an answer
  kernels::KvFormat kv = kernels::KvFormat::kF16;
  std::uint64_t order_seed = 1;  // of the order in which the prompts come
};

struct WayResult {
  std::vector<std::vector<std::int32_t>> answers;  // by prompt; of the second time where cached
  // Did the way do what it is called after?
  std::int64_t reused = 0, accepted = 0, preempted = 0;
  std::int64_t guessed = 0, refused = 0;       // tokens of a fast path; those that were not chosen
  std::int64_t messages = 0, invalidated = 0;  // about prompts; computed tokens that they took back
};

// Errors: as Engine::Create; kLimit, kNumeric from an answer; kCancelled.
[[nodiscard]] Result<WayResult> AnswerIn(const Way& way, kernels::Isa isa, int threads,
                                         const std::shared_ptr<const model::Model>& model,
                                         const std::vector<VerifyPrompt>& prompts,
                                         const VerifyOptions& options, std::stop_token stop);

// 64 bits of all answers.
std::uint64_t HashOf(const std::vector<std::vector<std::int32_t>>& answers);

}  // namespace cairn::engine
