// SPDX-License-Identifier: Apache-2.0
// Matmuls of one thread. Prefill: many rows, tera-operations per second (two per product) and the
// share of the int8 peak that the same run measured. Decode: one row over weights larger than the
// caches, GB/s and the share of a plain read by the same thread.
// Names: prefill/isa/format/outputs/K/rows and decode/isa/format/outputs/K/rows.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "bench_helpers.h"
#include "kernels/kernels.h"

namespace cairn::kernels {
namespace {

using bench::Aligned;
using bench::ThreadSeconds;

template <typename Work>
double BestSeconds(Work work) {
  double best = 1e9;
  for (int i = 0; i < 25; ++i) {
    const double begin = ThreadSeconds();
    work();
    best = std::min(best, ThreadSeconds() - begin);
  }
  return best;
}

double PeakOperations(const Kernels& kernels) {
  constexpr std::int64_t kIterations = 20'000;
  double operations = 0;
  const double seconds = BestSeconds([&] { operations = kernels.int8_peak(kIterations); });
  return operations / seconds;
}

double ReadBandwidth(const Kernels& kernels) {
  AlignedBuffer buffer = Aligned(std::size_t{128} << 20);
  std::fill(buffer.bytes().begin(), buffer.bytes().end(), std::byte{1});
  const double seconds = BestSeconds(
      [&] { benchmark::DoNotOptimize(kernels.read_memory(buffer.data(), buffer.size())); });
  return static_cast<double>(buffer.size()) / seconds;
}

struct Scene {
  Scene(const Kernels& kernels, tensor::Format format, int outputs, int cols, int rows) {
    matrix = {.format = format,
              .rows = outputs,
              .cols = cols,
              .groups = outputs / 16,
              .group_bytes = PackedGroupBytes(format, cols)};
    weights = Aligned(matrix.groups * matrix.group_bytes);
    // Any bytes are weights; small halves keep the sums finite.
    std::fill(weights.bytes().begin(), weights.bytes().end(), std::byte{0x11});
    matrix.data = weights.data();
    const ActivationKind kind = ActivationOf(format);
    tiles = Aligned(PackedRowsBytes(kind, rows, cols));
    std::vector<float> x(static_cast<std::size_t>(cols) * kTileRows);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 37 % 101) - 50.0f;
    for (int row = 0, t = 0; row < rows; row += kTileRows, ++t) {
      kernels.pack_rows(kind, {x.data(), cols}, std::min(kTileRows, rows - row), cols,
                        tiles.data() + t * PackedTileBytes(kind, cols));
    }
    out = Aligned(static_cast<std::size_t>(rows) * outputs * sizeof(float));
  }
  RowsView Out() const { return {reinterpret_cast<float*>(out.data()), matrix.groups * 16}; }

  PackedMatrix matrix;
  AlignedBuffer weights, tiles, out;
};

void Prefill(benchmark::State& state, Isa isa, tensor::Format format, int outputs, int cols,
             int rows, double peak) {
  const Kernels& kernels = KernelsFor(isa);
  const Scene scene(kernels, format, outputs, cols, rows);
  for (auto _ : state) {
    kernels.matmul({&scene.matrix, scene.tiles.data()}, 0, scene.matrix.groups, rows, scene.Out());
    benchmark::ClobberMemory();
  }
  const double operations = 2.0 * outputs * cols * rows * static_cast<double>(state.iterations());
  state.counters["op/s"] = benchmark::Counter(operations, benchmark::Counter::kIsRate);
  state.counters["of_peak"] = benchmark::Counter(operations / peak, benchmark::Counter::kIsRate);
}

void Decode(benchmark::State& state, Isa isa, tensor::Format format, int outputs, int cols,
            int rows, double bandwidth) {
  const Kernels& kernels = KernelsFor(isa);
  const Scene scene(kernels, format, outputs, cols, rows);
  for (auto _ : state) {
    kernels.matmul({&scene.matrix, scene.tiles.data()}, 0, scene.matrix.groups, rows, scene.Out());
    benchmark::ClobberMemory();
  }
  const double bytes =
      static_cast<double>(scene.weights.size()) * static_cast<double>(state.iterations());
  state.counters["B/s"] = benchmark::Counter(bytes, benchmark::Counter::kIsRate);
  state.counters["of_read"] = benchmark::Counter(bytes / bandwidth, benchmark::Counter::kIsRate);
}

void Pack(benchmark::State& state, Isa isa, ActivationKind kind, int cols, int rows) {
  const Kernels& kernels = KernelsFor(isa);
  std::vector<float> x(static_cast<std::size_t>(cols) * rows, 1.5f);
  AlignedBuffer tile = Aligned(PackedTileBytes(kind, cols));
  for (auto _ : state) {
    benchmark::DoNotOptimize(kernels.pack_rows(kind, {x.data(), cols}, rows, cols, tile.data()));
    benchmark::ClobberMemory();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(x.size()));
}

std::string Name(const char* what, Isa isa, std::string_view format, std::initializer_list<int> n) {
  return fmt::format("{}/{}/{}/{}", what, IsaName(isa), format, fmt::join(n, "/"));
}

void Register(Isa isa) {
  const Kernels& kernels = KernelsFor(isa);
  const double peak = PeakOperations(kernels), bandwidth = ReadBandwidth(kernels);
  benchmark::AddCustomContext(fmt::format("{} int8 peak, op/s", IsaName(isa)),
                              fmt::format("{:.3e}", peak));
  benchmark::AddCustomContext(fmt::format("{} read, B/s", IsaName(isa)),
                              fmt::format("{:.3e}", bandwidth));
  for (const tensor::FormatTraits& traits : tensor::kFormats) {
    if (!traits.has_matmul) continue;
    const tensor::Format format = traits.format;
    for (const int cols : {576, 1536}) {
      if (cols % traits.block_values != 0) continue;
      benchmark::RegisterBenchmark(Name("prefill", isa, traits.name, {576, cols, 192}).c_str(),
                                   Prefill, isa, format, 576, cols, 192, peak);
    }
    for (const int rows : {1, 2, 3, 4, 8}) {
      benchmark::RegisterBenchmark(Name("decode", isa, traits.name, {65536, 1536, rows}).c_str(),
                                   Decode, isa, format, 65536, 1536, rows, bandwidth);
    }
  }
  for (const int rows : {1, 12}) {
    benchmark::RegisterBenchmark(Name("pack", isa, "int8", {576, rows}).c_str(), Pack, isa,
                                 ActivationKind::kInt8, 576, rows);
    benchmark::RegisterBenchmark(Name("pack", isa, "float", {576, rows}).c_str(), Pack, isa,
                                 ActivationKind::kFloat, 576, rows);
  }
}

}  // namespace
}  // namespace cairn::kernels

int main(int argc, char** argv) {
  for (const cairn::kernels::Isa isa : cairn::kernels::AvailableIsas()) {
    cairn::kernels::Register(isa);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
