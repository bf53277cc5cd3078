// SPDX-License-Identifier: Apache-2.0
// A line on standard error for each request that a server has answered. It holds who asked for
// which path and what became of it, and nothing of what was said.
// Threads: Write from one thread; it never blocks. A thread of its own writes; where nobody reads,
//   lines beyond kMostLines are left out, and the next line says how many.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "server/front.h"

namespace cairn::apps {

class AccessLog {
 public:
  static constexpr std::size_t kMostLines = 10'000;

  // `form`: "text", "json" or "off".
  AccessLog(std::string form, int descriptor);
  ~AccessLog();
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  void Write(const server::AccessRecord& record);

 private:
  void Run();

  const std::string form_;
  const int descriptor_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::deque<std::string> lines_;
  std::size_t left_out_ = 0;
  bool stopping_ = false;
  std::thread thread_;
};

// The line of a record, with its line break. `seconds`: since 1970.
std::string AccessLine(const server::AccessRecord& record, std::int64_t seconds, bool json);

}  // namespace cairn::apps
