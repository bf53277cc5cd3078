// SPDX-License-Identifier: Apache-2.0
// What functions of the user threw inside a bulk operation.
//
// Nothing in this room throws on its own account: where memory or a thread cannot be had, a Result
// says so. Functions, comparisons and constructors that a user hands in may throw. Then no further
// chunk is begun, all workers are waited for (they hold references into the caller's frame), and
// the operation throws: a std::bad_alloc as itself if there was one, otherwise one ExceptionList,
// also for a single exception and also on the sequential policy, so that nobody's handler depends
// on the policy. Threads: Failures takes from all workers at once; throwing is for the calling
// thread, after them.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

namespace cairn::parallel {

class ExceptionList : public std::exception {
 public:
  explicit ExceptionList(std::vector<std::exception_ptr> exceptions)
      : exceptions_(std::move(exceptions)) {}  // NOLINT(bugprone-throw-keyword-missing): a member
  const char* what() const noexcept override { return "exceptions in a parallel operation"; }
  // In the order of the elements whose chunks threw: at least one, at most one per chunk.
  const std::vector<std::exception_ptr>& exceptions() const { return exceptions_; }

 private:
  std::vector<std::exception_ptr> exceptions_;
};

class Failures {
 public:
  // Calls f; what it throws is kept. `at` is where its chunk begins.
  template <typename F>
  void Guard(std::int64_t at, F&& f) noexcept {
    try {
      f();
    } catch (...) {
      Add(at, std::current_exception());
    }
  }

  // Whether something was thrown, by anyone: a hint to stop early.
  // Relaxed: the exceptions themselves are read after all workers are done.
  bool any() const { return any_.load(std::memory_order_relaxed); }

  // After all workers are done. Returns when nothing was thrown.
  void Throw();

 private:
  void Add(std::int64_t at, std::exception_ptr exception) noexcept;

  std::mutex mutex_;
  std::atomic<bool> any_{false};
  bool out_of_memory_ = false;  // the list itself could not grow
  std::vector<std::pair<std::int64_t, std::exception_ptr>> thrown_;
};

}  // namespace cairn::parallel
