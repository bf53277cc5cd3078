// SPDX-License-Identifier: Apache-2.0
// Short ways to engines and logits, for tests. Failures to make what a test needs are CAIRN_CHECKs.
// Threads: as the engine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "testing/tiny_models.h"

namespace cairn::testing {

using LogitRows = std::vector<std::vector<float>>;

// Names of the fixtures NAME.json in a folder, in order.
std::vector<std::string> FixturesIn(const std::filesystem::path& folder);

std::unique_ptr<engine::Engine> MakeEngine(const std::shared_ptr<const model::Model>& model,
                                           const engine::EngineOptions& options = {.threads = 2});
engine::Sequence MakeSequence(engine::Engine& engine);

// Logits of the last `sampled` (-1: all) tokens, appended to `sequence`.
LogitRows Append(engine::Engine& engine, engine::Sequence& sequence,
                 std::span<const std::int32_t> tokens, std::int64_t sampled = -1);
// The same on a new sequence.
LogitRows LogitsOf(engine::Engine& engine, std::span<const std::int32_t> tokens);

// Those from a row on.
LogitRows Rows(const LogitRows& all, std::int64_t from);

// Leaves other keys and values in the engine's free memory, so that a position that is read and was
// not written shows. Without it a test may find there what the same text left before.
void SoilKv(engine::Engine& engine);

// Equal to the bit; not-a-number equals itself.
bool SameBytes(const LogitRows& a, const LogitRows& b);

}  // namespace cairn::testing
