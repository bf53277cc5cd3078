// SPDX-License-Identifier: Apache-2.0
// Whether what threads saw of an ordered map has an explanation: an order of all operations, each
// somewhere between its call and its return, in which a plain std::map gives the same answers.
//
// The search of Wing and Gong ("Testing and verifying concurrent objects", 1993): choose any
// operation that may be next, go on, step back where it cannot be; with the memory of Lowe (2017),
// so that a set of done operations is tried once per state it leaves. Meant for histories of some
// dozens of operations, at most 64.
// Threads: the checker is for one thread; HistoryClock is for all.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/check.h"

namespace cairn::testing {

struct MapOperation {
  enum class Kind { kFind, kInsert, kInsertIfAbsent, kErase, kLowerBound };
  Kind kind;
  std::uint64_t key = 0;
  std::uint64_t value = 0;  // what is inserted
  // What came back: whether a key was new, was there or was found; for kFind the value, for
  // kLowerBound key and value.
  bool yes = false;
  std::uint64_t found_key = 0;
  std::uint64_t found_value = 0;
  std::int64_t called = 0, returned = 0;  // of one HistoryClock
};

// Moments of calls and returns: one order that all threads agree on.
class HistoryClock {
 public:
  std::int64_t Tick() { return next_.fetch_add(1, std::memory_order_seq_cst); }

 private:
  std::atomic<std::int64_t> next_{0};
};

class LinearizabilityChecker {
 public:
  using State = std::map<std::uint64_t, std::uint64_t>;

  // Whether `history` of a map that began as `state` can be explained.
  static bool Explains(const std::vector<MapOperation>& history, State state = {}) {
    CAIRN_CHECK(history.size() <= 64);
    LinearizabilityChecker checker(history);
    return checker.Search(0, state);
  }

 private:
  explicit LinearizabilityChecker(const std::vector<MapOperation>& history) : history_(history) {}

  bool Search(std::uint64_t done, const State& state) {
    const std::uint64_t all =
        history_.size() == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << history_.size()) - 1;
    if (done == all) return true;
    if (!tried_.insert({done, state}).second) return false;
    std::int64_t first_return = INT64_MAX;
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if ((done >> i & 1) == 0) first_return = std::min(first_return, history_[i].returned);
    }
    for (std::size_t i = 0; i < history_.size(); ++i) {
      // Who was called after another had returned comes after it.
      if ((done >> i & 1) != 0 || history_[i].called > first_return) continue;
      State after = state;
      if (Apply(history_[i], after) && Search(done | std::uint64_t{1} << i, after)) return true;
    }
    return false;
  }

  // Whether a map in `state` gives the operation's answer; changes it as the operation does.
  static bool Apply(const MapOperation& operation, State& state) {
    using Kind = MapOperation::Kind;
    const auto at = state.find(operation.key);
    const bool there = at != state.end();
    switch (operation.kind) {
      case Kind::kFind:
        return operation.yes == there && (!there || operation.found_value == at->second);
      case Kind::kInsert: state[operation.key] = operation.value; return operation.yes == !there;
      case Kind::kInsertIfAbsent:
        state.emplace(operation.key, operation.value);
        return operation.yes == !there;
      case Kind::kErase: state.erase(operation.key); return operation.yes == there;
      case Kind::kLowerBound: {
        const auto bound = state.lower_bound(operation.key);
        if (bound == state.end()) return !operation.yes;
        return operation.yes && operation.found_key == bound->first &&
               operation.found_value == bound->second;
      }
    }
    return false;
  }

  const std::vector<MapOperation>& history_;
  std::set<std::pair<std::uint64_t, State>> tried_;
};

}  // namespace cairn::testing
