// SPDX-License-Identifier: Apache-2.0
#include "parallel/team.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>

namespace cairn::parallel {
namespace {

// What a worker's status says; the caller adds kAwaited when it sleeps until the worker is out.
enum : std::uint32_t {
  kOut = 0,      // has nothing to do with the job: has left it, or was never let in
  kInvited = 1,  // may come in
  kIn = 2,       // is at work; the job must wait for it
  kWaiting = 3,  // waits for a phase to end: may be sent away where it stands
  kAwaited = 4,
};
// Units of a phase that will not be worked on: the job is cancelled.
constexpr std::uint64_t kClosed = 0xFFFFFFFF;

cpu_set_t OnlyCpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  return set;
}

}  // namespace

void Barrier::Wait() {
  if (workers_ == 1) return;
  const std::uint32_t round = round_.Load();
  // Acquire and release: the last to arrive sees what the others wrote and passes it on below.
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == workers_) {
    // Relaxed: the store of round_ publishes it.
    arrived_.store(0, std::memory_order_relaxed);
    round_.Store(round + 1);
    return;
  }
  SpinTime spin(spin_ns_.load(std::memory_order_relaxed));
  round_.AwaitChange(round, spin);
  spin_ns_.store(spin.ns(), std::memory_order_relaxed);
}

// --- phases ---------------------------------------------------------------------------------

std::int64_t PhaseWalk::ClaimOf(RangeClaim& range, std::int64_t size) {
  // Acquire: a helper sees that the phase is open no later than those whose claims it sees.
  std::uint64_t claim = range.value.load(std::memory_order_acquire);
  while (true) {
    const auto age = static_cast<std::int32_t>(phase_ - static_cast<std::uint32_t>(claim >> 32));
    // A later phase's claim: this one is over. An earlier one's: all is left, since a range that
    // has units is claimed to its end before its phase is over.
    const std::int64_t next = age == 0 ? static_cast<std::int64_t>(claim & 0xFFFFFFFF) : 0;
    if (age < 0 || next >= size) return size;
    const std::uint64_t taken = std::uint64_t{phase_} << 32 | static_cast<std::uint64_t>(next + 1);
    if (range.value.compare_exchange_weak(claim, taken, std::memory_order_acq_rel)) return next;
  }
}

void PhaseWalk::CountDone(std::int64_t units, std::int64_t count) {
  if (units == 0) return;
  // Acquire and release: who does the last unit sees what the others wrote and passes it on.
  if (board_.done.fetch_add(units, std::memory_order_acq_rel) + units == count) Advance();
}

void PhaseWalk::Advance() {
  // Relaxed: nobody touches it before a claim in the next phase, which the release below opens.
  board_.done.store(0, std::memory_order_relaxed);
  const std::uint64_t next = std::uint64_t{phase_ + 1} << 32;
  board_.claim.store(next | (stop_.stop_requested() ? kClosed : 0), std::memory_order_release);
  board_.phase.Store(phase_ + 1);
}

bool PhaseWalk::Meet() {
  ++phase_;
  // Numbers wrap; a late worker finds the board ahead of itself.
  if (static_cast<std::int32_t>(board_.phase.Load() - phase_) < 0 && !WaitForPhase()) return false;
  return (board_.claim.load(std::memory_order_acquire) & 0xFFFFFFFF) != kClosed;
}

bool PhaseWalk::WaitForPhase() {
  // Release and acquire: who sends this worker away sees its writes.
  if (worker_ != 0 &&
      (status_.value.exchange(kWaiting, std::memory_order_release) & kAwaited) != 0) {
    FutexWake(status_.value);
  }
  // The board cannot have been further behind: nobody leaves a phase before it is done.
  board_.phase.AwaitChange(phase_ - 1, spin_);
  if (worker_ == 0) return true;
  std::uint32_t waiting = kWaiting;
  sent_away_ = !status_.value.compare_exchange_strong(waiting, kIn, std::memory_order_acquire);
  return !sent_away_;
}

// --- the team -------------------------------------------------------------------------------

WorkerTeam::WorkerTeam(int workers, bool pinned)
    : statuses_(static_cast<std::size_t>(workers)),
      ranges_(static_cast<std::size_t>(workers)),
      barrier_(workers) {
  CAIRN_CHECK(workers >= 1 && workers <= kMostWorkers);
  const std::vector<int> cores = pinned ? UsableTopology().cores : std::vector<int>{};
  threads_.reserve(static_cast<std::size_t>(workers) - 1);
  for (int w = 1; w < workers; ++w) {
    const int core = cores.empty() ? -1 : cores[static_cast<std::size_t>(w) % cores.size()];
    threads_.emplace_back([this, w, core] { Loop(w, core); });
  }
}

