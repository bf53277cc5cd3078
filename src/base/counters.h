// SPDX-License-Identifier: Apache-2.0
// Named counters and gauges. A part of the program is handed a Counters, keeps references to those
// it moves, and never looks names up while it works.
//
// Threads: Counter and Gauge from any thread, a few nanoseconds each; registering and reading take
//   a lock. A reader sees each value whole, not all values of one moment.
// Owns: its counters and gauges; references live as long as the Counters.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {

// Only grows.
class Counter {
 public:
  // Relaxed: a count orders nothing else; it pairs with no other access.
  void Add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Goes up and down.
class Gauge {
 public:
  // Relaxed, as Counter.
  void Set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
  void Add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

class Counters {
 public:
  struct Reading {
    std::string name, help;
    bool is_counter;
    std::int64_t value;  // a counter above 2^63 - 1 shows as that
  };

  Counters() = default;
  Counters(const Counters&) = delete;
  Counters& operator=(const Counters&) = delete;

  // The counter or gauge of that name, made at the first call. `name` is lower-case letters,
  // digits and '_', unit last ("kv_resident_bytes", "tokens_total"); `help` one sentence, the first
  // call's counts. A name of the other kind or with other characters is our own bug (CAIRN_CHECK).
  Counter& AddCounter(std::string_view name, std::string_view help);
  Gauge& AddGauge(std::string_view name, std::string_view help);

  // All of them, by name.
  std::vector<Reading> Read() const;

 private:
  struct Entry {
    std::string name, help;
    bool is_counter;
    Counter counter;
    Gauge gauge;
  };

  Entry& Find(std::string_view name, std::string_view help, bool is_counter);

  mutable std::mutex mutex_;
  std::deque<Entry> entries_;  // guarded by mutex_; a deque, so that references stay
};

}  // namespace cairn
