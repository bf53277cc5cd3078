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

// Where the phases of a job stand. One cache line: whoever finishes a unit claims the next at once.
struct alignas(64) PhaseBoard {
  std::atomic<std::uint64_t> claim{0};  // the phase's number << 32 | its next unit
  std::atomic<std::int64_t> done{0};    // units of the phase
  WaitWord phase;                       // its number, for those who wait for the next
};

// What a worker has to do with the current job. Alone in its cache line.
struct alignas(64) WorkerStatus {
  std::atomic<std::uint32_t> value{0};
};

// One worker's way through the phases of a job. Every worker makes the same calls with the same
// counts, in the same order. Units of a phase must not depend on one another.
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

  // Phase in its two halves, for those who want to know when the waiting begins.
  template <typename F>
  void Share(std::int64_t count, F&& unit);
  bool Meet();

 private:
  friend class WorkerTeam;
  PhaseWalk(PhaseBoard& board, WorkerStatus& status, SpinTime& spin, int worker,
            std::uint32_t phase, const std::stop_token& stop)
      : board_(board), status_(status), spin_(spin), worker_(worker), phase_(phase), stop_(stop) {}
  void Advance();
  bool WaitForPhase();

  PhaseBoard& board_;
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
  while (true) {
    // Acquire: pairs with the release that opened the phase, through the claims of others.
    std::uint64_t claim = board_.claim.load(std::memory_order_acquire);
    do {
      if (claim >> 32 != phase_ || (claim & 0xFFFFFFFF) >= units) return;
    } while (!board_.claim.compare_exchange_weak(claim, claim + 1, std::memory_order_acquire));
    if (count != 0) unit(static_cast<std::int64_t>(claim & 0xFFFFFFFF));
    // Acquire and release: who does the last unit sees what the others wrote and passes it on.
    if (board_.done.fetch_add(1, std::memory_order_acq_rel) + 1 ==
        static_cast<std::int64_t>(units)) {
      Advance();
      return;
    }
  }
}

}  // namespace cairn::parallel
