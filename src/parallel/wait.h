// SPDX-License-Identifier: Apache-2.0
// Waiting for a word to change: spin for microseconds, then sleep on a futex.
//
// Spinning sees a change within a tenth of a microsecond but burns a core that a late worker may
// need; sleeping frees it but costs two system calls and a wake-up, 5 to 60 us by machine. So a
// waiter spins about as long as its recent short waits took, and hardly where waits are long: those
// mean that somebody has lost its core, or that there is no work.
// Threads: a WaitWord is shared by all; a SpinTime belongs to one waiting thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace cairn::parallel {

// How long a thread spins before it sleeps, in time and not in pauses, since one pause takes 10 to
// 140 cycles by processor. Learned from how long the waits took.
class SpinTime {
 public:
  static constexpr std::int64_t kLeastNs = 4'000;
  static constexpr std::int64_t kMostNs = 200'000;

  SpinTime() = default;
  explicit SpinTime(std::int64_t ns) : ns_(std::clamp(ns, kLeastNs, kMostNs)) {}
  std::int64_t ns() const { return ns_; }
  // A wait took `waited_ns`, awake or asleep. Short enough to be worth spinning: spin twice as long
  // as it took, at least, and forget slowly. Longer: spin half as long as before.
  void Learn(std::int64_t waited_ns) {
    ns_ = waited_ns <= kMostNs ? std::max(2 * waited_ns, ns_ - ns_ / 8) : ns_ / 2;
    ns_ = std::clamp(ns_, kLeastNs, kMostNs);
  }

 private:
  std::int64_t ns_ = 50'000;
};

// A word that threads wait on.
class WaitWord {
 public:
  std::uint32_t Load() const { return word_.load(std::memory_order_acquire); }
  // What the caller wrote before is visible to those who see the new value. A system call only
  // where somebody sleeps.
  void Store(std::uint32_t value);
  // Returns when the word is not `seen`; with the time that the caller spins first.
  void AwaitChange(std::uint32_t seen, SpinTime& spin);

 private:
  std::atomic<std::uint32_t> word_{0};
  std::atomic<std::uint32_t> sleepers_{0};
};

// Tells the processor that this is a spin loop.
void Pause();

// The bare system calls: sleep while `word` is `seen` (may return early), wake all sleepers.
void FutexWait(const std::atomic<std::uint32_t>& word, std::uint32_t seen);
void FutexWake(const std::atomic<std::uint32_t>& word);

// Spins until done() or until the time is over; true: done. Learns from success; after a sleep the
// caller tells how long it took. `waited_ns` is the time spent here.
template <typename Done>
bool SpinUntil(Done&& done, const SpinTime& spin, std::int64_t& waited_ns);

std::int64_t SteadyNs();

template <typename Done>
bool SpinUntil(Done&& done, const SpinTime& spin, std::int64_t& waited_ns) {
  constexpr int kPausesPerLook = 8;  // reading the clock costs about as much as a few pauses
  const std::int64_t start = SteadyNs();
  waited_ns = 0;
  do {
    for (int i = 0; i < kPausesPerLook; ++i) {
      if (done()) return true;
      Pause();
    }
    waited_ns = SteadyNs() - start;
  } while (waited_ns < spin.ns());
  return done();
}

}  // namespace cairn::parallel
