// SPDX-License-Identifier: Apache-2.0
// The worker team: threads that work through one job together.
//
// Two kinds of job. Run calls every worker once; they meet at the barrier as often as they like.
// RunPhases is for work that comes in phases, each a number of units that are claimed one by one: a
// phase is over when its units are done, not when every worker has come. So a worker that lost its
// core to another process holds up the others only while it is inside a unit; where it is late it
// joins the phase that the others are in.
// Threads: Run, RunPhases and ForEach are called by one thread at a time, which becomes worker 0,
//   and not from inside a job. Barrier::Wait is called by every worker of the team the same number
//   of times.
// Owns: its threads; the destructor joins them.
// Cost: between jobs and phases workers spin for microseconds and then sleep (parallel/wait.h); a
//   job wakes sleeping workers by a system call. Without work no processor time is used.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

#include "base/check.h"
#include "parallel/topology.h"
#include "parallel/wait.h"

namespace cairn::parallel {

// Meets `workers` threads again and again.
class Barrier {
 public:
  explicit Barrier(int workers) : workers_(workers) {}
  // Returns when all workers have called it. What a worker wrote before is visible to all after.
  void Wait();

 private:
  const int workers_;
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) WaitWord round_;
  std::atomic<std::int64_t> spin_ns_{SpinTime().ns()};  // learned by all; a lost update is no harm
};

// Where the phases of a job stand.
struct alignas(64) PhaseBoard {
  std::atomic<std::uint64_t> claim{0};  // the phase's number << 32 | its next unit
  std::atomic<std::int64_t> done{0};    // units of the phase
  WaitWord phase;                       // its number, for those who wait for the next
};

// What is claimed of a worker's own range: the number of a phase << 32 | units claimed in it. A
// number of an earlier phase means none. Alone in its cache line, which stays with its worker until
// others help.
struct alignas(64) RangeClaim {
  std::atomic<std::uint64_t> value{0};
};

// What a worker has to do with the current job. Alone in its cache line.
struct alignas(64) WorkerStatus {
  std::atomic<std::uint32_t> value{0};
};

// One worker's way through the phases of a job. Every worker makes the same calls with the same
// counts, in the same order. Units of a phase must not depend on one another. A count that an
// earlier phase has made is safe where it is an atomic: a worker that is so late that it reads
// another finds its phase over. For ShareRanges it must look first (Waiting, after the count).
class PhaseWalk {
 public:
  static constexpr std::int64_t kMostUnits = std::int64_t{1} << 31;

  int worker() const { return worker_; }

  // The next phase: does unit(i) for those i of [0, count) that nobody else claims, and returns
  // when all are done; what they wrote is visible. False: the job is over or cancelled; leave it
  // and touch nothing that belongs to it. Requires 0 <= count <= kMostUnits.
  template <typename F>
  bool Phase(std::int64_t count, F&& unit) {
    Share(count, unit);
    return Meet();
  }
  // The next phase, one unit that worker 0 does.
  template <typename F>
  bool Solo(F&& work) {
    if (worker_ == 0) Share(1, [&](std::int64_t) { work(); });
    return Meet();
  }

  // Phase in its two halves, for those who have something to do while they wait.
  template <typename F>
  void Share(std::int64_t count, F&& unit);
  bool Meet();
  // Share for units that lie behind each other in memory: a worker first does a range of its own in
  // ascending order (OwnRange), so that it reads one stream and prefetches what it will need
  // itself, then helps where units are left.
  template <typename F>
  void ShareRanges(std::int64_t count, F&& unit);
  // Whether the phase that this worker is in is not over.
  bool Waiting() const { return board_.phase.Load() == phase_; }

  struct UnitRange {
    std::int64_t begin, end;
  };
  // Of `count` units, those that are worker `worker`'s own.
  UnitRange RangeOf(int worker, std::int64_t count) const {
    const auto workers = static_cast<std::int64_t>(ranges_.size());
    return {count * worker / workers, count * (worker + 1) / workers};
  }
  UnitRange OwnRange(std::int64_t count) const { return RangeOf(worker_, count); }

 private:
  friend class WorkerTeam;
  PhaseWalk(PhaseBoard& board, std::span<RangeClaim> ranges, WorkerStatus& status, SpinTime& spin,
            int worker, std::uint32_t phase, const std::stop_token& stop)
      : board_(board),
        ranges_(ranges),
        status_(status),
        spin_(spin),
        worker_(worker),
        phase_(phase),
        stop_(stop) {}
  void Advance();
  bool WaitForPhase();
  // The next unit of a worker's range, counted from its begin; `size` or more: there is none.
  std::int64_t ClaimOf(RangeClaim& range, std::int64_t size);
  // This worker has done so many of the phase's units; whoever completes them opens the next phase.
  void CountDone(std::int64_t units, std::int64_t count);

