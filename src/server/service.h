// SPDX-License-Identifier: Apache-2.0
// A whole server: event loop, engine loop, models and routes, from start to end.
//
// Threads: Run is the event loop. Stop, Reload and port are for other threads (tests) and for Run's
//   own callbacks; signals are the caller's matter (apps/serve.cc hands them in).
// Owns: everything below it.
// Test: tests/e2e/test_serve.py.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "http/server.h"
#include "server/api.h"
#include "server/batches.h"
#include "server/file_store.h"
#include "server/front.h"
#include "server/keys.h"
#include "server/models.h"
#include "server/options.h"

namespace cairn::server {

class Service {
 public:
  // `eager`: the first model is loaded at once and stays. `log` may be empty.
  Service(std::vector<ModelSource> models, std::vector<EmbedderSource> embedders, bool eager,
          const ServerOptions& options, std::function<void(const AccessRecord&)> log);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Before Run. As HttpServer's.
  [[nodiscard]] Result<int> Listen(const std::string& host, int port);
  [[nodiscard]] Result<void> ListenUnix(const std::string& path);
  // Files and batches are kept in that folder, at most `most_bytes` of files. Before Run. Errors:
  // kIo.
  [[nodiscard]] Result<void> KeepFiles(const std::string& folder, std::uint64_t most_bytes);
  // As HttpServer's. Before Run, or on the event loop.
  void SetTls(std::shared_ptr<http::Tls> tls) { http_.SetTls(std::move(tls)); }
  // From now on keys are needed. Before Run, or on the event loop.
  void SetKeys(std::shared_ptr<const Keys> keys) { front_.SetKeys(std::move(keys)); }

  // Serves until a drain is over. `loaded` hears when the first model is there. Errors: of loading
  // it.
  [[nodiscard]] Result<void> Run(std::function<void()> loaded);
  // From any thread: no new requests; those under way have ServerOptions::drain to end. A second
  // call ends them at once.
  void Stop();
  // From any thread: runs on the event loop.
  void Post(std::function<void()> work);
  boost::asio::io_context& loop() { return loop_; }

 private:
  void Drain();
  void End();

  const ServerOptions options_;
  const bool eager_;
  boost::asio::io_context loop_{1};
  bool draining_ = false;
  Result<void> result_;
  Metrics metrics_;
  EngineLoop engines_;
  Models models_;
  Api api_;
  Front front_;
  http::HttpServer http_;
  boost::asio::steady_timer drain_timer_;
  SystemFiles disk_;
  std::unique_ptr<FileStore> files_;
  std::unique_ptr<Batches> batches_;
  Embedders embedders_;  // last: its jobs use the rest
};

}  // namespace cairn::server
