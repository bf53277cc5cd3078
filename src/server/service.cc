// SPDX-License-Identifier: Apache-2.0
#include "server/service.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <new>
#include <utility>

namespace cairn::server {

namespace asio = boost::asio;

Service::Service(std::vector<ModelSource> models, std::vector<EmbedderSource> embedders, bool eager,
                 const ServerOptions& options, std::function<void(const AccessRecord&)> log)
    : options_(options),
      eager_(eager),
      engines_([this](std::function<void()> work) { asio::post(loop_, std::move(work)); }),
      models_(loop_, engines_, std::move(models), options),
      api_{.loop = loop_,
           .engines = engines_,
           .models = models_,
           .embedders = embedders_,
           .metrics = metrics_,
           .options = options_,
           .draining = [this] { return draining_; }},
      front_(api_, AllRoutes(), std::move(log)),
      http_(loop_, front_, options.http),
      drain_timer_(loop_),
      embedders_(std::move(embedders), options.idle_unload) {}

Service::~Service() {
  http_.CloseAll();
  api_.preparing.join();
}

Result<int> Service::Listen(const std::string& host, int port) { return http_.Listen(host, port); }
Result<void> Service::ListenUnix(const std::string& path) { return http_.ListenUnix(path); }

Result<void> Service::KeepFiles(const std::string& folder, std::uint64_t most_bytes) {
  files_ = OR_RETURN(FileStore::Open(disk_, folder, most_bytes));
  batches_ = std::make_unique<Batches>(api_, *files_);
  api_.files = files_.get();
  api_.batches = batches_.get();
  return {};
}

Result<void> Service::Run(std::function<void()> loaded) {
  const auto guard = asio::make_work_guard(loop_);
  models_.Start(eager_, [this, loaded = std::move(loaded)](const Result<void>& result) {
    result_ = result;
    if (result_ && batches_) result_ = batches_->Resume();
    if (result_) return loaded();
    End();
  });
  while (!loop_.stopped()) {
    try {
      loop_.run();
    } catch (const std::bad_alloc&) {
      // What needed the memory is gone with its frame, its connection with it; the others go on.
    }
  }
  return result_;
}

void Service::Post(std::function<void()> work) { asio::post(loop_, std::move(work)); }

void Service::Stop() {
  asio::post(loop_, [this] { Drain(); });
}

void Service::Drain() {
  if (std::exchange(draining_, true)) return End();
  drain_timer_.expires_after(options_.drain);
  drain_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) End();
  });
  http_.Drain([this] { End(); });
}

void Service::End() {
  http_.CloseAll();
  loop_.stop();
}

}  // namespace cairn::server
