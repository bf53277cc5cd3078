// SPDX-License-Identifier: Apache-2.0
// What the scheduler knows of one choice of one request. Private to src/engine.
// Threads: the scheduler's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/proposer.h"
#include "engine/scheduler.h"

namespace cairn::engine {

// A request whose choices have not all ended.
struct ScheduledRequest {
  RequestId id = 0;
  std::string tenant;
  int priority = 0;
  std::int64_t arrival_ns = 0;
  bool streaming = false;  // was opened so
  kv::CacheSpace space = 0;
  bool use_cache = true;
  std::optional<std::int64_t> deadline_ns;
  std::function<void(RequestId)> gone;
  std::vector<ScheduledRun*> runs;  // that have not ended
};

// What has come of a prompt that is not complete. Messages change it at once; the run follows
// before the next step (Scheduler::ObeyStreams).
struct StreamedPrompt {
  std::vector<std::int32_t> tokens;
  std::int64_t common = 0;   // of the run's tokens, those that are still the prompt's first
  bool finished = false;     // nothing more will come
  bool changed = false;      // the run has not followed yet
  std::int64_t last_ns = 0;  // when something came last
  std::int64_t reached = 0;  // of the run's tokens, the most that were computed at any time
};

// Waits while it has no sequence, runs while it has one.
struct ScheduledRun {
  ScheduledRequest* request = nullptr;
  std::unique_ptr<TokenChooser> chooser;
  OrderKey key;
  std::int64_t since_ns = 0;         // what its key counts from: its arrival, or its last piece's
  std::vector<std::int32_t> tokens;  // the prompt and what was chosen; the sequence holds the first
  std::optional<Sequence> sequence;
  std::int64_t published_tiles = 0;
  bool started = false;                    // had a sequence once
  bool queued = false;                     // in the waiting queue
  std::unique_ptr<StreamedPrompt> stream;  // while its prompt is not complete
  kv::SwappedTiles swapped;                // that it had when it last gave way, while it waits
  std::int64_t given_up = 0;               // positions that it had when it last gave way
  // The request's other choices: they share the prompt, which this run computes for all.
  std::vector<std::unique_ptr<TokenChooser>> siblings;

  Guesser from_text{.rate = {}, .purse = {4, 32}};
  Guesser expected{.rate = {}, .purse = {4, 32}};  // what the answer must say
  std::vector<std::int32_t> guess;  // what may come next, whether it is proposed or not
  bool guess_expected = false;      // by `expected`

  // In the step that is being made.
  std::vector<std::int32_t> rows;
  std::size_t proposed = 0;  // of rows, those of the guess
  bool right = false;        // all rows so far are what was chosen
  int won = 0;               // proposals that were
  std::optional<Ended> ended;
  std::size_t prompt_size = 0;  // tokens that the siblings share
  std::vector<std::optional<std::int32_t>> sibling_tokens;

  std::int64_t size() const { return sequence ? sequence->size() : 0; }
  // Tokens that may be computed now. Of a prompt that is not complete the last one is held back:
  // its logits are wanted when it turns out to be the last of all, and then nothing that was
  // computed (and whose window may be gone) has to be computed again for them.
  std::int64_t pending() const {
    const std::int64_t held_back = stream != nullptr && !tokens.empty() ? 1 : 0;
    return static_cast<std::int64_t>(tokens.size()) - held_back - size();
  }
  // Its next row decides a token.
  bool answering() const { return stream == nullptr && pending() == 1; }
  bool prefilling() const { return pending() > (stream == nullptr ? 1 : 0); }
};

}  // namespace cairn::engine
