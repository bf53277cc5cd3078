// SPDX-License-Identifier: Apache-2.0
// The members that say how tokens are chosen and where an answer ends, as all dialects name them.
// What is absent stays as it is. Errors of all: kInvalidArgument; kLimit (a list that is too long).
// Threads: pure functions.
// Test: openai_request_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/sampler.h"
#include "server/json_members.h"

namespace cairn::server {

inline constexpr std::size_t kMostStops = 16;
inline constexpr std::size_t kMostStopBytes = 1'024;
inline constexpr std::int64_t kMostAnswerTokens = std::int64_t{1} << 28;

// Most tokens of an answer: at least 1, or -1 for no limit.
[[nodiscard]] Result<void> ReadLimit(const Members& members, const char* name,
                                     std::int64_t& tokens);
// temperature, top_p, min_p, top_k, seed and the penalties.
[[nodiscard]] Result<void> ReadSampling(const Members& members, engine::SamplingOptions& sampling);
// A string, or up to kMostStops.
[[nodiscard]] Result<void> ReadStops(const Members& members, const std::string& name,
                                     std::vector<std::string>& stops);
// logit_bias.
[[nodiscard]] Result<void> ReadBiases(const Members& members,
                                      std::vector<engine::TokenBias>& biases);

}  // namespace cairn::server
