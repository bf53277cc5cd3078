// SPDX-License-Identifier: Apache-2.0
#include "apps/peaks.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <vector>

#include "base/aligned_buffer.h"

namespace cairn::apps {
namespace {

constexpr int kRounds = 5;
constexpr std::size_t kBytes = std::size_t{1} << 30;
constexpr std::int64_t kIterations = 5'000'000;  // some tens of milliseconds

double Seconds(parallel::WorkerTeam& team, const std::function<void(int)>& job) {
  const auto start = std::chrono::steady_clock::now();
  team.Run(job);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Result<Peaks> MeasurePeaks(const kernels::Kernels& kernels, parallel::WorkerTeam& team) {
  AlignedBuffer memory = OR_RETURN(AlignedBuffer::Allocate(kBytes));
  const auto workers = static_cast<std::size_t>(team.size());
  const std::size_t slice = kBytes / workers / 64 * 64;
  // Each worker touches what it will read: its pages are its own.
  team.Run([&](int worker) {
    std::memset(memory.data() + static_cast<std::size_t>(worker) * slice, 1, slice);
  });
  Peaks peaks;
  std::atomic<std::uint64_t> seen{0};  // keeps the reads from being left out
  std::vector<double> operations(workers);
  for (int round = 0; round < kRounds; ++round) {
    const double reading = Seconds(team, [&](int worker) {
      seen += kernels.read_memory(memory.data() + static_cast<std::size_t>(worker) * slice, slice);
    });
    peaks.bandwidth_gb_s =
        std::max(peaks.bandwidth_gb_s, static_cast<double>(slice * workers) / reading / 1e9);
    const double computing = Seconds(team, [&](int worker) {
      operations[static_cast<std::size_t>(worker)] = kernels.int8_peak(kIterations);
    });
    double total = 0;
    for (const double count : operations) total += count;
    peaks.int8_tops = std::max(peaks.int8_tops, total / computing / 1e12);
  }
  return peaks;
}

}  // namespace cairn::apps
