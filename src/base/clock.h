// SPDX-License-Identifier: Apache-2.0
// Time that is handed in, so that tests can hold it (testing/virtual_clock.h).
// Threads: NowNs may be called from any thread.
#pragma once

#include <chrono>
#include <cstdint>

namespace cairn {

class Clock {
 public:
  virtual ~Clock() = default;
  // Nanoseconds since some fixed moment; never goes back, does not follow the wall clock.
  virtual std::int64_t NowNs() const = 0;
};

// The machine's steady clock.
class SystemClock : public Clock {
 public:
  std::int64_t NowNs() const override;
};

// The local time of this machine, for texts that have the date. From any thread.
std::chrono::local_seconds LocalTime();

}  // namespace cairn
