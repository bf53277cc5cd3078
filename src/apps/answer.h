// SPDX-License-Identifier: Apache-2.0
// What an answer looks like to people and programs: statistics and JSON.
// Threads: pure functions.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>

#include "engine/answer.h"
#include "engine/engine.h"

namespace cairn::apps {

// Lines for standard error: tokens, seconds and tokens per second of prompt and answer.
std::string Statistics(const engine::Answer& answer, const engine::Engine& engine,
                       std::uint64_t seed);

// {"text", "tokens", "finish_reason", "prompt_tokens", ...}; docs/cli.md names every member.
boost::json::value AnswerJson(const engine::Answer& answer, std::uint64_t seed);

// A sentence where the answer ended because the context is full, else nothing.
std::string CutNotice(const engine::Answer& answer, const engine::Engine& engine);

}  // namespace cairn::apps
