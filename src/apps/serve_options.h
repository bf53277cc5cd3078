// SPDX-License-Identifier: Apache-2.0
// What `cairn serve` can be told.
// Threads: the main thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "apps/serve_tls.h"
#include "base/error.h"
#include "kernels/kernels.h"
#include "kv/pool.h"
#include "server/options.h"

namespace CLI {
class App;
}

namespace cairn::apps {

struct ServeOptions {
  std::vector<std::string> models;
  std::string config;
  std::string host = "127.0.0.1";
  int port = 8080;
  std::string unix_socket;
  TlsFiles tls;
  std::string key_file;
  bool no_key = false;
  int parallel = 8;
  std::int64_t queue = 256;
  std::string chat_template;
  std::int64_t context = 0;
  int threads = 0;
  kernels::KvFormat kv = kernels::KvFormat::kF16;
  std::size_t kv_memory = 0;
  std::size_t memory = 0;
  kv::KvBackend kv_backend = kv::KvBackend::kArena;
  bool propose = true;
  bool pinned = false;
  std::string log = "text";
  std::string files;
  std::size_t files_size = std::size_t{1} << 30;
  std::int64_t header_seconds = 10, body_seconds = 60, idle_seconds = 75, write_seconds = 30;
  std::int64_t request_seconds = 600, drain_seconds = 30, unload_seconds = 900;
  server::ServerOptions server;
};

// The options of the command; what they fill must outlive it.
void AddServeOptions(CLI::App& command, ServeOptions& o);

// Errors: kInvalidArgument where other machines would be let in without a word about it.
[[nodiscard]] Result<void> CheckExposure(const ServeOptions& o);
server::ServerOptions ServerOptionsOf(const ServeOptions& o);

}  // namespace cairn::apps
