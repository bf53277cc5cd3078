// SPDX-License-Identifier: Apache-2.0
// What meeting costs. Names: kind/workers; the time is of one meeting, wall clock.
//   barrier   all workers wait for each other, nobody is late
//   phase     a phase with one empty unit per worker; nobody is waited for, so mostly the caller
//             does them all: what a phase costs beside its units
//   run       an empty job for every worker, workers still spinning from the one before
//   run_cold  the same after two idle milliseconds: workers sleep on their futex
//   steps     a phased job of one such phase
#include <benchmark/benchmark.h>

#include <chrono>
#include <thread>

#include "parallel/team.h"

namespace cairn::parallel {
namespace {

constexpr int kMeetings = 20'000;

template <typename Work>
void Time(benchmark::State& state, int meetings, Work work) {
  const std::int64_t start = SteadyNs();
  work();
  state.SetIterationTime(1e-9 * static_cast<double>(SteadyNs() - start) / meetings);
}

void BarrierMeeting(benchmark::State& state) {
  WorkerTeam team(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    Time(state, kMeetings, [&] {
      team.Run([&](int) {
        for (int i = 0; i < kMeetings; ++i) team.barrier().Wait();
      });
    });
  }
}

void PhaseMeeting(benchmark::State& state) {
  WorkerTeam team(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    Time(state, kMeetings, [&] {
      team.RunPhases([&](PhaseWalk& walk) {
        for (int i = 0; i < kMeetings; ++i) {
          if (!walk.Phase(team.size(), [](std::int64_t) {})) return;
        }
      });
    });
  }
}

void RunAwake(benchmark::State& state) {
  WorkerTeam team(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    Time(state, 1000, [&] {
      for (int i = 0; i < 1000; ++i) team.Run([](int) {});
    });
  }
}

void RunAsleep(benchmark::State& state) {
  WorkerTeam team(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    Time(state, 1, [&] { team.Run([](int) {}); });
  }
}

void Steps(benchmark::State& state) {
  WorkerTeam team(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    Time(state, 1000, [&] {
      for (int i = 0; i < 1000; ++i) {
        team.RunPhases([&](PhaseWalk& walk) { walk.Phase(team.size(), [](std::int64_t) {}); });
      }
    });
  }
}

void Register(const char* name, void (*body)(benchmark::State&), int iterations) {
  benchmark::RegisterBenchmark(name, body)
      ->UseManualTime()
      ->Iterations(iterations)
      ->Repetitions(5)
      ->ReportAggregatesOnly()
      ->ArgName("workers")
      ->Arg(UsableCores());
}

}  // namespace
}  // namespace cairn::parallel

int main(int argc, char** argv) {
  using namespace cairn::parallel;
  benchmark::Initialize(&argc, argv);
  Register("barrier", BarrierMeeting, 10);
  Register("phase", PhaseMeeting, 10);
  Register("run", RunAwake, 10);
  Register("run_cold", RunAsleep, 100);
  Register("steps", Steps, 10);
  benchmark::RunSpecifiedBenchmarks();
}
