// SPDX-License-Identifier: Apache-2.0
// The speed of decoding. Threads: one at a time.
#pragma once

#include "base/error.h"
#include "engine/engine.h"

namespace cairn::bench {

// Tokens per second of `sequences` that decode together from a depth of 128, `steps` steps long.
// Errors: what a step fails with.
[[nodiscard]] Result<double> DecodeSpeed(engine::Engine& engine, int sequences, int steps);

}  // namespace cairn::bench
