// SPDX-License-Identifier: Apache-2.0
// What an answer looks like to people and programs: statistics and JSON.
// Threads: pure functions.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>

#include "engine/answer.h"
#include "engine/engine.h"
#include "engine/scheduler.h"

namespace cairn::apps {

// Lines for standard error: tokens, seconds and tokens per second of prompt and answer.
std::string Statistics(const engine::Answer& answer, const engine::Engine& engine,
                       std::uint64_t seed);

// Lines about what was proposed since the scheduler began, and the draft model's KV memory; nothing
// where nothing was guessed. `draft` may be null.
std::string ProposalStatistics(const engine::SchedulerCounters& counters, engine::Draft* draft);

// A line about the KV memory, its tiles and the prefix cache now; docs/kv.md says what each is.
std::string MemoryStatistics(engine::Engine& engine, const engine::Scheduler& scheduler);

// {"text", "tokens", "finish_reason", "prompt_tokens", ...}; docs/cli.md names every member.
boost::json::value AnswerJson(const engine::Answer& answer, std::uint64_t seed);

// A sentence where the answer ended because the context is full, else nothing.
std::string CutNotice(const engine::Answer& answer, const engine::Engine& engine);

}  // namespace cairn::apps
