// SPDX-License-Identifier: Apache-2.0
#include "parallel/team.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <thread>

namespace cairn::parallel {
namespace {

class TeamTest : public ::testing::TestWithParam<int> {};

TEST_P(TeamTest, EveryWorkerRunsEveryJobOnce) {
  WorkerTeam team(GetParam());
  std::vector<int> counts(static_cast<std::size_t>(team.size()), 0);
  for (int job = 0; job < 200; ++job) {
    team.Run([&](int worker) { ++counts[static_cast<std::size_t>(worker)]; });
  }
  for (int count : counts) EXPECT_EQ(count, 200);
}

// Each round sums what all workers wrote in the round before: wrong if the barrier lets one ahead.
TEST_P(TeamTest, BarrierMakesAllWritesVisible) {
  WorkerTeam team(GetParam());
  const int n = team.size();
  std::vector<long> values(static_cast<std::size_t>(n), 1);
  std::vector<long> next(static_cast<std::size_t>(n));
  team.Run([&](int worker) {
    for (int round = 0; round < 50; ++round) {
      const long sum = std::accumulate(values.begin(), values.end(), 0L);
      next[static_cast<std::size_t>(worker)] = sum % 1000003;
      team.barrier().Wait();
      values[static_cast<std::size_t>(worker)] = next[static_cast<std::size_t>(worker)];
      team.barrier().Wait();
    }
  });
  long expected = 1;
  for (int round = 0; round < 50; ++round) expected = expected * n % 1000003;
  for (long value : values) EXPECT_EQ(value, expected);
}

TEST_P(TeamTest, ForEachVisitsEveryIndexOnce) {
  WorkerTeam team(GetParam());
  std::vector<std::atomic<int>> visits(1000);
  team.ForEach(1000, [&](std::int64_t i) { ++visits[static_cast<std::size_t>(i)]; });
  for (const auto& count : visits) EXPECT_EQ(count.load(), 1);
}

TEST_P(TeamTest, PhasesDoEveryUnitOnce) {
  WorkerTeam team(GetParam());
  constexpr int kPhases = 300;
  std::vector<std::atomic<int>> visits(kPhases * 7);
  EXPECT_TRUE(team.RunPhases([&](PhaseWalk& walk) {
    for (int phase = 0; phase < kPhases; ++phase) {
      const bool go = walk.Phase(
          phase % 7, [&](std::int64_t i) { ++visits[static_cast<std::size_t>(phase * 7 + i)]; });
      if (!go) return;
    }
  }));
  for (int phase = 0; phase < kPhases; ++phase) {
    for (int i = 0; i < 7; ++i) {
      EXPECT_EQ(visits[static_cast<std::size_t>(phase * 7 + i)].load(), i < phase % 7 ? 1 : 0)
          << "phase " << phase << ", unit " << i;
    }
  }
}

// Both kinds of claims in turn, phases that have fewer units than workers among them.
TEST_P(TeamTest, RangesDoEveryUnitOnce) {
  WorkerTeam team(GetParam());
  constexpr int kPhases = 300, kMost = 23;
  std::vector<std::atomic<int>> visits(kPhases * kMost);
  EXPECT_TRUE(team.RunPhases([&](PhaseWalk& walk) {
    for (int phase = 0; phase < kPhases; ++phase) {
      const auto unit = [&](std::int64_t i) {
        ++visits[static_cast<std::size_t>(phase * kMost + i)];
      };
      if (phase % 3 == 1) {
        walk.Share(phase % kMost, unit);
      } else {
        walk.ShareRanges(phase % kMost, unit);
      }
      if (!walk.Meet()) return;
    }
  }));
  for (int phase = 0; phase < kPhases; ++phase) {
    for (int i = 0; i < kMost; ++i) {
      EXPECT_EQ(visits[static_cast<std::size_t>(phase * kMost + i)].load(),
                i < phase % kMost ? 1 : 0)
          << "phase " << phase << ", unit " << i;
    }
  }
}

TEST_P(TeamTest, RangesOfTheWorkersAreAllUnitsInOrder) {
  WorkerTeam team(GetParam());
  for (const std::int64_t count : {0, 1, 7, 1000}) {
    team.RunPhases([&](PhaseWalk& walk) {
      std::int64_t end = 0;
      for (int worker = 0; worker < team.size(); ++worker) {
        const auto range = walk.RangeOf(worker, count);
        EXPECT_EQ(range.begin, end);
        EXPECT_LE(range.end - range.begin, count / team.size() + 1);
        end = range.end;
      }
      EXPECT_EQ(end, count);
    });
  }
}

// Nobody else comes, so the caller does its own range and then those of the others.
TEST_P(TeamTest, AWorkerDoesItsOwnRangeFirstAndInOrder) {
  WorkerTeam team(GetParam());
  std::atomic<bool> over{false};
  std::vector<std::int64_t> order;
  EXPECT_TRUE(team.RunPhases([&](PhaseWalk& walk) {
    if (walk.worker() != 0) {
      over.wait(false);
    } else {
      walk.ShareRanges(40, [&](std::int64_t i) { order.push_back(i); });
      over = true;
      over.notify_all();
    }
    walk.Meet();
  }));
  std::vector<std::int64_t> expected(40);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(order, expected);
}

// Each phase sums what all units wrote in the one before, as the barrier's test does.
TEST_P(TeamTest, PhaseSeesWhatTheOneBeforeWrote) {
  WorkerTeam team(GetParam());
  constexpr int kUnits = 5;
  for (int job = 0; job < 20; ++job) {
    std::vector<long> values(kUnits, 1), next(kUnits);
    team.RunPhases([&](PhaseWalk& walk) {
      for (int round = 0; round < 50; ++round) {
        const bool go = walk.Phase(kUnits, [&](std::int64_t i) {
          next[static_cast<std::size_t>(i)] =
              std::accumulate(values.begin(), values.end(), 0L) % 1000003;
        });
        if (!go || !walk.Solo([&] { values = next; })) return;
      }
    });
    long expected = 1;
    for (int round = 0; round < 50; ++round) expected = expected * kUnits % 1000003;
    for (long value : values) EXPECT_EQ(value, expected);
  }
}

TEST_P(TeamTest, SoloRunsOnceOnTheCallersThread) {
  WorkerTeam team(GetParam());
  int runs = 0;
  std::thread::id thread;
  team.RunPhases([&](PhaseWalk& walk) {
    walk.Solo([&] {
      ++runs;
      thread = std::this_thread::get_id();
    });
  });
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(thread, std::this_thread::get_id());
}

// The second worker hangs before its first phase, as one that has lost its core: all phases must
// end without it. Were it waited for, the test would hang.
TEST_P(TeamTest, PhasesEndWithoutAWorkerThatIsLate) {
  WorkerTeam team(GetParam());
  std::atomic<bool> over{false};
  std::atomic<int> units{0};
  EXPECT_TRUE(team.RunPhases([&](PhaseWalk& walk) {
    if (walk.worker() == 1) over.wait(false);
    for (int phase = 0; phase < 10; ++phase) {
      if (!walk.Phase(3, [&](std::int64_t) { ++units; })) return;
      walk.ShareRanges(16, [&](std::int64_t) { ++units; });
      if (!walk.Meet()) return;
    }
    over = true;
    over.notify_all();
  }));
  EXPECT_EQ(units.load(), 190);
}

TEST_P(TeamTest, StopEndsAJobBetweenTwoPhases) {
  WorkerTeam team(GetParam());
  for (int job = 0; job < 50; ++job) {
    std::stop_source stop;
    std::atomic<int> units{0};
    EXPECT_FALSE(team.RunPhases(
        [&](PhaseWalk& walk) {
          for (int phase = 0; phase < 1000; ++phase) {
            const bool go = walk.Phase(4, [&](std::int64_t) {
              if (++units == 10) stop.request_stop();
            });
            if (!go) return;
          }
          FAIL() << "a phase went on after the stop";
        },
        stop.get_token()));
    EXPECT_EQ(units.load(), 12);  // the phase of the tenth unit is done to its end
  }
  EXPECT_TRUE(team.RunPhases([](PhaseWalk& walk) { walk.Phase(4, [](std::int64_t) {}); }));
}

TEST_P(TeamTest, JobsOfBothKindsAlternate) {
  WorkerTeam team(GetParam());
  std::atomic<int> calls{0}, units{0};
  for (int job = 0; job < 200; ++job) {
    team.Run([&](int) { ++calls; });
    team.ForEach(3, [&](std::int64_t) { ++units; });
  }
  EXPECT_EQ(calls.load(), 200 * team.size());
  EXPECT_EQ(units.load(), 600);
}

using ThreadIds = std::set<std::string>;

ThreadIds Threads() {
  ThreadIds ids;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    ids.insert(task.path().filename().string());
  }
  return ids;
}

struct ThreadState {
  bool asleep = false;
  std::string switches;  // lines that count how often the thread came on and off a processor
};

ThreadState StateOf(const std::string& id) {
  std::ifstream status("/proc/self/task/" + id + "/status");
  ThreadState state;
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("State:")) state.asleep = line.find("(sleeping)") != std::string::npos;
    if (line.find("ctxt_switches") != std::string::npos) state.switches += line + '\n';
  }
  return state;
}

