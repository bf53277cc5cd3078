// SPDX-License-Identifier: Apache-2.0
// What pages of KV cost attention: the f16 kernel of the engine, built for tiles of
// CAIRN_TILE_POSITIONS positions, over tiles that lie side by side and over tiles in random places.
//
// Prints one line of JSON for each way: microseconds per KV head of SmolLM2's shape (three query
// heads of 64 channels), of one row at 4,096 positions and of a chunk of 64 rows that ends there;
// median, least and most of all rounds. Every layer and head has KV of its own, 94 MB, so that
// it comes from memory as in a step.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <random>
#include <string_view>
#include <vector>

#include "bench_helpers.h"
#include "kernels/isa/attend_float.cc"  // NOLINT: with another size of tile

namespace cairn::kernels::CAIRN_ISA {
namespace {

constexpr int kDim = 64, kGroup = 3, kHeads = 3, kLayers = 30;
constexpr int kPositions = 4096;
constexpr int kTiles = kPositions / kTilePositions;
constexpr std::size_t kTileBytes = KvLayerBytes(KvFormat::kF16, kDim, kHeads);
constexpr int kRounds = 15;

struct Kv {
  AlignedBuffer memory;
  std::vector<std::byte*> tiles;  // of one layer after the other
};

Kv MakeKv(bool scattered) {
  Kv kv{bench::Aligned(kTileBytes * kTiles * kLayers), {}};
  std::vector<std::size_t> places(static_cast<std::size_t>(kTiles * kLayers));
  std::iota(places.begin(), places.end(), 0);
  std::mt19937_64 random(16);
  if (scattered) std::ranges::shuffle(places, random);
  for (const std::size_t place : places) {
    kv.tiles.push_back(kv.memory.data() + place * kTileBytes);
  }
  auto* values = reinterpret_cast<std::uint16_t*>(kv.memory.data());
  for (std::size_t i = 0; i < kTileBytes * kTiles * kLayers / 2; ++i) {
    values[i] = static_cast<std::uint16_t>(0x2c00 | (random() & 0x83ff));  // 1/16 to 1/8
  }
  return kv;
}

double Once(const Kv& kv, int rows, const float* q, float* out, float* scratch) {
  const double begin = bench::ThreadSeconds();
  for (int layer = 0; layer < kLayers; ++layer) {
    const AttendView view{.kv = {kv.tiles.data() + layer * kTiles, 0, kDim, kHeads, KvFormat::kF16},
                          .q = {q, kHeads * kGroup * kDim},
                          .out = {out, kHeads * kGroup * kDim},
                          .first = kPositions - rows,
                          .group = kGroup,
                          .scale = 0.125f};
    for (int head = 0; head < kHeads; ++head) {
      for (int row = 0; row < rows; row += kAttendRows) {
        AttendF16(view, head, row, std::min(row + kAttendRows, rows), scratch);
      }
    }
  }
  return (bench::ThreadSeconds() - begin) * 1e6 / kLayers / kHeads;
}

void Measure(bool scattered) {
  const Kv kv = MakeKv(scattered);
  constexpr int kMostRows = 64;
  std::vector<float> q(kMostRows * kHeads * kGroup * kDim, 0.5f), out(q.size());
  const AlignedBuffer scratch = bench::Aligned(std::size_t{8} << 20);
  auto* floats = reinterpret_cast<float*>(scratch.data());
  for (const int rows : {1, kMostRows}) {
    std::vector<double> us;
    for (int round = -1; round < kRounds; ++round) {
      const double once = Once(kv, rows, q.data(), out.data(), floats);
      if (round >= 0) us.push_back(once);
    }
    std::ranges::sort(us);
    fmt::print(R"({{"tile": {}, "places": "{}", "rows": {}, "us": [{:.1f}, {:.1f}, {:.1f}]}})"
               "\n",
               kTilePositions, scattered ? "random" : "side by side", rows, us[kRounds / 2],
               us.front(), us.back());
  }
}

}  // namespace
}  // namespace cairn::kernels::CAIRN_ISA

int main() {
  cairn::kernels::CAIRN_ISA::Measure(false);
  cairn::kernels::CAIRN_ISA::Measure(true);
  return EXIT_SUCCESS;
}
