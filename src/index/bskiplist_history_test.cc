// SPDX-License-Identifier: Apache-2.0
// Small histories of several threads, each explained by an order of its operations; and histories
// with a planted mistake, which must not be explained.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "index/bskiplist.h"
#include "testing/linearizability.h"

namespace cairn::index {
namespace {

using testing::HistoryClock;
using testing::LinearizabilityChecker;
using testing::MapOperation;
using Kind = MapOperation::Kind;

constexpr int kHistories = 3000, kThreads = 3, kEach = 6, kKeys = 10;

// Lets others run in the middle of an operation, at the point to which it counts down. Without it
// operations are so short that threads on few cores hardly ever meet.
struct Pauses {
  static thread_local int left;
  static void At(PausePoint /*point*/) {
    if (left > 0 && --left == 0) std::this_thread::yield();
  }
};
thread_local int Pauses::left = 0;

// Half of the keys are promoted, and nodes hold eight: most operations meet splits and joins.
using Map = BSkiplist<std::uint64_t, std::uint64_t, 8, 2, Pauses>;

void Run(Map& map, MapOperation& operation, HistoryClock& clock) {
  operation.called = clock.Tick();
  switch (operation.kind) {
    case Kind::kFind:
      if (const auto found = map.Find(operation.key); found) {
        operation.yes = true;
        operation.found_value = *found;
      }
      break;
    case Kind::kInsert: operation.yes = map.Insert(operation.key, operation.value).value(); break;
    case Kind::kInsertIfAbsent:
      operation.yes = map.InsertIfAbsent(operation.key, operation.value).value();
      break;
    case Kind::kErase: operation.yes = map.Erase(operation.key); break;
    case Kind::kLowerBound:
      if (const auto bound = map.LowerBound(operation.key); bound) {
        operation.yes = true;
        operation.found_key = bound->key;
        operation.found_value = bound->value;
      }
      break;
  }
  operation.returned = clock.Tick();
}

std::vector<MapOperation> Plan(std::mt19937_64& random) {
  std::vector<MapOperation> plan(kEach);
  for (MapOperation& operation : plan) {
    constexpr Kind kKinds[] = {Kind::kFind,  Kind::kInsert, Kind::kInsertIfAbsent,
                               Kind::kErase, Kind::kErase,  Kind::kLowerBound};
    operation.kind = kKinds[random() % 6];
    operation.key = random() % kKeys * 10;
    operation.value = random() % 1'000'000;
  }
  return plan;
}

struct Histories {
  std::vector<LinearizabilityChecker::State> begins;
  std::vector<std::vector<MapOperation>> operations;
};

// All histories with the same threads: they meet before each.
Histories RunHistories(unsigned seed, int number) {
  Histories histories;
  std::mt19937_64 random(seed);
  std::vector<std::unique_ptr<Map>> maps;
  std::vector<std::array<std::vector<MapOperation>, kThreads>> plans(number);
  for (int h = 0; h < number; ++h) {
    maps.push_back(Map::Create({.expected_entries = 40, .seed = random()}).value());
    auto& begin = histories.begins.emplace_back();
    for (std::uint64_t key = 0; key < kKeys; ++key) {
      if (random() % 2 != 0) continue;
      begin[10 * key] = key;
      EXPECT_TRUE(maps[h]->Insert(10 * key, key).value());
    }
    for (auto& plan : plans[h]) plan = Plan(random);
  }
  HistoryClock clock;
  std::atomic<int> arrived{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int h = 0; h < number; ++h) {
          // Not std::barrier: whoever slept in it would come late and meet nobody.
          arrived.fetch_add(1);
          while (arrived.load() < (h + 1) * kThreads) std::this_thread::yield();
          for (MapOperation& operation : plans[h][t]) {
            Pauses::left =
                operation.value % 4 == 0 ? static_cast<int>(operation.value / 4 % 10) : 0;
            Run(*maps[h], operation, clock);
          }
        }
      });
    }
  }
  for (auto& plan : plans) {
    auto& all = histories.operations.emplace_back();
    for (auto& part : plan) all.insert(all.end(), part.begin(), part.end());
  }
  return histories;
}

