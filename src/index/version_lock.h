// SPDX-License-Identifier: Apache-2.0
// The two words of optimistic reading: a lock that counts what was changed under it, and cells
// whose words may be read while somebody writes them.
//
// A reader takes the version, reads cells, and asks whether the version is Unchanged: then it has
// seen one moment of the node. It writes nothing, so readers do not slow each other down.
//
// Memory order. Cells are stored with release and loaded with acquire. If a reader's load sees a
// store made under the lock, it therefore also sees that the lock was taken (the exchange comes
// before the store), and its later look at the version, which an acquire load keeps behind it,
// cannot find the old one. This is the sequence lock without fences: on x86 all of it is plain
// moves, on 64-bit ARM ldar and stlr. Torn contents (words of two writes) are possible before the
// check and worthless after a failed one: nothing may be done with them but comparing and looking
// at addresses that an epoch guard keeps alive. Threads: everything from any thread, unless a line
// says that the lock must be held.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <thread>
#include <type_traits>

#include "base/check.h"
#include "parallel/wait.h"

namespace cairn::index {

// Spins a little, then lets others run: the holder of a lock may have lost its core.
class Backoff {
 public:
  void Wait() {
    if (++waited_ <= kSpins) return parallel::Pause();
    std::this_thread::yield();
  }

 private:
  static constexpr int kSpins = 64;
  int waited_ = 0;
};

// A lock of one writer with a version. Not fair: sections under it are some hundred instructions.
class VersionLock {
 public:
  enum class State { kFree, kLocked };
  explicit VersionLock(State state) : word_(state == State::kLocked ? kLockedBit : 0) {}

  // Waits until nobody writes; the version then. False: the node is no longer part of anything.
  // Acquire pairs with the release of Unlock: cells are read as that writer left them, or newer.
  bool Read(std::uint64_t& version) const {
    version = word_.load(std::memory_order_acquire);
    if ((version & (kLockedBit | kObsoleteBit)) == 0) [[likely]]
      return true;
    Backoff backoff;
    while ((version & kLockedBit) != 0) {
      backoff.Wait();
      version = word_.load(std::memory_order_acquire);
    }
    return (version & kObsoleteBit) == 0;
  }
  // Whether all cells loaded since Read gave `version` belong together. Relaxed: those loads were
  // acquire, so this one is behind them; see the top for what it then must see.
  bool Unchanged(std::uint64_t version) const {
    return word_.load(std::memory_order_relaxed) == version;
  }

  // Takes the lock if nothing has changed since Read gave `version`. Acquire: what the last holder
  // stored is seen.
  bool TryLock(std::uint64_t version) {
    return word_.compare_exchange_strong(version, version | kLockedBit, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }
  // Requires that the node cannot become obsolete meanwhile.
  void Lock() {
    Backoff backoff;
    for (;;) {
      const std::uint64_t version = word_.load(std::memory_order_relaxed);
      if ((version & kLockedBit) == 0 && TryLock(version)) {
        CAIRN_CHECK((version & kObsoleteBit) == 0);
        return;
      }
      backoff.Wait();
    }
  }

  // The holder's: after changes, and where it changed nothing and so disturbs no reader. Release:
  // pairs with Read and TryLock.
  void Unlock() { Store(kLockedBit, kStep); }
  void UnlockUnchanged() { Store(kLockedBit, 0); }
  // Whoever comes upon the node from now on starts again.
  void UnlockObsolete() { Store(kLockedBit, kStep + kObsoleteBit); }

  bool Locked() const { return (word_.load(std::memory_order_relaxed) & kLockedBit) != 0; }

 private:
  static constexpr std::uint64_t kLockedBit = 1, kObsoleteBit = 2, kStep = 4;

  void Store(std::uint64_t less, std::uint64_t more) {
    const std::uint64_t word = word_.load(std::memory_order_relaxed);
    word_.store(word - less + more, std::memory_order_release);
  }

  std::atomic<std::uint64_t> word_;
};

// A T of up to a few words, kept in 64-bit atomics.
template <typename T>
class Cell {
  static_assert(std::is_trivially_copyable_v<T>);
  static constexpr std::size_t kWords = (sizeof(T) + 7) / 8;

 public:
  T Load() const {
    std::array<std::uint64_t, kWords> words;
    for (std::size_t i = 0; i < kWords; ++i) words[i] = words_[i].load(std::memory_order_acquire);
    std::array<std::byte, sizeof(T)> bytes;
    std::memcpy(&bytes, &words, sizeof(T));
    return std::bit_cast<T>(bytes);
  }
  // Requires the lock, or that nobody else knows the cell.
  void Store(const T& value) {
    std::array<std::uint64_t, kWords> words{};
    std::memcpy(&words, &value, sizeof(T));
    for (std::size_t i = 0; i < kWords; ++i) words_[i].store(words[i], std::memory_order_release);
  }

 private:
  std::array<std::atomic<std::uint64_t>, kWords> words_;
};

}  // namespace cairn::index
