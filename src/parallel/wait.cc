// SPDX-License-Identifier: Apache-2.0
#include "parallel/wait.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <climits>

namespace cairn::parallel {

std::int64_t SteadyNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");  // a yield is no pause there; this takes about as long as x86's
#endif
}

void FutexWait(const std::atomic<std::uint32_t>& word, std::uint32_t seen) {
  static_assert(sizeof(word) == sizeof(std::uint32_t));
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}

void FutexWake(const std::atomic<std::uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

void WaitWord::Store(std::uint32_t value) {
  // Sequentially consistent here and in AwaitChange: either this thread sees the sleeper, or the
  // sleeper sees the new value before it sleeps.
  word_.store(value, std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) != 0) FutexWake(word_);
}

void WaitWord::AwaitChange(std::uint32_t seen, SpinTime& spin) {
  std::int64_t waited = 0;
  const std::int64_t start = SteadyNs();
  if (!SpinUntil([&] { return Load() != seen; }, spin, waited)) {
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    while (word_.load(std::memory_order_seq_cst) == seen) FutexWait(word_, seen);
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
    waited = SteadyNs() - start;
  }
  spin.Learn(waited);
}

}  // namespace cairn::parallel