WorkerTeam::~WorkerTeam() {
  Begin({});
  for (std::thread& thread : threads_) thread.join();
}

void WorkerTeam::Loop(int worker, int core) {
  if (core >= 0) {
    const cpu_set_t only = OnlyCpu(core);
    pthread_setaffinity_np(pthread_self(), sizeof(only), &only);
  }
  WorkerStatus& status = statuses_[static_cast<std::size_t>(worker)];
  SpinTime spin;
  while (true) {
    // Before the look at the status: an invitation after that look changes the generation.
    const std::uint32_t seen = generation_.Load();
    std::uint32_t mine = status.value.load(std::memory_order_relaxed);
    while ((mine & 3) == kInvited) {
      // Acquire: pairs with the release of the invitation; the job is read after it.
      if (status.value.compare_exchange_weak(mine, kIn | (mine & kAwaited),
                                             std::memory_order_acquire)) {
        break;
      }
    }
    if ((mine & 3) != kInvited) {
      generation_.AwaitChange(seen, spin);
      continue;
    }
    if (job_.run != nullptr) {
      (*job_.run)(worker);
    } else if (job_.phases != nullptr) {
      PhaseWalk walk(board_, ranges_, status, spin, worker, job_.first_phase, *job_.stop);
      (*job_.phases)(walk);
      if (walk.sent_away_) continue;
    } else {
      return;
    }
    // Release: pairs with the acquire in Dismiss, after which the caller reads what was written.
    if ((status.value.exchange(kOut, std::memory_order_release) & kAwaited) != 0) {
      FutexWake(status.value);
    }
  }
}

void WorkerTeam::Begin(const Job& job) {
  const std::uint32_t phase = board_.phase.Load() + 1;
  job_ = job;
  job_.first_phase = phase;
  board_.done.store(0, std::memory_order_relaxed);
  board_.claim.store(std::uint64_t{phase} << 32, std::memory_order_relaxed);
  // So that no claim is so old that its number seems new.
  for (RangeClaim& range : ranges_) {
    range.value.store(std::uint64_t{phase - 1} << 32, std::memory_order_relaxed);
  }
  // Wakes workers that were sent away while they slept in the job before.
  board_.phase.Store(phase);
  for (std::size_t w = 1; w < statuses_.size(); ++w) {
    // Release: the job is visible to who accepts.
    statuses_[w].value.store(kInvited, std::memory_order_release);
  }
  generation_.Store(generation_.Load() + 1);
}

void WorkerTeam::End(bool everyone) {
  for (std::size_t w = 1; w < statuses_.size(); ++w) Dismiss(statuses_[w], everyone);
}

// Returns when the worker is out of the job and will not come in.
void WorkerTeam::Dismiss(WorkerStatus& status, bool everyone) {
  std::uint32_t now = status.value.load(std::memory_order_acquire);
  while (now != kOut) {
    if (now == kWaiting || (now == kInvited && !everyone)) {
      if (status.value.compare_exchange_weak(now, kOut, std::memory_order_acquire)) return;
      continue;
    }
    std::int64_t waited = 0;
    const auto changed = [&] { return status.value.load(std::memory_order_acquire) != now; };
    const std::int64_t start = SteadyNs();
    if (!SpinUntil(changed, spin_, waited)) {
      if ((now & kAwaited) == 0 &&
          !status.value.compare_exchange_strong(now, now | kAwaited, std::memory_order_acquire)) {
        continue;
      }
      FutexWait(status.value, now | kAwaited);
      waited = SteadyNs() - start;
    }
    spin_.Learn(waited);
    now = status.value.load(std::memory_order_acquire);
  }
}

void WorkerTeam::Run(const std::function<void(int)>& job) {
  if (threads_.empty()) {
    job(0);
    return;
  }
  Begin({.run = &job});
  job(0);
  End(true);
}

bool WorkerTeam::RunPhases(const std::function<void(PhaseWalk&)>& job,
                           const std::stop_token& stop) {
  Begin({.phases = &job, .stop = &stop});
  PhaseWalk walk(board_, ranges_, statuses_[0], spin_, 0, job_.first_phase, stop);
  job(walk);
  const bool closed = (board_.claim.load(std::memory_order_acquire) & 0xFFFFFFFF) == kClosed;
  End(false);
  return !closed;
}

void WorkerTeam::ForEach(std::int64_t count, const std::function<void(std::int64_t)>& body) {
  RunPhases([&](PhaseWalk& walk) {
    for (std::int64_t first = 0; first < count; first += PhaseWalk::kMostUnits) {
      const std::int64_t units = std::min(count - first, PhaseWalk::kMostUnits);
      if (!walk.Phase(units, [&](std::int64_t i) { body(first + i); })) return;
    }
  });
}

}  // namespace cairn::parallel