  PhaseBoard& board_;
  const std::span<RangeClaim> ranges_;  // by worker
  WorkerStatus& status_;
  SpinTime& spin_;
  const int worker_;
  std::uint32_t phase_;     // the number of the phase that this worker is in
  bool sent_away_ = false;  // the job ended while this worker waited: it may be gone
  const std::stop_token& stop_;
};

class WorkerTeam {
 public:
  // 1 to kMostWorkers workers, the caller of Run included. Pinned: worker w stays on the w-th of
  // the usable cores (UsableTopology). The caller's thread is left alone: it belongs to others, and
  // finds the first core free.
  explicit WorkerTeam(int workers, bool pinned = false);
  ~WorkerTeam();
  WorkerTeam(const WorkerTeam&) = delete;
  WorkerTeam& operator=(const WorkerTeam&) = delete;

  int size() const { return static_cast<int>(threads_.size()) + 1; }
  Barrier& barrier() { return barrier_; }

  // Calls job(worker) once on each worker, 0 on the calling thread, and returns when all are done.
  // The job must not throw.
  void Run(const std::function<void(int worker)>& job);

  // Calls job(walk) on the calling thread and on each worker that comes in time. Returns when all
  // phases are done and no worker touches the job any more; false: `stop` ended it between two
  // phases. The job must not throw.
  bool RunPhases(const std::function<void(PhaseWalk&)>& job, const std::stop_token& stop = {});

  // Calls body(i) for i in [0, count), claimed one by one by the workers.
  void ForEach(std::int64_t count, const std::function<void(std::int64_t)>& body);

 private:
  struct Job {
    const std::function<void(int)>* run = nullptr;            // either this: everyone must come
    const std::function<void(PhaseWalk&)>* phases = nullptr;  // or this; neither: threads end
    std::uint32_t first_phase = 0;
    const std::stop_token* stop = nullptr;
  };
  void Loop(int worker, int core);
  void Begin(const Job& job);
  void End(bool everyone);
  void Dismiss(WorkerStatus& status, bool everyone);

  std::vector<std::thread> threads_;
  std::vector<WorkerStatus> statuses_;  // by worker
  std::vector<RangeClaim> ranges_;      // by worker
  Barrier barrier_;
  PhaseBoard board_;
  alignas(64) WaitWord generation_;  // counts jobs; workers wait for the next
  Job job_;
  SpinTime spin_;  // the caller's
};

template <typename F>
void PhaseWalk::Share(std::int64_t count, F&& unit) {
  CAIRN_CHECK(count >= 0 && count <= kMostUnits);
  // A phase without units has one that nobody needs to do: someone must open the next phase.
  const auto units = static_cast<std::uint64_t>(count == 0 ? 1 : count);
  std::int64_t done = 0;
  while (true) {
    // Acquire: pairs with the release that opened the phase, through the claims of others.
    std::uint64_t claim = board_.claim.load(std::memory_order_acquire);
    do {
      if (claim >> 32 != phase_ || (claim & 0xFFFFFFFF) >= units) {
        return CountDone(done, static_cast<std::int64_t>(units));
      }
    } while (!board_.claim.compare_exchange_weak(claim, claim + 1, std::memory_order_acquire));
    if (count != 0) unit(static_cast<std::int64_t>(claim & 0xFFFFFFFF));
    ++done;
  }
}

template <typename F>
void PhaseWalk::ShareRanges(std::int64_t count, F&& unit) {
  CAIRN_CHECK(count >= 0 && count <= kMostUnits);
  if (count == 0) return Share(count, unit);
  const int workers = static_cast<int>(ranges_.size());
  std::int64_t done = 0;
  for (int i = 0; i < workers; ++i) {
    const int owner = (worker_ + i) % workers;
    const UnitRange range = RangeOf(owner, count);
    const std::int64_t size = range.end - range.begin;
    RangeClaim& claims = ranges_[static_cast<std::size_t>(owner)];
    for (std::int64_t at; (at = ClaimOf(claims, size)) < size; ++done) unit(range.begin + at);
  }
  CountDone(done, count);
}

}  // namespace cairn::parallel
