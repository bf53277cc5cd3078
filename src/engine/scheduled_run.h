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
  kv::CacheSpace space = 0;
  bool use_cache = true;
  std::optional<std::int64_t> deadline_ns;
  std::function<void(RequestId)> gone;
  std::vector<ScheduledRun*> runs;  // that have not ended
};

// Waits while it has no sequence, runs while it has one.
struct ScheduledRun {
  ScheduledRequest* request = nullptr;
  std::unique_ptr<TokenChooser> chooser;
  OrderKey key;
  std::vector<std::int32_t> tokens;  // the prompt and what was chosen; the sequence holds the first
  std::optional<Sequence> sequence;
  std::int64_t published_tiles = 0;
  bool started = false;  // had a sequence once
  // The request's other choices: they share the prompt, which this run computes for all.
  std::vector<std::unique_ptr<TokenChooser>> siblings;

  AcceptRate accepted;
  std::vector<std::int32_t> guess;  // what the text says comes next, whether it is proposed or not

  // In the step that is being made.
  std::vector<std::int32_t> rows;
  std::size_t proposed = 0;  // of rows, those of the guess
  bool right = false;        // all rows so far are what was chosen
  std::optional<Ended> ended;
  std::size_t prompt_size = 0;  // tokens that the siblings share
  std::vector<std::optional<std::int32_t>> sibling_tokens;

  std::int64_t size() const { return sequence ? sequence->size() : 0; }
  std::int64_t pending() const { return static_cast<std::int64_t>(tokens.size()) - size(); }
};

}  // namespace cairn::engine
