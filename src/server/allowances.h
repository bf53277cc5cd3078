// SPDX-License-Identifier: Apache-2.0
// What one key's holder may take of the server: answers and tokens a minute, answers at a time.
//
// Answers and tokens are counted by buckets that fill evenly and hold one minute's worth: a pause
// gives a burst, never more. Tokens are known when an answer ends, so a bucket may go below zero;
// nothing begins until it is filled again.
// Threads: the event loop's. Cost: a look-up in a map; one entry for each key that was used.
// Test: allowances_test.cc.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/error.h"
#include "server/keys.h"

namespace cairn::server {

class Allowances {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // An answer that is under way: its place is free again when the object goes, on any thread, also
  // after the Allowances.
  class Place {
   public:
    explicit Place(std::shared_ptr<std::atomic<std::int64_t>> running)
        : running_(std::move(running)) {
      ++*running_;
    }
    ~Place() { --*running_; }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    std::shared_ptr<std::atomic<std::int64_t>> running_;
  };

  // Errors: kBusy, saying which limit is reached; `wait` then has the seconds after which it may
  // work. Limits of 0 are none.
  [[nodiscard]] Result<std::shared_ptr<Place>> Begin(const std::string& holder,
                                                     const KeyLimits& limits, Time now,
                                                     std::int64_t& wait_s);
  // Tokens of a prompt that were computed and of its answers.
  void Spend(const std::string& holder, const KeyLimits& limits, std::int64_t tokens, Time now);

 private:
  // Filled up to `limit` a minute.
  struct Bucket {
    double left = 0;
    Time since;
    bool used = false;
    void Fill(std::int64_t limit, Time now);
    std::int64_t SecondsTo(double wanted, std::int64_t limit) const;
  };
  struct Taken {
    Bucket requests, tokens;
    std::shared_ptr<std::atomic<std::int64_t>> running =
        std::make_shared<std::atomic<std::int64_t>>(0);
  };
  std::map<std::string, Taken> taken_;
};

}  // namespace cairn::server
