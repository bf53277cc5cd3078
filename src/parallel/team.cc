// SPDX-License-Identifier: Apache-2.0
#include "parallel/team.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

#include "base/check.h"

namespace cairn::parallel {
namespace {

// A pause takes 10 to 140 cycles by processor, so this is some microseconds: longer than any
// worker's lead inside a stage, shorter than a wake-up through the kernel costs twice.
constexpr int kSpins = 1000;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Waits until `value` differs from `seen`.
void AwaitChange(const std::atomic<std::uint32_t>& value, std::uint32_t seen) {
  for (int i = 0; i < kSpins; ++i) {
    // Acquire: pairs with the release that changed the value.
    if (value.load(std::memory_order_acquire) != seen) return;
    Pause();
  }
  value.wait(seen, std::memory_order_acquire);
}

// Cores of the cgroup's quota (version 2), or 0 where there is none.
int CgroupCores() {
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return 0;
  char* end = nullptr;
  const double microseconds = std::strtod(quota.c_str(), &end);
  if (end == quota.c_str() || microseconds <= 0) return 0;
  return std::max(1, static_cast<int>(std::ceil(microseconds / period)));
}

}  // namespace

int UsableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cores = static_cast<int>(std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof(set), &set) == 0) cores = CPU_COUNT(&set);
  if (const int quota = CgroupCores(); quota > 0) cores = std::min(cores, quota);
  return std::clamp(cores, 1, kMostWorkers);
}

void Barrier::Wait() {
  if (workers_ == 1) return;
  // Relaxed is enough: the round cannot advance before this worker has arrived.
  const std::uint32_t round = round_.load(std::memory_order_relaxed);
  // Acquire and release: the last to arrive sees what the others wrote and passes it on below.
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == workers_) {
    // Relaxed: the release of round_ publishes it.
    arrived_.store(0, std::memory_order_relaxed);
    // Release: pairs with the acquire in AwaitChange.
    round_.fetch_add(1, std::memory_order_release);
    round_.notify_all();
    return;
  }
  AwaitChange(round_, round);
}

WorkerTeam::WorkerTeam(int workers) : barrier_(workers) {
  CAIRN_CHECK(workers >= 1 && workers <= kMostWorkers);
  threads_.reserve(static_cast<std::size_t>(workers) - 1);
  for (int w = 1; w < workers; ++w) threads_.emplace_back([this, w] { Loop(w); });
}

WorkerTeam::~WorkerTeam() {
  job_ = nullptr;
  // Release: pairs with the acquire of the workers' wait; they read job_ after it.
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerTeam::Loop(int worker) {
  std::uint32_t seen = 0;
  while (true) {
    AwaitChange(generation_, seen);
    ++seen;
    if (job_ == nullptr) return;
    (*job_)(worker);
    // Release: pairs with the acquire in Run, which returns after the last worker's writes.
    if (running_.fetch_sub(1, std::memory_order_release) == 1) running_.notify_one();
  }
}

void WorkerTeam::Run(const std::function<void(int)>& job) {
  if (threads_.empty()) {
    job(0);
    return;
  }
  job_ = &job;
  // Relaxed: the release of generation_ publishes it.
  running_.store(static_cast<int>(threads_.size()), std::memory_order_relaxed);
  // Release: pairs with the acquire of the workers' wait.
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  job(0);
  for (int i = 0; i < kSpins; ++i) {
    if (running_.load(std::memory_order_acquire) == 0) return;
    Pause();
  }
  for (int left = running_.load(std::memory_order_acquire); left != 0;
       left = running_.load(std::memory_order_acquire)) {
    running_.wait(left, std::memory_order_acquire);
  }
}

void WorkerTeam::ForEach(std::int64_t count, const std::function<void(std::int64_t)>& body) {
  std::atomic<std::int64_t> next{0};
  Run([&](int) {
    // Relaxed: a ticket only; Run orders the work itself.
    for (std::int64_t i = next.fetch_add(1, std::memory_order_relaxed); i < count;
         i = next.fetch_add(1, std::memory_order_relaxed)) {
      body(i);
    }
  });
}

}  // namespace cairn::parallel
