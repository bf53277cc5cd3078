// SPDX-License-Identifier: Apache-2.0
// What the measured cases of `cairn bench` ask of the machine: operations and bytes by the
// program's own figures, to be held against the peaks measured in the same run. Threads: pure
// functions of an engine that does not change meanwhile.
#pragma once

#include <cstdint>

#include "engine/engine.h"

namespace cairn::apps {

// Operations of the matmuls that every token of a prefill needs; those of sampled rows are left
// out.
double OperationsPerToken(const program::Program& program);

// Bytes of keys and values that a step of one token per sequence reads and writes, in the engine's
// format and within each layer's window; mean over the `tokens` steps after `depth` tokens. Cost:
// layers times tokens.
double KvBytesPerStep(const engine::Engine& engine, std::int64_t depth, std::int64_t tokens);

}  // namespace cairn::apps
