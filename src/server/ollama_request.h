// SPDX-License-Identifier: Apache-2.0
// The bodies of Ollama's /api/chat and /api/generate.
//
// `options` has the samplers, in our ranges; those of them that say how a model is run (num_ctx,
// num_gpu, ...) are the server's matter and ignored, as unknown members are.
// Threads: pure functions.
// Test: dialect_requests_test.cc, tests/fuzz/openai_fuzz.cc.
#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <variant>

#include "base/error.h"
#include "server/question.h"

namespace cairn::server {

struct OllamaRequest {
  Question question;
  std::string model;  // as the body has it: answers name it so
  bool stream = true;
  bool separate_thoughts = true;
  bool empty = false;  // asks for no answer: loads the model, or unloads it
  // How long the model stays without use; below 0: for ever.
  std::optional<std::chrono::seconds> keep_alive;
};

[[nodiscard]] Result<OllamaRequest> ReadOllamaChat(const boost::json::value& body);
[[nodiscard]] Result<OllamaRequest> ReadOllamaGenerate(const boost::json::value& body);

// "10m", "1h30m", 300, -1. Errors: kInvalidArgument.
[[nodiscard]] Result<std::chrono::seconds> ReadKeepAlive(const boost::json::value& value);

}  // namespace cairn::server
