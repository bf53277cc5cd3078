// SPDX-License-Identifier: Apache-2.0
// Epoch-based reclamation: memory that readers without locks may still hold is freed when none can.
//
// A reader keeps a Guard while it follows pointers. Who unlinks an object retires it; it is given
// back to its Reclaimer once every guard that could have reached it is gone. A domain is an object:
// whoever owns a structure owns its domain, there is no registration of threads and no global
// state.
//
// Threads: every member from any thread. At most kSlots guards exist at a time; one more waits.
// Owns: nothing but the list of what is retired; the destructor reclaims all of it and requires
//   that no guard is left.
// Invariant: an object retired in epoch t is reclaimed when the epoch is t + 2 or later, and the
//   epoch moves on from e only when every guard was taken in e. So a guard holds back all that is
//   retired from the epoch before its own on: keep it short, or use WaitForRoom.
// Cost: a guard is one locked instruction on a cache line of its thread, and one store at the end.
//   Every kBatch retirements one thread looks at all slots (a few microseconds).
// Source: the three epochs of Fraser, "Practical lock-freedom", 2004.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace cairn::index {

class Reclaimer;

// The part of an object that the domain uses between Retire and Reclaim.
struct Retiree {
  Retiree* retired_next = nullptr;
  Reclaimer* reclaimer = nullptr;
};

// Frees what was retired. Threads: called from whichever thread collects.
class Reclaimer {
 public:
  virtual void Reclaim(Retiree* object) = 0;

 protected:
  ~Reclaimer() = default;
};

class EpochDomain {
 public:
  static constexpr int kSlots = 128;
  static constexpr std::size_t kBatch = 32;

  // `room`: from how many unreclaimed objects on WaitForRoom waits.
  explicit EpochDomain(std::size_t room = 4096) : room_(room) {}
  EpochDomain(const EpochDomain&) = delete;
  EpochDomain& operator=(const EpochDomain&) = delete;
  ~EpochDomain();

  // While it lives, nothing that could be reached when it was made is reclaimed. Belongs to one
  // thread; a thread may hold several.
  class Guard {
   public:
    explicit Guard(EpochDomain& domain) : domain_(domain), slot_(domain.Enter()) {}
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    // Release: the reads under this guard are before whatever sees the slot free.
    ~Guard() { domain_.slots_[slot_].epoch.store(0, std::memory_order_release); }
    // In [0, kSlots), of this guard alone while it lives: an index for counters without sharing.
    int slot() const { return slot_; }

   private:
    EpochDomain& domain_;
    int slot_;
  };

  // Requires: no new reader can reach `object` (it is unlinked), and it is retired once. May be
  // called under a guard; never waits for one.
  void Retire(Retiree* object, Reclaimer* reclaimer);

  // Returns when fewer than `room` objects wait for reclamation; so those who call it before they
  // retire bound the garbage to room plus what each of them then retires. The calling thread must
  // hold no guard of this domain: it would wait for itself.
  void WaitForRoom();

  // One attempt to move the epoch on and reclaim. Three attempts without a guard anywhere reclaim
  // all that was retired before.
  void Collect();

  std::size_t pending() const { return pending_.load(std::memory_order_relaxed); }

 private:
  // 0: free. Otherwise the epoch in which the guard was taken.
  struct alignas(64) Slot {
    std::atomic<std::uint64_t> epoch{0};
  };

  int Enter();
  bool TryAdvance();
  void ReclaimList(Retiree* list);

  std::size_t room_;
  std::atomic<std::size_t> pending_{0};
  // Written under mutex_ only.
  alignas(64) std::atomic<std::uint64_t> epoch_{1};
  std::array<Slot, kSlots> slots_;
  std::mutex mutex_;
  // Guarded by mutex_: what was retired in epoch e is in list e % 3; retirements since a Collect.
  std::array<Retiree*, 3> retired_{};
  std::size_t since_collect_ = 0;
};

}  // namespace cairn::index
