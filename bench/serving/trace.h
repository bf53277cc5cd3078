// SPDX-License-Identifier: Apache-2.0
// A serving trace: what both sides are asked, token by token (trace.py makes it).
// Threads: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"

namespace cairn::bench {

struct TraceRequest {
  std::vector<std::int32_t> prompt;
  std::int64_t answer = 0;  // tokens, whatever the model says
  // Between this request and the one before where arrivals are random: of a Poisson process with
  // one arrival in a unit of time.
  double gap = 0;
};

// Errors: kIo, kCorrupt (not what trace.py writes).
[[nodiscard]] Result<std::vector<TraceRequest>> ReadTrace(const std::string& path);

// Ordinary ids, the same for the same seed.
std::vector<std::int32_t> SomeTokens(std::int64_t count, int vocabulary, std::uint64_t seed);

}  // namespace cairn::bench
