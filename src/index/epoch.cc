// SPDX-License-Identifier: Apache-2.0
// Why nothing is freed too early. Let W unlink X and retire it in epoch t; X is freed after some
// thread A moved the epoch from t + 1 to t + 2. Let R be a reader whose guard overlaps that move.
// R's guard begins with a locked exchange on its slot, and A looks at the slot with one (an
// addition of zero), so one of the two is earlier in the slot's own order. (1) R first: A sees R's
// epoch and goes on only if it is t + 1. So R had loaded t + 1, which was
//     stored under the mutex after W's retirement in t: W's unlinking happens before R's reads.
// (2) A first: R's exchange reads what A's addition wrote, so A's look, which comes after the
//     epoch became t + 1 and so after W's retirement, happens before R's reads.
// In both, R cannot find X. A reader who could had left its slot before A looked, and its reads
// happen before the freeing. No sequentially consistent fence is needed, which also keeps the
// argument inside what ThreadSanitizer understands.
#include "index/epoch.h"

#include <pthread.h>

#include <thread>
#include <utility>

#include "base/check.h"

namespace cairn::index {
namespace {

// Where a thread looks for a free slot first: threads rarely share one, and nothing is remembered.
int FirstSlot() {
  const auto self = static_cast<std::uint64_t>(::pthread_self());
  static_assert(EpochDomain::kSlots == 128, "the shift below takes the top 7 bits");
  return static_cast<int>(self * 0x9e3779b97f4a7c15U >> 57);
}

}  // namespace

EpochDomain::~EpochDomain() {
  for (const Slot& slot : slots_) CAIRN_CHECK(slot.epoch.load(std::memory_order_acquire) == 0);
  for (Retiree*& list : retired_) ReclaimList(std::exchange(list, nullptr));
}

int EpochDomain::Enter() {
  int slot = FirstSlot();
  for (int tried = 1;; ++tried) {
    // Acquire pairs with the release store in TryAdvance, see (1) above. The exchange is both the
    // claim of the slot and the announcement; acquire and release for (2).
    const std::uint64_t epoch = epoch_.load(std::memory_order_acquire);
    std::uint64_t free = 0;
    if (slots_[slot].epoch.compare_exchange_strong(free, epoch, std::memory_order_acq_rel,
                                                   std::memory_order_relaxed)) {
      return slot;
    }
    slot = (slot + 1) % kSlots;
    if (tried % kSlots == 0) std::this_thread::yield();
  }
}

void EpochDomain::Retire(Retiree* object, Reclaimer* reclaimer) {
  object->reclaimer = reclaimer;
  pending_.fetch_add(1, std::memory_order_relaxed);
  bool collect = false;
  {
    const std::lock_guard lock(mutex_);
    Retiree*& list = retired_[epoch_.load(std::memory_order_relaxed) % 3];
    object->retired_next = list;
    list = object;
    collect = ++since_collect_ >= kBatch;
    if (collect) since_collect_ = 0;
  }
  if (collect) Collect();
}

bool EpochDomain::TryAdvance() {
  const std::uint64_t epoch = epoch_.load(std::memory_order_relaxed);
  for (Slot& slot : slots_) {
    // An addition of zero and not a load: see (2). Acquire pairs with the end of a guard.
    const std::uint64_t seen = slot.epoch.fetch_add(0, std::memory_order_acq_rel);
    if (seen != 0 && seen != epoch) return false;
  }
  epoch_.store(epoch + 1, std::memory_order_release);
  return true;
}

void EpochDomain::Collect() {
  Retiree* list = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (!TryAdvance()) return;
    // In epoch e the lists are those of e, e - 1 and e - 2; the last may go.
    list = std::exchange(retired_[(epoch_.load(std::memory_order_relaxed) + 1) % 3], nullptr);
  }
  ReclaimList(list);
}

void EpochDomain::ReclaimList(Retiree* list) {
  std::size_t count = 0;
  for (; list != nullptr; ++count) {
    Retiree* const object = std::exchange(list, list->retired_next);
    object->reclaimer->Reclaim(object);
  }
  pending_.fetch_sub(count, std::memory_order_relaxed);
}

void EpochDomain::WaitForRoom() {
  while (pending() >= room_) {
    Collect();
    if (pending() >= room_) std::this_thread::yield();
  }
}

}  // namespace cairn::index
