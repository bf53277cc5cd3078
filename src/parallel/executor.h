// SPDX-License-Identifier: Apache-2.0
// The block executor: runs ranges of work on an ordered list of targets.
//
// One worker team, and a map of its workers to the targets: worker j of a target sits on unit j of
// it. Of n elements target i of k gets [i * n / k, (i + 1) * n / k), whatever the chunker; the
// chunker (chunking.h) cuts that share among the target's own workers. Nobody takes work of another
// target. An allocator over the same executor touches pages by the same rule.
// A bulk operation inside a bulk operation, of this or another executor, runs inline on the worker
// that meets it: workers that waited for each other's regions would wait for ever.
//
// Threads: Bulk is called by one thread at a time, and not from inside a job of a borrowed team.
//   Async and the const members may be called from any thread.
// Owns: its team, unless it borrows one, which must outlive it. A pinned executor keeps the thread
//   that created it on the first unit of the first target, and gives it its old units back when
//   it is destroyed on that thread; other threads that call Bulk are not pinned. Threads that a
//   pinned thread starts begin on its unit: create executors before them, or pin them too.
// Errors: exceptions of the body, see failures.h.
// Cost: a Bulk is one Run of the team (team.h) and allocates nothing. Sheet: 07, section 4.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "parallel/chunking.h"
#include "parallel/failures.h"
#include "parallel/target.h"
#include "parallel/team.h"

namespace cairn::parallel {

struct ExecutorOptions {
  // Every worker stays on its unit. Without it the targets are a plan only: for tests of machines
  // that are not there.
  bool pin = true;
};

// The worker of the innermost executor whose bulk operation this thread is working on, -1 outside
// of one.
int CurrentWorker();

class Executor {
 public:
  // A worker for every unit of the targets. Errors: kInvalidArgument for no targets or a unit in
  // two of them, kLimit for more than kMostWorkers units, kUnsupported where the system does not
  // let a worker stay on its unit.
  [[nodiscard]] static Result<std::unique_ptr<Executor>> Create(std::vector<Target> targets,
                                                                ExecutorOptions options = {});

  // Borrows a team: target i of k gets workers [i * size / k, (i + 1) * size / k) of it; of more
  // targets than workers the first `size` are kept. Workers sit where the team put them. Requires
  // at least one target.
  Executor(WorkerTeam& team, std::vector<Target> targets);

  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  const std::vector<Target>& targets() const { return targets_; }
  int workers() const { return team_->size(); }
  int TargetOf(int worker) const { return places_[static_cast<std::size_t>(worker)].target; }

  // Calls body(begin, end, worker) for disjoint chunks that cover [0, n), and returns when all are
  // done. n = 0: nothing is called, nobody is woken. Requires 0 <= n <= kMostElements.
  template <typename Chunker, typename Body>
  void Bulk(std::int64_t n, const Chunker& chunker, Body&& body);

  // Calls f on the calling thread; it throws as Bulk does.
  template <typename F>
  void Once(const F& f) {
    Failures failures;
    failures.Guard(0, f);
    failures.Throw();
  }

  // What a body uses in place of `it`: the same, since workers reach all memory of the process.
  template <typename It>
  static It Local(It it) {
    return it;
  }

  // Runs f on a thread of its own on the next target in turn (round robin), pinned to all units of
  // it where this executor pins. The future's destructor waits. For single tasks that are worth a
  // thread. Errors: kLimit where the system has no thread left.
  template <typename F>
  [[nodiscard]] Result<std::future<std::invoke_result_t<F>>> Async(F f);
  // The target that the next Async takes.
  int NextTarget() const { return static_cast<int>(turn_.load() % targets_.size()); }

 private:
  struct Place {
    int target;
    int index;    // among the workers of its target
    int workers;  // of its target
  };
  // Where the claims of a target's workers stand. Alone in its cache line.
  struct alignas(64) Cursor {
    std::atomic<std::int64_t> next{0};
  };
  struct Share {
    std::int64_t begin, end;
  };

