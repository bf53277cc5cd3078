// SPDX-License-Identifier: Apache-2.0
// YCSB's mixes on one ordered map in one process; `index.py` beside this runs all of them.
//
// Usage: index_bench CONTENDER [--keys N] [--threads T] [--operations M] [--zipf]
//                    [--cpu-time | --latency]
// Loads N random keys, then runs M operations of each workload in this order: C (look-ups of keys
// that are there), E (95 % scans of 1 to 100 entries, 5 % inserts), B (95 % look-ups, 5 % inserts),
// A (half and half). Which keys are looked up is uniform or Zipf 0.99; inserted ones are new.
// Prints one JSON object: millions of operations per second by workload. Exits 1 where a key is
// missing. --cpu-time: by the processor time of the slowest thread, for one thread on a machine
// that has other work. --latency: only A, every operation timed alone (batches would hide stalls);
// nanoseconds at p50, p99, p99.9 and the longest.
#include <fmt/format.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <latch>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "contender.h"

namespace cairn::bench {
namespace {

struct Options {
  std::string contender;
  std::uint64_t keys = 1'000'000;
  std::uint64_t operations = 1'000'000;
  int threads = 1;
  bool zipf = false;
  bool cpu_time = false;
  bool latency = false;
};

// The i-th key: a bijection, so that keys are random and never meet.
std::uint64_t KeyOf(std::uint64_t i) {
  i = (i ^ i >> 30) * 0xbf58476d1ce4e5b9U;
  i = (i ^ i >> 27) * 0x94d049bb133111ebU;
  return i ^ i >> 31;
}

// Ranks in [0, n) with probability falling as rank^-0.99; by Gray and others, "Quickly generating
// billion-record synthetic databases", 1994.
class Zipf {
 public:
  explicit Zipf(std::uint64_t n) : n_(static_cast<double>(n)) {
    for (std::uint64_t i = 1; i <= n; ++i) zeta_ += std::pow(static_cast<double>(i), -kTheta);
    const double zeta2 = 1 + std::pow(2, -kTheta);
    eta_ = (1 - std::pow(2 / n_, 1 - kTheta)) / (1 - zeta2 / zeta_);
  }
  std::uint64_t Rank(double uniform) const {
    const double scaled = uniform * zeta_;
    if (scaled < 1) return 0;
    if (scaled < 1 + std::pow(0.5, kTheta)) return 1;
    const double rank = n_ * std::pow(eta_ * uniform - eta_ + 1, 1 / (1 - kTheta));
    return static_cast<std::uint64_t>(std::clamp(rank, 0.0, n_ - 1));
  }