// Pairs of operations of different threads that were under way at the same time.
int Overlaps(const std::vector<MapOperation>& history) {
  int overlaps = 0;
  for (const MapOperation& a : history) {
    for (const MapOperation& b : history) overlaps += a.called < b.called && b.called < a.returned;
  }
  return overlaps;
}

TEST(BSkiplistHistoryTest, ThreeThousandHistoriesAreLinearizable) {
  constexpr unsigned kSeed = 20;
  const Histories histories = RunHistories(kSeed, kHistories);
  int overlapping = 0;
  for (int h = 0; h < kHistories; ++h) {
    ASSERT_TRUE(LinearizabilityChecker::Explains(histories.operations[h], histories.begins[h]))
        << "history " << h << " of seed " << kSeed;
    overlapping += Overlaps(histories.operations[h]) > 0 ? 1 : 0;
  }
  // Histories without company prove nothing.
  EXPECT_GT(overlapping, kHistories / 4);
  std::printf("%d of %d histories overlap\n", overlapping, kHistories);
}

// One answer of each history is made wrong; nearly always no order explains it any more (a wrong
// answer may be right at another moment).
TEST(BSkiplistHistoryTest, AChangedAnswerIsFound) {
  Histories histories = RunHistories(21, kHistories / 10);
  std::mt19937_64 random(3);
  int changed = 0, found = 0;
  for (int h = 0; h < kHistories / 10; ++h) {
    MapOperation& operation = histories.operations[h][random() % (kThreads * kEach)];
    operation.yes = !operation.yes;
    operation.found_key = 1;
    operation.found_value = 1'000'001;
    ++changed;
    found += LinearizabilityChecker::Explains(histories.operations[h], histories.begins[h]) ? 0 : 1;
  }
  EXPECT_GT(found, changed * 9 / 10);
}

MapOperation Operation(Kind kind, std::uint64_t key, bool yes, std::int64_t called,
                       std::int64_t returned, std::uint64_t value = 0) {
  MapOperation operation{.kind = kind, .key = key, .value = value, .yes = yes};
  operation.found_key = key;
  operation.found_value = value;
  operation.called = called;
  operation.returned = returned;
  return operation;
}

TEST(LinearizabilityTest, AReadMayTakeEitherSideOfAnOverlappingWrite) {
  for (const bool seen : {false, true}) {
    EXPECT_TRUE(LinearizabilityChecker::Explains(
        {Operation(Kind::kInsert, 1, true, 0, 3, 7), Operation(Kind::kFind, 1, seen, 1, 2, 7)}));
  }
}

TEST(LinearizabilityTest, ALostUpdateIsNotExplained) {
  EXPECT_FALSE(LinearizabilityChecker::Explains(
      {Operation(Kind::kInsert, 1, true, 0, 1, 7), Operation(Kind::kFind, 1, false, 2, 3)}));
}

TEST(LinearizabilityTest, BothErasesOfOneKeyCannotSucceed) {
  EXPECT_FALSE(LinearizabilityChecker::Explains(
      {Operation(Kind::kErase, 1, true, 0, 2), Operation(Kind::kErase, 1, true, 1, 3)}, {{1, 5}}));
}

// Two readers that see two writes in different orders: each key alone would be explained.
TEST(LinearizabilityTest, TwoOrdersOfTwoWritesAreNotExplained) {
  EXPECT_FALSE(LinearizabilityChecker::Explains(
      {Operation(Kind::kInsert, 1, true, 0, 9, 7), Operation(Kind::kInsert, 2, true, 0, 9, 8),
       Operation(Kind::kFind, 1, true, 1, 2, 7), Operation(Kind::kFind, 2, false, 3, 4),
       Operation(Kind::kFind, 2, true, 1, 2, 8), Operation(Kind::kFind, 1, false, 3, 4)}));
}

// "Exists" was answered, and afterwards a scan from below does not see it.
TEST(LinearizabilityTest, AScanThatMissesAnAcknowledgedKeyIsNotExplained) {
  EXPECT_FALSE(
      LinearizabilityChecker::Explains({Operation(Kind::kInsert, 5, true, 0, 9, 7),
                                        Operation(Kind::kInsertIfAbsent, 5, false, 1, 2, 8),
                                        Operation(Kind::kLowerBound, 1, false, 3, 4)}));
}

}  // namespace
}  // namespace cairn::index
