// SPDX-License-Identifier: Apache-2.0
// What `cairn serve` can be told, beside what its models are.
// Threads: plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/scheduler.h"
#include "http/limits.h"

namespace cairn::server {

// A model that can be served.
struct ModelSource {
  std::string id;         // how requests and responses name it
  std::string path;       // of its file, for what is told of models that are not loaded
  std::size_t bytes = 0;  // that it takes once loaded: weights and KV memory
  // Loads it; on a thread of its own, once for each time that it is needed.
  std::function<Result<std::unique_ptr<engine::Engine>>()> open;
  std::string chat_template;  // a template's text, in place of the model's own; empty: that
};

struct ServerOptions {
  http::HttpLimits http;
  engine::SchedulerOptions scheduler;  // of each model
  // Models that nobody has used for so long are unloaded, those of the command line's first
  // excepted.
  std::chrono::seconds idle_unload{900};
  // What loaded models may take together; 0: what there is. One that does not fit beside the others
  // has those unloaded that nobody uses, the one that was used longest ago first.
  std::size_t memory = 0;
  // Of stored responses, in memory (response_store.h); 0: none is.
  std::size_t responses_bytes = std::size_t{64} << 20;
  // A request that has no whole answer after so long fails.
  std::chrono::seconds request{600};
  // What answers get to finish once the server is told to end.
  std::chrono::seconds drain{30};
  // Names that a request's Host may have, beside localhost and addresses of this machine's
  // loopback;
  // "*": any. They keep a page of another site from reaching a server in its reader's network
  // through a name of its own.
  std::vector<std::string> hosts;
  std::vector<std::string> origins;  // of pages of other sites that may use the API; "*": any
};

}  // namespace cairn::server
