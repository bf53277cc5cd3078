// SPDX-License-Identifier: Apache-2.0
// STREAM by its protocol, one contender in one process, so that no runtime's threads and bindings
// disturb another's. `stream.py` beside this runs all of them in alternating order.
//
// Usage: stream_bench CONTENDER [--elements N] [--repeats R] [--threads T] [--empty N]
//                     [--launch-ns N]
// Prints one JSON object: the best GB/s (1e9 bytes) of repeats 2..R of each loop, and nanoseconds
// of an empty parallel region (median and least of 100 batches). Exits 1 where results are wrong.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "base/clock.h"
#include "contender.h"
#include "parallel/team.h"

namespace cairn::bench {
namespace {

constexpr double kScalar = 3;

struct Options {
  std::string contender;
  std::int64_t elements = 0;
  int repeats = 20;
  int threads = 0;
  int empty = 20'000;
  std::int64_t launch_ns = 5'000;
};

// Bytes of the largest cache that the system names.
std::int64_t LastLevelBytes() {
  std::int64_t most = std::int64_t{8} << 20;
  for (int i = 0; i < 8; ++i) {
    std::ifstream file(fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/size", i));
    std::int64_t size = 0;
    std::string unit;
    if (file >> size >> unit) most = std::max(most, size << (unit == "M" ? 20 : 10));
  }
  return most;
}

struct Loop {
  const char* name;
  int bytes;  // per element
  double best_seconds = 1e30;
};

// Runs the repeats; what the arrays must hold afterwards.
struct Expected {
  double a = 2, b = 2, c = 0;  // the probe has doubled a
};
Expected RunRepeats(Contender& contender, const Options& options, std::vector<Loop>& loops) {
  const SystemClock clock;
  Expected expected;
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    for (std::size_t i = 0; i < loops.size(); ++i) {
      const std::int64_t begin = clock.NowNs();
      switch (i) {
        case 0: contender.CopyLoop(); break;
        case 1: contender.CopyMemmove(); break;
        case 2: contender.Scale(kScalar); break;
        case 3: contender.Add(); break;
        default: contender.Triad(kScalar);
      }
      const double seconds = 1e-9 * static_cast<double>(clock.NowNs() - begin);
      // The first repeat warms caches, pages and threads up.
      if (repeat > 0) loops[i].best_seconds = std::min(loops[i].best_seconds, seconds);
    }
    expected.c = expected.a;
    expected.b = kScalar * expected.c;
    expected.c = expected.a + expected.b;
    expected.a = expected.b + kScalar * expected.c;
  }
  return expected;
}

double RelativeError(const double* values, std::int64_t n, double expected) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += std::abs(values[i] - expected);
  return sum / static_cast<double>(n) / expected;
}

struct EmptyTimes {
  double median_ns, least_ns;
};
EmptyTimes TimeEmpty(Contender& contender, int count) {
  const SystemClock clock;
  constexpr int kBatches = 100;
  const int each = std::max(1, count / kBatches);
  std::vector<double> times;
  for (int batch = 0; batch < kBatches; ++batch) {
    const std::int64_t begin = clock.NowNs();
    for (int i = 0; i < each; ++i) contender.Empty();
    times.push_back(static_cast<double>(clock.NowNs() - begin) / each);
  }
  std::ranges::sort(times);
  return {times[kBatches / 2], times[0]};
}

int Run(Options options) {
  if (options.elements == 0) options.elements = 4 * LastLevelBytes() / 8;
  if (options.threads == 0) options.threads = parallel::UsableCores();
  std::unique_ptr<Contender> contender;
  if (options.contender == "cairn") contender = MakeCairn(options.threads);
  if (options.contender == "openmp") contender = MakeOpenMp(options.threads);
  if (options.contender == "threads") contender = MakeThreads(options.threads);
  if (options.contender == "tbb") contender = MakeTbb(options.threads);
  if (options.contender == "loopback") {
    contender = MakeLoopback(options.launch_ns);
    options.threads = 1;
  }
  if (contender == nullptr) {
    fmt::print(stderr, "stream_bench: no contender '{}' with {} threads on this machine\n",
               options.contender, options.threads);
    return 1;
  }
  if (!contender->Prepare(options.elements)) {
    fmt::print(stderr, "stream_bench: no memory for 3 arrays of {} MB\n", options.elements >> 17);
    return 1;
  }
  contender->Probe();
  std::vector<Loop> loops = {
      {"copy_loop", 16}, {"copy_memmove", 16}, {"scale", 16}, {"add", 24}, {"triad", 24}};
  const Expected expected = RunRepeats(*contender, options, loops);
  const Arrays arrays = contender->Results();
  const double error = std::max({RelativeError(arrays.a, options.elements, expected.a),
                                 RelativeError(arrays.b, options.elements, expected.b),
                                 RelativeError(arrays.c, options.elements, expected.c)});
  const EmptyTimes empty = TimeEmpty(*contender, options.empty);
  std::string speeds;
  for (const Loop& loop : loops) {
    const double bytes = static_cast<double>(loop.bytes) * static_cast<double>(options.elements);
    speeds += fmt::format(R"("{}": {:.4f}, )", loop.name, bytes / loop.best_seconds / 1e9);
  }
  fmt::print(
      R"({{"contender": "{}", "threads": {}, "elements": {}, "repeats": {}, "gb_s": {{{}}}, )"
      R"("empty_ns": {:.0f}, "empty_least_ns": {:.0f}, "error": {:.3g}}})"
      "\n",
      options.contender, options.threads, options.elements, options.repeats,
      speeds.substr(0, speeds.size() - 2), empty.median_ns, empty.least_ns, error);
  if (!(error < 1e-13)) {
    fmt::print(stderr, "stream_bench: the arrays of '{}' are wrong\n", options.contender);
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  CLI::App app("STREAM, one contender", "stream_bench");
  cairn::bench::Options options;
  app.add_option("contender", options.contender, "cairn, openmp, threads, tbb or loopback")
      ->required();
  app.add_option("--elements", options.elements, "Of each array; default: 4 last-level caches")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 34));
  app.add_option("--repeats", options.repeats, "")->check(CLI::Range(2, 1'000'000));
  app.add_option("--threads", options.threads, "Default: the cores")->check(CLI::Range(1, 256));
  app.add_option("--empty", options.empty, "Empty regions timed")
      ->check(CLI::Range(1, 100'000'000));
  app.add_option("--launch-ns", options.launch_ns, "What a launch on the loopback device takes")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1'000'000'000}));
  CLI11_PARSE(app, argc, argv);
  return cairn::bench::Run(options);
}
