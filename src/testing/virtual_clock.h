// SPDX-License-Identifier: Apache-2.0
// A clock that stands still until a test moves it.
// Threads: any thread may read and advance.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/clock.h"

namespace cairn::testing {

class VirtualClock : public Clock {
 public:
  explicit VirtualClock(std::int64_t start_ns = 0) : now_ns_(start_ns) {}
  std::int64_t NowNs() const override { return now_ns_.load(); }
  void AdvanceNs(std::int64_t ns) { now_ns_ += ns; }

 private:
  std::atomic<std::int64_t> now_ns_;
};

}  // namespace cairn::testing
