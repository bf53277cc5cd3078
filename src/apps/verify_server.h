// SPDX-License-Identifier: Apache-2.0
// Answers that a running server makes, for `cairn verify --url`.
// Threads: called by one; it asks with one thread for each connection.
#pragma once

#include <cstdint>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "apps/server_client.h"
#include "base/error.h"
#include "engine/verify.h"

namespace cairn::apps {

// How a server is asked.
struct ServerWay {
  std::string name;
  int at_once = 1;      // requests under way
  bool cached = false;  // prompts may be found in the server's cache
};
std::span<const ServerWay> AllServerWays();

// The tokens of every prompt's answer. `model`: the server's name for it; empty: its first. Errors:
// those of ServerClient; kCancelled.
[[nodiscard]] Result<std::vector<std::vector<std::int32_t>>> AnswersOfServer(
    const ServerAddress& address, const std::string& model, const ServerWay& way,
    const std::vector<engine::VerifyPrompt>& prompts, std::int64_t max_tokens,
    const std::stop_token& stop);

}  // namespace cairn::apps