// A sleeper that nobody wakes is on no processor, however busy the machine is: a clock would
// measure the neighbours too.
TEST_P(TeamTest, IdleWorkersSleepAndStayAsleep) {
  const ThreadIds others = Threads();
  WorkerTeam team(GetParam());
  ThreadIds workers = Threads();
  std::erase_if(workers, [&](const std::string& id) { return others.contains(id); });
  ASSERT_EQ(workers.size(), static_cast<std::size_t>(team.size() - 1));
  team.RunPhases([](PhaseWalk& walk) { walk.Phase(100, [](std::int64_t) {}); });
  for (const std::string& id : workers) {
    // Some worker may not have been on a processor yet: it gets ten seconds.
    ThreadState state = StateOf(id);
    for (int tries = 0; !state.asleep && tries < 1000; ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      state = StateOf(id);
    }
    ASSERT_TRUE(state.asleep) << id;
  }
  std::map<std::string, std::string> before;
  for (const std::string& id : workers) before[id] = StateOf(id).switches;
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  for (const std::string& id : workers) {
    const ThreadState state = StateOf(id);
    EXPECT_TRUE(state.asleep) << id;
    EXPECT_FALSE(state.switches.empty());
    EXPECT_EQ(state.switches, before[id]);
  }
}

int AllowedCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof(set), &set);
  return CPU_COUNT(&set);
}

TEST_P(TeamTest, PinnedWorkersHaveOneProcessorEachAndTheCallerKeepsAll) {
  const int before = AllowedCpus();
  WorkerTeam team(GetParam(), true);
  std::vector<int> allowed(static_cast<std::size_t>(team.size()));
  team.Run([&](int worker) { allowed[static_cast<std::size_t>(worker)] = AllowedCpus(); });
  EXPECT_EQ(allowed[0], before);
  for (std::size_t w = 1; w < allowed.size(); ++w) EXPECT_EQ(allowed[w], 1);
}

INSTANTIATE_TEST_SUITE_P(Sizes, TeamTest, ::testing::Values(1, 2, 3, 8));

}  // namespace
}  // namespace cairn::parallel
