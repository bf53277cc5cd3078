// SPDX-License-Identifier: Apache-2.0
#include "index/epoch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

namespace cairn::index {
namespace {

struct Thing : Retiree {
  std::uint64_t alive = 0x600d;
};

class CountingReclaimer : public Reclaimer {
 public:
  void Reclaim(Retiree* object) override {
    auto* const thing = static_cast<Thing*>(object);
    thing->alive = 0xdead;
    delete thing;
    ++reclaimed;
  }
  std::atomic<std::size_t> reclaimed{0};
};

void CollectAll(EpochDomain& domain) {
  for (int i = 0; i < 3; ++i) domain.Collect();
}

TEST(EpochTest, WithoutGuardsEverythingIsReclaimed) {
  CountingReclaimer reclaimer;
  EpochDomain domain;
  for (int i = 0; i < 1000; ++i) domain.Retire(new Thing, &reclaimer);
  EXPECT_LE(domain.pending(), 3 * EpochDomain::kBatch);
  CollectAll(domain);
  EXPECT_EQ(domain.pending(), 0U);
  EXPECT_EQ(reclaimer.reclaimed, 1000U);
}

TEST(EpochTest, NothingRetiredUnderAGuardIsReclaimedBeforeItEnds) {
  CountingReclaimer reclaimer;
  EpochDomain domain;
  {
    const EpochDomain::Guard guard(domain);
    for (int i = 0; i < 1000; ++i) domain.Retire(new Thing, &reclaimer);
    for (int i = 0; i < 10; ++i) domain.Collect();
    EXPECT_EQ(reclaimer.reclaimed, 0U);
    EXPECT_EQ(domain.pending(), 1000U);
  }
  CollectAll(domain);
  EXPECT_EQ(reclaimer.reclaimed, 1000U);
}

TEST(EpochTest, YoungerGuardsDoNotFreeWhatAnOlderOneHolds) {
  CountingReclaimer reclaimer;
  EpochDomain domain;
  std::optional<EpochDomain::Guard> old(std::in_place, domain);
  domain.Retire(new Thing, &reclaimer);
  for (int i = 0; i < 10; ++i) {
    const EpochDomain::Guard young(domain);
    domain.Collect();
  }
  EXPECT_EQ(reclaimer.reclaimed, 0U);
  old.reset();
  CollectAll(domain);
  EXPECT_EQ(reclaimer.reclaimed, 1U);
}

TEST(EpochTest, TheDestructorReclaimsTheRest) {
  CountingReclaimer reclaimer;
  {
    EpochDomain domain;
    for (int i = 0; i < 5; ++i) domain.Retire(new Thing, &reclaimer);
    EXPECT_EQ(reclaimer.reclaimed, 0U);
  }
  EXPECT_EQ(reclaimer.reclaimed, 5U);
}

TEST(EpochTest, GuardsOfOneThreadHaveDifferentSlots) {
  EpochDomain domain;
  std::vector<bool> taken(EpochDomain::kSlots);
  std::vector<std::unique_ptr<EpochDomain::Guard>> guards;
  for (int i = 0; i < EpochDomain::kSlots; ++i) {
    guards.push_back(std::make_unique<EpochDomain::Guard>(domain));
    const int slot = guards.back()->slot();
    ASSERT_GE(slot, 0);
    ASSERT_LT(slot, EpochDomain::kSlots);
    EXPECT_FALSE(taken[slot]);
    taken[slot] = true;
  }
}

TEST(EpochTest, AGuardTooManyWaitsForOneToEnd) {
  EpochDomain domain;
  std::vector<std::unique_ptr<EpochDomain::Guard>> guards;
  for (int i = 0; i < EpochDomain::kSlots; ++i) {
    guards.push_back(std::make_unique<EpochDomain::Guard>(domain));
  }
  std::atomic<bool> entered{false};
  std::jthread waiter([&] {
    const EpochDomain::Guard guard(domain);
    entered = true;
  });
  EXPECT_FALSE(entered);
  guards.pop_back();
  waiter.join();
  EXPECT_TRUE(entered);
}

TEST(EpochTest, WaitForRoomReturnsOnceAGuardEnds) {
  CountingReclaimer reclaimer;
  EpochDomain domain(/*room=*/10);
  std::optional<EpochDomain::Guard> guard(std::in_place, domain);
  for (int i = 0; i < 10; ++i) domain.Retire(new Thing, &reclaimer);
  std::atomic<bool> has_room{false};
  std::jthread waiter([&] {
    domain.WaitForRoom();
    has_room = true;
  });
  EXPECT_FALSE(has_room);
  guard.reset();
  waiter.join();
  EXPECT_LT(domain.pending(), 10U);
}

// Threads exchange things in shared cells and look at them under guards: each must be alive. With
// a guard that does nothing this reads freed memory at once.
TEST(EpochTest, ReadersNeverSeeAReclaimedObject) {
  constexpr int kThreads = 4, kCells = 8, kRounds = 20'000;
  CountingReclaimer reclaimer;
  std::atomic<std::size_t> seen{0};
  {
    EpochDomain domain(/*room=*/100);
    std::array<std::atomic<Thing*>, kCells> cells;
    for (auto& cell : cells) cell = new Thing;
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        std::uint64_t random = 77 + t;
        for (int i = 0; i < kRounds; ++i) {
          random = random * 6364136223846793005U + 1442695040888963407U;
          auto& cell = cells[random >> 40 & (kCells - 1)];
          if (i % 4 == 0) {
            domain.WaitForRoom();
            Thing* const old = cell.exchange(new Thing, std::memory_order_acq_rel);
            domain.Retire(old, &reclaimer);
          } else {
            const EpochDomain::Guard guard(domain);
            seen += cell.load(std::memory_order_acquire)->alive == 0x600d ? 1 : 0;
          }
        }
      });
    }
    threads.clear();
    EXPECT_LT(domain.pending(), 100U + kThreads);
    for (auto& cell : cells) delete cell.load();
  }
  EXPECT_EQ(seen, std::size_t{kThreads} * kRounds * 3 / 4);
  EXPECT_EQ(reclaimer.reclaimed, std::size_t{kThreads} * kRounds / 4);
}

}  // namespace
}  // namespace cairn::index
