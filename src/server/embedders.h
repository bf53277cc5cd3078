// SPDX-License-Identifier: Apache-2.0
// The models of a server that make embeddings or scores: loaded when somebody asks for them,
// unloaded when nobody does any more.
//
// One thread runs them all. It takes what has come meanwhile, so that texts of many small requests
// share a step.
// Threads: Submit and the readers from any thread; jobs are called on the embedding thread, never
//   two at the same time.
// Owns: the thread and the embedders.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/error.h"
#include "engine/embedder.h"

namespace cairn::server {

struct EmbedderSource {
  std::string id;  // how requests and responses name it
  // Loads it; on the embedding thread, once for each time that it is needed.
  std::function<Result<std::unique_ptr<engine::Embedder>>()> open;
};

// A request on its way.
class EmbedJob {
 public:
  virtual ~EmbedJob() = default;
  // Nobody waits for it any more: it is dropped without Done.
  virtual bool Gone() const = 0;
  // What is to be embedded.
  [[nodiscard]] virtual Result<std::vector<engine::EmbedInput>> Inputs(
      const engine::Embedder& embedder) = 0;
  // A row of one of them, valid during the call. After an Error rows of earlier calls mean nothing.
  virtual void Row(const engine::Embedder& embedder, int input, std::span<const float> values) = 0;
  // The last call.
  virtual void Done(const Result<void>& result) = 0;
};

class Embedders {
 public:
  static constexpr std::size_t kMostWaiting = 256;  // jobs

  // A model that nobody has used for `idle_unload` is given back.
  Embedders(std::vector<EmbedderSource> sources, std::chrono::seconds idle_unload);
  ~Embedders();  // jobs that are left are dropped
  Embedders(const Embedders&) = delete;
  Embedders& operator=(const Embedders&) = delete;

  const std::vector<EmbedderSource>& sources() const { return sources_; }
  bool Known(std::string_view name) const { return IndexOf(name) < sources_.size(); }
  std::string ListOfNames() const;

  // For the model of that name; empty: the first. Errors: kNotFound, which lists those there are;
  // kBusy. The rest is told to the job.
  [[nodiscard]] Result<void> Submit(std::string_view name, std::shared_ptr<EmbedJob> job);

 private:
  using Jobs = std::vector<std::shared_ptr<EmbedJob>>;
  struct Entry {
    std::unique_ptr<engine::Embedder> embedder;  // the embedding thread's own
    Jobs waiting;                                // guarded by mutex_
    std::chrono::steady_clock::time_point used;  // the embedding thread's own
  };

  std::size_t IndexOf(std::string_view name) const;
  void Work(std::stop_token stop);
  void Serve(std::size_t index, Jobs jobs, std::stop_token stop);
  void UnloadIdle();

  const std::vector<EmbedderSource> sources_;
  const std::chrono::seconds idle_unload_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::size_t waiting_ = 0;     // guarded by mutex_
  std::vector<Entry> entries_;  // of sources_, in their order
  std::jthread thread_;         // last: it uses the rest
};

}  // namespace cairn::server
