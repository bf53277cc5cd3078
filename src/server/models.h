// SPDX-License-Identifier: Apache-2.0
// The models of a server: loaded when somebody asks for them, unloaded when nobody does any more.
//
// Threads: the event loop's; loading happens on a thread of its own, one model at a time.
// Owns: the loader. The engine loop must outlive it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/engine_loop.h"
#include "server/options.h"
#include "server/prompt.h"

namespace cairn::server {

// A loaded model. Immutable; from any thread.
struct ServedModel {
  std::string id;
  std::int64_t loaded_s = 0;  // seconds since 1970
  std::shared_ptr<HostedEngine> engine;
  ChatFace face;
};

class Models {
 public:
  Models(boost::asio::io_context& loop, EngineLoop& engines, std::vector<ModelSource> sources,
         const ServerOptions& options);
  ~Models();

  // Begins to load the first one, if `eager`; it stays. `loaded` hears once.
  void Start(bool eager, std::function<void(Result<void>)> loaded);
  bool ready() const { return ready_; }

  const std::vector<ModelSource>& sources() const { return sources_; }
  // The model of that name, loaded if it must be; empty: the first. Errors: kNotFound, which lists
  // those there are; kBusy while the server starts, and where memory is full of models in use;
  // kOutOfMemory where it could never be loaded; those of loading.
  using Ready = std::function<void(Result<std::shared_ptr<const ServedModel>>)>;
  void Use(std::string_view name, Ready ready);
  // Those that are loaded.
  std::vector<std::shared_ptr<const ServedModel>> Loaded() const;
  // Null: there is none. A name may have Ollama's tag ":latest" behind it.
  const ModelSource* Find(std::string_view name) const;
  bool Known(std::string_view name) const { return Find(name) != nullptr; }
  // How long a model stays without use from now on, in place of ServerOptions::idle_unload; below
  // 0: for ever; 0: it goes when its answers have ended. The first one that was loaded stays.
  void Keep(std::string_view name, std::chrono::seconds time);
  // When a loaded model that nobody uses goes; nothing: it stays.
  std::optional<std::chrono::system_clock::time_point> UnloadsAt(std::string_view name) const;
  std::string ListOfNames() const;

 private:
  struct Entry {
    std::shared_ptr<const ServedModel> model;
    bool loading = false;
    bool stays = false;
    std::vector<Ready> waiting;
    std::chrono::steady_clock::time_point used;
    std::optional<std::chrono::seconds> keep;  // as Keep's
  };
  // sources_.size(): there is none of that name.
  std::size_t IndexOf(std::string_view name) const;
  std::chrono::seconds IdleTime(const Entry& entry) const;
  bool Idle(const Entry& entry) const;
  void Unload(Entry& entry);
  [[nodiscard]] Result<void> MakeRoom(std::size_t index);
  void Load(std::size_t index);
  void Loaded(std::size_t index, Result<std::shared_ptr<const ServedModel>> model);
  void UnloadIdle();

  boost::asio::io_context& loop_;
  EngineLoop& engines_;
  const std::vector<ModelSource> sources_;
  const ServerOptions options_;
  std::vector<Entry> entries_;  // of sources_, in their order
  bool ready_ = false;
  boost::asio::steady_timer timer_;
  boost::asio::thread_pool loader_{1};
};

}  // namespace cairn::server