 private:
  static constexpr double kTheta = 0.99;
  double n_, zeta_ = 0, eta_ = 0;
};

struct Operation {
  std::uint64_t key;
  int scan;  // entries; 0: a look-up; -1: an insert
};

struct Mix {
  const char* name;
  double inserts;
  bool scans;
};

// One thread's operations, made beforehand. New keys have numbers from `fresh` on.
std::vector<Operation> Plan(const Options& options, const Mix& mix, const Zipf* zipf,
                            std::uint64_t count, std::uint64_t fresh, unsigned seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform;
  std::vector<Operation> plan(count);
  for (Operation& operation : plan) {
    if (uniform(random) < mix.inserts) {
      operation = {KeyOf(fresh++), -1};
      continue;
    }
    // Ranks are scattered over the keys, as YCSB does.
    const std::uint64_t number = zipf != nullptr ? KeyOf(zipf->Rank(uniform(random))) % options.keys
                                                 : random() % options.keys;
    operation = {KeyOf(number), mix.scans ? static_cast<int>(random() % 100) + 1 : 0};
  }
  return plan;
}

double Now(bool cpu_time) {
  if (!cpu_time) return 1e-9 * static_cast<double>(SystemClock().NowNs());
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Seconds until all threads have run work(thread).
template <typename Work>
double Time(const Options& options, Work&& work) {
  std::latch start(options.threads);
  std::vector<double> begins(options.threads), ends(options.threads);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < options.threads; ++t) {
      threads.emplace_back([&, t] {
        start.arrive_and_wait();
        begins[t] = Now(options.cpu_time);
        work(t);
        ends[t] = Now(options.cpu_time);
      });
    }
  }
  double seconds = 0;
  for (int t = 0; t < options.threads; ++t) {
    const double begin = options.cpu_time ? begins[t] : *std::ranges::min_element(begins);
    seconds = std::max(seconds, ends[t] - begin);
  }
  return seconds;
}

std::uint64_t RunOne(Contender& map, const Operation& operation, std::uint64_t& missing) {
  if (operation.scan > 0) return map.Scan(operation.key, operation.scan);
  if (operation.scan < 0) {
    map.Insert(operation.key, operation.key ^ 1);
    return 1;
  }
  std::uint64_t value = 0;
  if (!map.Find(operation.key, value) || value != (operation.key ^ 1)) ++missing;
  return value;
}

std::uint64_t RunPlan(Contender& map, const std::vector<Operation>& plan, std::uint64_t& missing) {
  std::uint64_t sum = 0;
  for (const Operation& operation : plan) sum += RunOne(map, operation, missing);
  return sum;
}

std::unique_ptr<Contender> Make(const Options& options) {
  if (options.contender == "cairn") return MakeCairn(options.keys);
  if (options.contender == "tbb") return MakeTbb();
  if (options.contender == "btree") return MakeLockedBtree();
  if (options.contender == "map") return MakeLockedMap();
  if (options.contender == "skiplist") return MakeSkiplist();
  return nullptr;
}

// Each operation of mix A timed alone, all threads at once; the JSON of their latencies in ns.
std::string Latencies(const Options& options, Contender& map) {
  const std::uint64_t each = options.operations / static_cast<std::uint64_t>(options.threads);
  std::vector<std::vector<Operation>> plans;
  std::vector<std::vector<std::int64_t>> times(static_cast<std::size_t>(options.threads));
  for (int t = 0; t < options.threads; ++t) {
    plans.push_back(Plan(options, {"a", 0.5, false}, nullptr, each,
                         options.keys + static_cast<std::uint64_t>(t) * each,
                         static_cast<unsigned>(t) + 1));
    times[static_cast<std::size_t>(t)].reserve(each);
  }
  Time(options, [&](int t) {
    std::uint64_t missing = 0;
    const SystemClock clock;
    for (const Operation& operation : plans[t]) {
      const std::int64_t begin = clock.NowNs();
      RunOne(map, operation, missing);
      times[t].push_back(clock.NowNs() - begin);
    }
  });
  std::vector<std::int64_t> all;
  for (const auto& some : times) all.insert(all.end(), some.begin(), some.end());
  std::ranges::sort(all);
  const auto at = [&](double share) {
    return all[static_cast<std::size_t>(share * static_cast<double>(all.size() - 1))];
  };
  return fmt::format(R"("ns": {{"p50": {}, "p99": {}, "p99.9": {}, "max": {}}})", at(0.5), at(0.99),
                     at(0.999), all.back());
}

int Run(const Options& options) {
  const std::unique_ptr<Contender> map = Make(options);
  if (map == nullptr) {
    fmt::print(stderr, "index_bench: no contender '{}'\n", options.contender);
    return 1;
  }
  const auto threads = static_cast<std::uint64_t>(options.threads);
  const double load = Time(options, [&](int t) {
    for (std::uint64_t i = t; i < options.keys; i += threads) {
      map->Insert(KeyOf(i), KeyOf(i) ^ 1);
    }
  });
  if (options.latency) {
    fmt::print(R"({{"contender": "{}", "keys": {}, "threads": {}, {}}})"
               "\n",
               options.contender, options.keys, threads, Latencies(options, *map));
    return 0;
  }
  std::string json = fmt::format(
      R"({{"contender": "{}", "keys": {}, "threads": {}, "mops": {{"load": {:.4f})",
      options.contender, options.keys, threads, 1e-6 * static_cast<double>(options.keys) / load);
  std::unique_ptr<Zipf> zipf;
  if (options.zipf) zipf = std::make_unique<Zipf>(options.keys);
  std::atomic<std::uint64_t> missing{0}, sum{0};
  std::uint64_t fresh = options.keys;
  unsigned seed = 1;
  for (const Mix mix :
       {Mix{"c", 0, false}, {"e", 0.05, true}, {"b", 0.05, false}, {"a", 0.5, false}}) {
    const std::uint64_t each = options.operations / threads;
    std::vector<std::vector<Operation>> plans;
    for (std::uint64_t t = 0; t < threads; ++t, fresh += each) {
      plans.push_back(Plan(options, mix, zipf.get(), each, fresh, seed++));
    }
    const double seconds = Time(options, [&](int t) {
      std::uint64_t mine = 0;
      sum += RunPlan(*map, plans[t], mine);
      missing += mine;
    });
    json += fmt::format(R"(, "{}": {:.4f})", mix.name,
                        1e-6 * static_cast<double>(each * threads) / seconds);
  }
  if (missing != 0 || sum == 0) {
    fmt::print(stderr, "index_bench: {} misses {} keys\n", options.contender, missing.load());
    return 1;
  }
  fmt::print("{}}}}}\n", json);
  return 0;
}

}  // namespace
}  // namespace cairn::bench

int main(int argc, char** argv) {
  cairn::bench::Options options;
  CLI::App app("YCSB's mixes on one ordered map");
  app.add_option("contender", options.contender)->required();
  app.add_option("--keys", options.keys)->check(CLI::Range(1, 1'000'000'000));
  app.add_option("--operations", options.operations)->check(CLI::Range(1, 1'000'000'000));
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 64));
  app.add_flag("--zipf", options.zipf);
  app.add_flag("--cpu-time", options.cpu_time);
  app.add_flag("--latency", options.latency);
  CLI11_PARSE(app, argc, argv);
  return cairn::bench::Run(options);
}
