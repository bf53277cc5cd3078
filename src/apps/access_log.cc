// SPDX-License-Identifier: Apache-2.0
#include "apps/access_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <ctime>
#include <utility>

#include "base/printable.h"

namespace cairn::apps {
namespace {

constexpr std::size_t kMostShown = 200;
constexpr int kLastWordsMs = 1'000;  // for what is left when the server ends

}  // namespace

std::string AccessLine(const server::AccessRecord& r, std::int64_t seconds, bool json) {
  const std::string time =
      fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(seconds)));
  const std::string path = Printable(r.path, kMostShown);
  if (!json) {
    return fmt::format("{} {} {} {} {} {} {:.3f}s{}\n", time, r.peer,
                       r.tenant.empty() ? "-" : r.tenant, Printable(r.method, kMostShown), path,
                       r.outcome.status, r.outcome.seconds, r.outcome.gone ? " gone" : "");
  }
  boost::json::object line{{"time", time},
                           {"id", r.id},
                           {"peer", r.peer},
                           {"method", Printable(r.method, kMostShown)},
                           {"path", path},
                           {"status", r.outcome.status},
                           {"seconds", r.outcome.seconds},
                           {"sent_bytes", r.outcome.sent_bytes},
                           {"gone", r.outcome.gone}};
  if (!r.tenant.empty()) line["key"] = r.tenant;
  if (!r.trace.empty()) line["trace_id"] = r.trace;
  return boost::json::serialize(line) + "\n";
}

AccessLog::AccessLog(std::string form, int descriptor)
    : form_(std::move(form)), descriptor_(descriptor), thread_([this] { Run(); }) {}

AccessLog::~AccessLog() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void AccessLog::Write(const server::AccessRecord& record) {
  if (form_ == "off") return;
  std::string line = AccessLine(record, std::time(nullptr), form_ == "json");
  {
    const std::lock_guard lock(mutex_);
    if (lines_.size() >= kMostLines) {
      ++left_out_;
      return;
    }
    lines_.push_back(std::move(line));
  }
  wake_.notify_all();
}

void AccessLog::Run() {
  while (true) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return !lines_.empty() || stopping_; });
    if (lines_.empty()) return;
    const bool last = stopping_;
    std::string text;
    for (const std::string& line : std::exchange(lines_, {})) text += line;
    if (const std::size_t missing = std::exchange(left_out_, 0); missing > 0) {
      text += fmt::format("cairn: {} lines of the log are missing: nobody read it\n", missing);
    }
    lock.unlock();
    for (std::size_t sent = 0; sent < text.size();) {
      pollfd ready{descriptor_, POLLOUT, 0};
      if (poll(&ready, 1, last ? kLastWordsMs : -1) == 0) return;
      const ssize_t wrote = write(descriptor_, text.data() + sent, text.size() - sent);
      if (wrote < 0 && errno != EINTR && errno != EAGAIN) break;
      if (wrote > 0) sent += static_cast<std::size_t>(wrote);
    }
  }
}

}  // namespace cairn::apps