  Executor(std::vector<Target> targets, std::unique_ptr<WorkerTeam> owned);
  [[nodiscard]] Result<void> Pin();
  Share ShareOf(int target, std::int64_t n, std::int64_t skip) const;

  // Bulk over [skip, n) of [0, n).
  template <typename Chunker, typename Body>
  void BulkFrom(std::int64_t skip, std::int64_t n, const Chunker& chunker, Body& body,
                Failures& failures);
  template <typename Chunker, typename Body>
  void Work(int worker, std::int64_t skip, std::int64_t n, const Chunker& chunker, Body& body,
            Failures& failures);
  template <typename Body>
  static void WorkStatic(Share share, const Place& place, std::int64_t size, Body& run,
                         const Failures& failures);
  template <typename Chunker, typename Body>
  static void WorkClaiming(std::int64_t end, std::int64_t least, int workers, Cursor& cursor,
                           const Chunker& chunker, Body& run, const Failures& failures);

  std::vector<Target> targets_;
  std::unique_ptr<WorkerTeam> owned_;
  WorkerTeam* team_;
  std::vector<Place> places_;    // by worker
  std::vector<Cursor> cursors_;  // by target
  std::atomic<std::uint64_t> turn_{0};
  bool pinned_ = false;
  int pinned_thread_ = 0;  // the system's number of the thread that is worker 0
  cpu_set_t old_units_{};  // its units before
};

// --- implementation ---------------------------------------------------------------------------

namespace internal {

inline thread_local constinit int current_worker = -1;

// Says which worker this thread is, while it lives.
class WorkerScope {
 public:
  explicit WorkerScope(int worker) : before_(std::exchange(current_worker, worker)) {}
  ~WorkerScope() { current_worker = before_; }
  WorkerScope(const WorkerScope&) = delete;
  WorkerScope& operator=(const WorkerScope&) = delete;

