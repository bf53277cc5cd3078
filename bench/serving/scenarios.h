// SPDX-License-Identifier: Apache-2.0
// What a trace does not single out: each scenario asks one question of the scheduler over a real
// engine. Threads: one; nothing else may use the engine. Errors: those of the requests.
#pragma once

#include <boost/json/object.hpp>
#include <span>

#include "base/error.h"
#include "engine/engine.h"
#include "trace.h"

namespace cairn::bench {

// `sequences` greedy answers without proposals, `tokens` steps of all after prompts of `depth`:
// what `cairn bench -b` measures without the scheduler.
[[nodiscard]] Result<boost::json::object> MeasureDecode(engine::Engine& engine, int sequences,
                                                        std::int64_t depth, std::int64_t tokens);

// The scheduler's share of the time of 400 steps, with 32 that run and `waiting` that wait.
[[nodiscard]] Result<boost::json::object> MeasureWaiting(engine::Engine& engine, int waiting);

// Prompts of `tokens` alone: the time to the first token cold and found whole in the cache, and
// that of a step after it. Medians of five.
[[nodiscard]] Result<boost::json::object> MeasureHit(engine::Engine& engine, std::int64_t tokens);

// Eight answers, by turns alone and while prompts of `tokens` come one after the other: time
// between their pieces.
[[nodiscard]] Result<boost::json::object> MeasurePace(engine::Engine& engine, std::int64_t tokens);

// The trace greedily, 32 clients: after each step the pool against its budget; what the process
// holds more than at the beginning against what the pool says it holds more.
[[nodiscard]] Result<boost::json::object> MeasureMemory(engine::Engine& engine,
                                                        std::span<const TraceRequest> trace);

}  // namespace cairn::bench
