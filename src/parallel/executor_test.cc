// SPDX-License-Identifier: Apache-2.0
#include "parallel/executor.h"

#include <gtest/gtest.h>

#include <mutex>
#include <new>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <tuple>

#include "testing/virtual_clock.h"

namespace cairn::parallel {
namespace {

std::unique_ptr<Executor> Unpinned(std::vector<Target> targets) {
  auto executor = Executor::Create(std::move(targets), {.pin = false});
  EXPECT_TRUE(executor.has_value());
  return std::move(*executor);
}

struct Visit {
  std::int64_t begin, end;
  int worker;
};

template <typename Chunker>
std::vector<Visit> VisitsOf(Executor& executor, std::int64_t n, const Chunker& chunker) {
  std::mutex mutex;
  std::vector<Visit> visits;
  executor.Bulk(n, chunker, [&](std::int64_t begin, std::int64_t end, int worker) {
    EXPECT_EQ(CurrentWorker(), worker);
    const std::lock_guard lock(mutex);
    visits.push_back({begin, end, worker});
  });
  std::ranges::sort(visits, {}, &Visit::begin);
  return visits;
}

void ExpectCovered(const std::vector<Visit>& visits, std::int64_t n) {
  std::int64_t at = 0;
  for (const Visit& visit : visits) {
    EXPECT_EQ(visit.begin, at);
    EXPECT_LT(visit.begin, visit.end);
    at = visit.end;
  }
  EXPECT_EQ(at, n);
}

// Every chunk lies inside the share of the target whose worker did it.
void ExpectPlaced(const Executor& executor, const std::vector<Visit>& visits, std::int64_t n) {
  const auto targets = static_cast<std::int64_t>(executor.targets().size());
  for (const Visit& visit : visits) {
    const int target = executor.TargetOf(visit.worker);
    EXPECT_GE(visit.begin, SplitPoint(n, targets, target)) << "worker " << visit.worker;
    EXPECT_LE(visit.end, SplitPoint(n, targets, target + 1)) << "worker " << visit.worker;
  }
}

// Nodes, units of a node, elements.
class ExecutorShapeTest : public ::testing::TestWithParam<std::tuple<int, int, std::int64_t>> {};

TEST_P(ExecutorShapeTest, EveryChunkerCoversTheRangeOnItsTargets) {
  const auto [nodes, units, n] = GetParam();
  const auto executor = Unpinned(NumaDomains(MadeUpMachine(nodes, units)));
  ASSERT_EQ(executor->workers(), nodes * units);
  const auto check = [&](const auto& chunker) {
    const std::vector<Visit> visits = VisitsOf(*executor, n, chunker);
    ExpectCovered(visits, n);
    if (executor->workers() > 1) ExpectPlaced(*executor, visits, n);
  };
  check(StaticChunk{});
  check(StaticChunk{3});
  check(DynamicChunk{});
  check(DynamicChunk{5});
  check(GuidedChunk{});
  check(GuidedChunk{4});
}

INSTANTIATE_TEST_SUITE_P(Shapes, ExecutorShapeTest,
                         ::testing::Combine(::testing::Values(1, 2, 4), ::testing::Values(1, 2, 3),
                                            ::testing::Values<std::int64_t>(0, 1, 3, 4, 5, 7, 8, 9,
                                                                            31, 32, 33, 997)));

TEST(ExecutorTest, StaticChunksAreTheSameForTheSameWorkerEveryTime) {
  const auto executor = Unpinned(NumaDomains(MadeUpMachine(2, 2)));
  for (const StaticChunk chunker : {StaticChunk{}, StaticChunk{7}}) {
    const std::vector<Visit> first = VisitsOf(*executor, 1001, chunker);
    for (int round = 0; round < 20; ++round) {
      const std::vector<Visit> again = VisitsOf(*executor, 1001, chunker);
      ASSERT_EQ(again.size(), first.size());
      for (std::size_t i = 0; i < first.size(); ++i) {
        EXPECT_EQ(again[i].begin, first[i].begin);
        EXPECT_EQ(again[i].worker, first[i].worker);
      }
    }
  }
}

TEST(ExecutorTest, TargetsOfUnequalSizeSplitElementsByTargetAndThenByWorker) {
  const Machine machine = MadeUpMachine(1, 4);
  const auto executor =
      Unpinned({*Target::Create(machine, {0, 1, 2}), *Target::Create(machine, {3})});
  const std::vector<Visit> visits = VisitsOf(*executor, 12, StaticChunk{});
  ASSERT_EQ(visits.size(), 4u);
  const std::vector<std::int64_t> begins = {0, 2, 4, 6};
  for (int worker = 0; worker < 4; ++worker) {
    EXPECT_EQ(visits[static_cast<std::size_t>(worker)].begin,
              begins[static_cast<std::size_t>(worker)]);
    EXPECT_EQ(visits[static_cast<std::size_t>(worker)].worker, worker);
  }
}

TEST(ExecutorTest, EmptyRangeCallsNobody) {
  const auto executor = Unpinned(EachUnit(MadeUpMachine(1, 2)));
  executor->Bulk(0, StaticChunk{}, [](std::int64_t, std::int64_t, int) { FAIL(); });
  executor->Bulk(0, AutoChunk{}, [](std::int64_t, std::int64_t, int) { FAIL(); });
}

TEST(ExecutorTest, TinyChunksOfAHugeRangeAreMadeLarger) {
  const auto executor = Unpinned(EachUnit(MadeUpMachine(1, 2)));
  const std::int64_t n = 8 * kMostChunks;
  for (const Visit& visit : VisitsOf(*executor, n, DynamicChunk{1})) {
    EXPECT_GE(visit.end - visit.begin, 4) << "half of the range in at most kMostChunks";
  }
  for (const Visit& visit : VisitsOf(*executor, n, StaticChunk{1})) {
    EXPECT_GE(visit.end - visit.begin, 4);
  }
}

TEST(ExecutorTest, AutoChunkDoesAHundredthOnTheCallerAndSizesTheRestByTime) {
  const auto executor = Unpinned(EachUnit(MadeUpMachine(1, 2)));
  testing::VirtualClock clock;
  const AutoChunk chunker{.chunk_ns = 8000, .clock = &clock};
  const auto caller = std::this_thread::get_id();
  std::mutex mutex;
  std::vector<Visit> visits;
  executor->Bulk(10'000, chunker, [&](std::int64_t begin, std::int64_t end, int worker) {
    if (begin == 0) {
      EXPECT_EQ(std::this_thread::get_id(), caller);
      clock.AdvanceNs(100 * (end - begin));  // 100 ns an element: chunks of 80
    }
    const std::lock_guard lock(mutex);
    visits.push_back({begin, end, worker});
  });
  std::ranges::sort(visits, {}, &Visit::begin);
  ExpectCovered(visits, 10'000);
  EXPECT_EQ(visits[0].end, 100);
  EXPECT_EQ(visits[1].end - visits[1].begin, 80);
  visits.erase(visits.begin());
  ExpectPlaced(*executor, visits, 10'000);
}

TEST(ExecutorTest, AutoChunkOfAShortRangeIsStatic) {
  const auto executor = Unpinned(EachUnit(MadeUpMachine(1, 2)));
  EXPECT_EQ(VisitsOf(*executor, 200, AutoChunk{}).size(), 2u);
}

TEST(ExecutorTest, NestedRegionsRunInlineOnTheirWorker) {
  const auto executor = Unpinned(EachUnit(MadeUpMachine(1, 2)));
  const auto other = Unpinned(EachUnit(MadeUpMachine(1, 3)));
  std::atomic<int> inner{0};
  executor->Bulk(2, StaticChunk{}, [&](std::int64_t, std::int64_t, int worker) {
    const auto self = std::this_thread::get_id();
    for (Executor* nested : {executor.get(), other.get()}) {
      nested->Bulk(100, DynamicChunk{7}, [&](std::int64_t begin, std::int64_t end, int) {
        EXPECT_EQ(std::this_thread::get_id(), self);
        EXPECT_EQ(CurrentWorker(), worker);
        inner += static_cast<int>(end - begin);
      });
    }
  });
  EXPECT_EQ(inner, 400);
  EXPECT_EQ(CurrentWorker(), -1);
}

TEST(ExecutorTest, ExceptionsOfAllChunksComeInOneListInOrder) {
  const auto executor = Unpinned(EachUnit(MadeUpMachine(1, 4)));
  std::atomic<int> arrived{0};
  try {
    executor->Bulk(4, StaticChunk{}, [&](std::int64_t begin, std::int64_t, int) {
      // All are inside before the first throws: nothing is cancelled.
      ++arrived;
      while (arrived < 4) std::this_thread::yield();
      throw std::runtime_error(std::to_string(begin));
    });
    FAIL();
  } catch (const ExceptionList& list) {
    ASSERT_EQ(list.exceptions().size(), 4u);
    for (int i = 0; i < 4; ++i) {
      try {
        std::rethrow_exception(list.exceptions()[static_cast<std::size_t>(i)]);
      } catch (const std::runtime_error& error) {
        EXPECT_EQ(error.what(), std::to_string(i));
      }
    }
  }
}

// The frame of the operation is alive as long as a chunk uses it.
TEST(ExecutorTest, OtherChunksAreWaitedForWhenOneThrows) {
  const auto executor = Unpinned(EachUnit(MadeUpMachine(1, 2)));
  std::atomic<bool> thrown{false}, other_done{false};
  EXPECT_THROW(executor->Bulk(2, StaticChunk{},
                              [&](std::int64_t begin, std::int64_t, int) {
                                if (begin == 0) {
                                  thrown = true;
                                  throw 1;
                                }
                                while (!thrown) std::this_thread::yield();
                                for (int i = 0; i < 1000; ++i) std::this_thread::yield();
                                other_done = true;
                              }),
               ExceptionList);
  // The second chunk either never began or was finished.
  int began = 0;
  executor->Bulk(2, StaticChunk{}, [&](std::int64_t, std::int64_t, int worker) {
    if (worker == 0) ++began;
  });
  EXPECT_EQ(began, 1) << "the executor works after an exception";
}

TEST(ExecutorTest, NoFurtherChunkBeginsAfterAnException) {
  const auto executor = Unpinned(EachUnit(MadeUpMachine(1, 2)));
  std::atomic<int> chunks{0};
  EXPECT_THROW(executor->Bulk(kMostChunks, DynamicChunk{1},
                              [&](std::int64_t, std::int64_t, int) {
                                ++chunks;
                                throw 1;
                              }),
               ExceptionList);
  EXPECT_LE(chunks, 2);
}

TEST(ExecutorTest, BadAllocComesAsItself) {
  const auto executor = Unpinned(EachUnit(MadeUpMachine(1, 2)));
  std::atomic<int> arrived{0};
  EXPECT_THROW(executor->Bulk(2, StaticChunk{},
                              [&](std::int64_t begin, std::int64_t, int) {
                                ++arrived;
                                while (arrived < 2) std::this_thread::yield();
                                if (begin == 1) throw std::bad_alloc();
                                throw 1;
                              }),
               std::bad_alloc);
}

TEST(ExecutorTest, ExceptionOnOneWorkerIsAListToo) {
  const auto executor = Unpinned(EachUnit(MadeUpMachine(1, 1)));
  EXPECT_THROW(executor->Bulk(3, StaticChunk{}, [](std::int64_t, std::int64_t, int) { throw 1; }),
               ExceptionList);
}

TEST(ExecutorTest, WithoutTargetsIsAnError) {
  const auto executor = Executor::Create({});
  ASSERT_FALSE(executor.has_value());
  EXPECT_EQ(executor.error().code, ErrorCode::kInvalidArgument);
}

TEST(ExecutorTest, TargetsThatShareAUnitAreAnError) {
  const Machine machine = MadeUpMachine(1, 3);
  EXPECT_FALSE(Executor::Create({*Target::Create(machine, {0, 1}), *Target::Create(machine, {1})},
                                {.pin = false})
                   .has_value());
}

TEST(ExecutorTest, MoreUnitsThanATeamHasWorkersIsAnError) {
  const auto executor =
      Executor::Create(NumaDomains(MadeUpMachine(2, kMostWorkers)), {.pin = false});
  ASSERT_FALSE(executor.has_value());
  EXPECT_EQ(executor.error().code, ErrorCode::kLimit);
}

TEST(ExecutorTest, PinnedWorkersStayOnTheirUnitsAndTheCallerGetsItsOwnBack) {
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  const Machine machine = ThisMachine();
  {
    const auto executor = Executor::Create(EachUnit(machine));
    ASSERT_TRUE(executor.has_value()) << executor.error().message;
    (*executor)->Bulk((*executor)->workers(), StaticChunk{},
                      [&](std::int64_t i, std::int64_t, int) {
                        cpu_set_t set;
                        EXPECT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
                        EXPECT_EQ(CPU_COUNT(&set), 1);
                        const int cpu = machine.units[static_cast<std::size_t>(i)].cpu;
                        EXPECT_TRUE(CPU_ISSET(static_cast<std::size_t>(cpu), &set));
                      });
  }
  ASSERT_EQ(sched_getaffinity(0, sizeof(after), &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST(ExecutorTest, UnitThatTheSystemRefusesIsAnErrorThatNamesIt) {
  const auto executor =
      Executor::Create({*Target::Create({.units = {{.cpu = CPU_SETSIZE + 5}}}, {CPU_SETSIZE + 5})});
  ASSERT_FALSE(executor.has_value());
  EXPECT_EQ(executor.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(executor.error().message.find(std::to_string(CPU_SETSIZE + 5)), std::string::npos);
}

TEST(BorrowingExecutorTest, WorkersOfTheTeamAreSplitOverTheTargets) {
  WorkerTeam team(5);
  Executor executor(team, NumaDomains(MadeUpMachine(2, 8)));
  EXPECT_EQ(executor.workers(), 5);
  std::vector<int> targets;
  for (int w = 0; w < 5; ++w) targets.push_back(executor.TargetOf(w));
  EXPECT_EQ(targets, (std::vector<int>{0, 0, 1, 1, 1}));
  const std::vector<Visit> visits = VisitsOf(executor, 101, DynamicChunk{});
  ExpectCovered(visits, 101);
  ExpectPlaced(executor, visits, 101);
}

TEST(BorrowingExecutorTest, TargetsBeyondTheTeamAreLeftOut) {
  WorkerTeam team(2);
  Executor executor(team, EachUnit(MadeUpMachine(1, 8)));
  EXPECT_EQ(executor.targets().size(), 2u);
  ExpectCovered(VisitsOf(executor, 9, StaticChunk{}), 9);
}

TEST(AsyncTest, TasksGoRoundTheTargetsAndGiveTheirValues) {
  const auto executor = Unpinned(EachUnit(MadeUpMachine(1, 3)));
  std::vector<int> turns;
  std::vector<std::future<int>> futures;
  for (int i = 0; i < 7; ++i) {
    turns.push_back(executor->NextTarget());
    auto future = executor->Async([i] { return i * i; });
    ASSERT_TRUE(future.has_value());
    futures.push_back(std::move(*future));
  }
  EXPECT_EQ(turns, (std::vector<int>{0, 1, 2, 0, 1, 2, 0}));
  for (int i = 0; i < 7; ++i) EXPECT_EQ(futures[static_cast<std::size_t>(i)].get(), i * i);
}

TEST(AsyncTest, ExceptionComesOutOfTheFuture) {
  const auto executor = Unpinned(EachUnit(MadeUpMachine(1, 2)));
  auto future = executor->Async([]() -> int { throw std::runtime_error("no"); });
  ASSERT_TRUE(future.has_value());
  EXPECT_THROW(future->get(), std::runtime_error);
}

TEST(ChunkingTest, GuidedChunksShrinkToTheLeast) {
  EXPECT_EQ((GuidedChunk{4}.Next(100, 8)), 13);
  EXPECT_EQ((GuidedChunk{4}.Next(10, 8)), 4);
}

TEST(ChunkingTest, AutoSizeStaysWithinTheRangeForAnyClock) {
  const AutoChunk chunker{};
  EXPECT_EQ(chunker.SizeFor(100, 0, 5000), 5000) << "a clock that stood still";
  EXPECT_EQ(chunker.SizeFor(100, std::int64_t{1} << 60, 5000), 1);
  EXPECT_EQ(chunker.SizeFor(100, 100 * 800, 5000), 100);
}

}  // namespace
}  // namespace cairn::parallel