 private:
  const int before_;
};

// Restricts the calling thread; false where the system does not allow it.
bool StayOn(const std::vector<int>& cpus);

}  // namespace internal

inline int CurrentWorker() { return internal::current_worker; }

inline Executor::Share Executor::ShareOf(int target, std::int64_t n, std::int64_t skip) const {
  const auto parts = static_cast<std::int64_t>(targets_.size());
  const std::int64_t end = SplitPoint(n, parts, target + 1);
  return {std::min(std::max(SplitPoint(n, parts, target), skip), end), end};
}

template <typename Chunker, typename Body>
void Executor::Bulk(std::int64_t n, const Chunker& chunker, Body&& body) {
  CAIRN_CHECK(n >= 0 && n <= kMostElements);
  if (n == 0) return;
  Failures failures;
  if (workers() == 1 || CurrentWorker() >= 0) {
    const internal::WorkerScope scope(std::max(CurrentWorker(), 0));
    failures.Guard(0, [&] { body(std::int64_t{0}, n, 0); });
  } else if constexpr (std::is_same_v<Chunker, AutoChunk>) {
    const std::int64_t first = n > 100 * workers() ? n / 100 : 0;
    if (first == 0) {
      BulkFrom(0, n, StaticChunk{}, body, failures);
    } else {
      const SystemClock system;
      const Clock& clock = chunker.clock != nullptr ? *chunker.clock : system;
      const std::int64_t start = clock.NowNs();
      {
        const internal::WorkerScope scope(0);
        failures.Guard(0, [&] { body(std::int64_t{0}, first, 0); });
      }
      const DynamicChunk found{chunker.SizeFor(first, clock.NowNs() - start, n)};
      if (!failures.any()) BulkFrom(first, n, found, body, failures);
    }
  } else {
    BulkFrom(0, n, chunker, body, failures);
  }
  failures.Throw();
}

template <typename Chunker, typename Body>
void Executor::BulkFrom(std::int64_t skip, std::int64_t n, const Chunker& chunker, Body& body,
                        Failures& failures) {
  if constexpr (!std::is_same_v<Chunker, StaticChunk>) {
    for (std::size_t t = 0; t < targets_.size(); ++t) {
      // Relaxed: starting the job publishes it.
      cursors_[t].next.store(ShareOf(static_cast<int>(t), n, skip).begin,
                             std::memory_order_relaxed);
    }
  }
  // The job captures one reference: no memory is taken for it.
  auto work = [&](int worker) { Work(worker, skip, n, chunker, body, failures); };
  team_->Run([&work](int worker) { work(worker); });
}

template <typename Chunker, typename Body>
void Executor::Work(int worker, std::int64_t skip, std::int64_t n, const Chunker& chunker,
                    Body& body, Failures& failures) {
  const internal::WorkerScope scope(worker);
  const Place& place = places_[static_cast<std::size_t>(worker)];
  const Share share = ShareOf(place.target, n, skip);
  auto run = [&](std::int64_t begin, std::int64_t end) {
    failures.Guard(begin, [&] { body(begin, end, worker); });
  };
  if constexpr (std::is_same_v<Chunker, StaticChunk>) {
    WorkStatic(share, place, chunker.size, run, failures);
  } else {
    WorkClaiming(share.end, LeastChunk(share.end - share.begin), place.workers,
                 cursors_[static_cast<std::size_t>(place.target)], chunker, run, failures);
  }
}

template <typename Body>
void Executor::WorkStatic(Share share, const Place& place, std::int64_t size, Body& run,
                          const Failures& failures) {
  const std::int64_t length = share.end - share.begin;
  if (size <= 0) {
    const std::int64_t begin = share.begin + SplitPoint(length, place.workers, place.index);
    const std::int64_t end = share.begin + SplitPoint(length, place.workers, place.index + 1);
    if (begin < end && !failures.any()) run(begin, end);
    return;
  }
  const std::int64_t chunk = std::min(std::max(size, LeastChunk(length)), length);
  const std::int64_t chunks = length == 0 ? 0 : DivideUp(length, chunk);
  for (std::int64_t c = place.index; c < chunks && !failures.any(); c += place.workers) {
    run(share.begin + c * chunk, std::min(share.begin + (c + 1) * chunk, share.end));
  }
}

template <typename Chunker, typename Body>
void Executor::WorkClaiming(std::int64_t end, std::int64_t least, int workers, Cursor& cursor,
                            const Chunker& chunker, Body& run, const Failures& failures) {
  // Relaxed throughout: a ticket only; the end of the job orders the work itself.
  std::int64_t begin = cursor.next.load(std::memory_order_relaxed);
  while (begin < end && !failures.any()) {
    const std::int64_t left = end - begin;
    const std::int64_t size = std::min(left, std::max(least, chunker.Next(left, workers)));
    if (!cursor.next.compare_exchange_weak(begin, begin + size, std::memory_order_relaxed)) {
      continue;
    }
    run(begin, begin + size);
    begin = cursor.next.load(std::memory_order_relaxed);
  }
}

template <typename F>
Result<std::future<std::invoke_result_t<F>>> Executor::Async(F f) {
  // Relaxed: turns only have to differ.
  const std::uint64_t turn = turn_.fetch_add(1, std::memory_order_relaxed);
  const std::vector<int> cpus =
      pinned_ ? targets_[turn % targets_.size()].cpus() : std::vector<int>();
  try {
    return std::async(std::launch::async, [cpus, f = std::move(f)]() mutable {
      // Best effort: a task in the wrong place is still right.
      if (!cpus.empty()) internal::StayOn(cpus);
      return f();
    });
  } catch (const std::system_error&) {
    return Fail(ErrorCode::kLimit, "the system has no thread left for a task");
  }
}

}  // namespace cairn::parallel
