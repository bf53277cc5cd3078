// SPDX-License-Identifier: Apache-2.0
// The worker team: threads that work through one job together, and the barrier they meet at.
//
// Threads: Run is called by one thread at a time, which becomes worker 0. Barrier::Wait is called
//   by every worker of the team the same number of times.
// Owns: its threads; the destructor joins them.
// Cost: a Run wakes sleeping workers (a futex call, some microseconds); between stages of a job
//   workers meet at the barrier, which spins for kSpins pauses before it sleeps.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace cairn::parallel {

inline constexpr int kMostWorkers = 256;

// Cores that this process may use: its affinity mask, limited by the cgroup's CPU quota. At
// least 1.
int UsableCores();

// Meets `workers` threads again and again.
class Barrier {
 public:
  explicit Barrier(int workers) : workers_(workers) {}
  // Returns when all workers have called it. What a worker wrote before is visible to all after.
  void Wait();

 private:
  const int workers_;
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<std::uint32_t> round_{0};
};

class WorkerTeam {
 public:
  // 1 to kMostWorkers workers, the caller of Run included.
  explicit WorkerTeam(int workers);
  ~WorkerTeam();
  WorkerTeam(const WorkerTeam&) = delete;
  WorkerTeam& operator=(const WorkerTeam&) = delete;

  int size() const { return static_cast<int>(threads_.size()) + 1; }
  Barrier& barrier() { return barrier_; }

  // Calls job(worker) once on each worker, 0 on the calling thread, and returns when all are done.
  // The job must not throw.
  void Run(const std::function<void(int worker)>& job);

  // Calls body(i) for i in [0, count), claimed one by one by the workers.
  void ForEach(std::int64_t count, const std::function<void(std::int64_t)>& body);

 private:
  void Loop(int worker);

  std::vector<std::thread> threads_;
  Barrier barrier_;
  const std::function<void(int)>* job_ = nullptr;  // null: leave
  std::atomic<std::uint32_t> generation_{0};       // counts jobs; workers wait for the next
  std::atomic<int> running_{0};                    // workers other than the caller still at work
};

}  // namespace cairn::parallel
