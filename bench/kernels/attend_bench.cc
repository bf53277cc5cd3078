// SPDX-License-Identifier: Apache-2.0
// Attention of one KV head's group by the format of the tiles, one thread. Prefill counts two
// operations per product and sum of both products over visible positions only; decode counts the
// bytes of KV that it reads. Names: isa/format/head_dim/group/positions.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "bench_helpers.h"
#include "kernels/kernels.h"

namespace cairn::kernels {
namespace {

using bench::Aligned;

// A cache of one KV head with `positions` stored, and as many rows of queries.
struct Scene {
  Scene(const Kernels& kernels, KvFormat format, int head_dim, int group, int positions)
      : queries(static_cast<std::size_t>(positions) * group * head_dim),
        out(queries.size()),
        scratch(Aligned(sizeof(float) * AttendScratchFloats(head_dim, group))) {
    std::uint32_t random = 1;
    const auto value = [&random] {
      random = random * 1664525u + 1013904223u;
      return static_cast<float>(random >> 8) * 0x1p-23f - 1.0f;
    };
    for (float& q : queries) q = value();
    for (int t = 0; t < (positions + kTilePositions - 1) / kTilePositions; ++t) {
      buffers.push_back(Aligned(KvLayerBytes(format, head_dim, 1)));
      tiles.push_back(buffers.back().data());
    }
    view = {.kv = {tiles.data(), 0, head_dim, 1, format},
            .q = {queries.data(), group * head_dim},
            .out = {out.data(), group * head_dim},
            .group = group,
            .scale = 1 / std::sqrt(static_cast<float>(head_dim))};
    std::vector<float> row(head_dim);
    for (int p = 0; p < positions; ++p) {
      for (float& x : row) x = value();
      kernels.store_kv(view.kv, 0, {row.data(), head_dim}, {row.data(), head_dim}, p, 1);
    }
  }
  float* Scratch() { return reinterpret_cast<float*>(scratch.data()); }

  std::vector<float> queries, out;
  AlignedBuffer scratch;
  std::vector<AlignedBuffer> buffers;
  std::vector<std::byte*> tiles;
  AttendView view;
};

void Prefill(benchmark::State& state, Isa isa, KvFormat format, int head_dim, int group,
             int positions) {
  const Kernels& kernels = KernelsFor(isa);
  Scene scene(kernels, format, head_dim, group, positions);
  for (auto _ : state) {
    for (int r = 0; r < positions; r += kAttendRows) {
      kernels.attend(scene.view, 0, r, std::min(r + kAttendRows, positions), scene.Scratch());
    }
    benchmark::ClobberMemory();
  }
  const double visible = 0.5 * positions * (positions + 1.0) * group;
  state.counters["flop/s"] =
      benchmark::Counter(visible * head_dim * 4 * state.iterations(), benchmark::Counter::kIsRate);
}

void Decode(benchmark::State& state, Isa isa, KvFormat format, int head_dim, int group,
            int positions) {
  const Kernels& kernels = KernelsFor(isa);
  Scene scene(kernels, format, head_dim, group, positions);
  for (auto _ : state) {
    kernels.attend(scene.view, 0, positions - 1, positions, scene.Scratch());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * std::int64_t{positions} *
                          static_cast<std::int64_t>(KvHeadBytes(format, head_dim)) /
                          kTilePositions);
}

}  // namespace
}  // namespace cairn::kernels

int main(int argc, char** argv) {
  using namespace cairn::kernels;  // NOLINT: one function
  const auto add = [](Isa isa, KvFormat format, int head_dim, int group) {
    const char* const names[] = {"f32", "f16", "q8"};
    const auto name = [&](const char* what, int positions) {
      return fmt::format("{}/{}/{}/{}/{}/{}", what, IsaName(isa), names[static_cast<int>(format)],
                         head_dim, group, positions);
    };
    benchmark::RegisterBenchmark(name("prefill", 512).c_str(), Prefill, isa, format, head_dim,
                                 group, 512);
    benchmark::RegisterBenchmark(name("decode", 2048).c_str(), Decode, isa, format, head_dim, group,
                                 2048);
  };
  for (const Isa isa : AvailableIsas()) {
    for (const KvFormat format : {KvFormat::kF32, KvFormat::kF16, KvFormat::kQ8}) {
      for (const auto& [head_dim, group] :
           {std::pair{64, 3}, {80, 4}, {96, 1}, {128, 4}, {256, 4}}) {
        add(isa, format, head_dim, group);
      }
    }
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
