// SPDX-License-Identifier: Apache-2.0
// The experiment of systems/19: tiles of one arena against tiles that are mapped into a contiguous
// range per sequence, over one trace of requests, with the layout of SmolLM2 135M in f16.
//
// For each way: what getting memory costs in a step (the calls and the first touch of fresh pages),
// system calls, and the most memory that was held; beside it what a reservation for the whole
// context and pages of 16 tokens would have held. Then attention over either kind of memory.
// Lengths follow a lognormal law; the seed is in the code. Needs about 1 GB.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/check.h"
#include "kernels/kernels.h"
#include "kv/mapped_memory.h"
#include "kv/pool.h"
#include "kv/sequence_tiles.h"

namespace cairn::kv {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::int64_t kTile = kernels::kTilePositions;
constexpr std::int64_t kContext = 2048;
constexpr std::size_t kBudget = std::size_t{768} << 20;
constexpr int kSlots = 16;                               // requests that run at once
constexpr int kRequests = 1000;                          // all of them
constexpr auto kStep = std::chrono::microseconds(1500);  // what the rest of a step takes

KvLayout Layout() {
  return LayOut(std::vector<program::KvLayer>(30, {.heads = 3, .head_dim = 64, .window = 0}),
                kernels::KvFormat::kF16);
}

struct Request {
  std::int64_t prompt = 0, answer = 0;
};
std::vector<Request> Trace() {
  std::mt19937_64 random(19);
  std::lognormal_distribution<double> prompt(5.3, 0.9), answer(3.0, 0.7);
  std::vector<Request> trace;
  for (int i = 0; i < kRequests; ++i) {
    trace.push_back({std::clamp<std::int64_t>(std::llround(prompt(random)), 8, 1500),
                     std::clamp<std::int64_t>(std::llround(answer(random)), 4, 200)});
  }
  return trace;
}

struct Way {
  const char* name;
  KvBackend backend;
  bool ahead, keep;
};

struct Outcome {
  std::vector<double> decode_us;  // steps that only decode
  double prompt_ms = 0;           // all steps that take a prompt
  std::size_t most = 0, most_static = 0, most_pages16 = 0;
  MappingCounts counts;
};

struct Running {
  SequenceTiles tiles;
  std::int64_t size = 0, end = 0, tiles_touched = 0;
};

// Fresh pages are zeroed when they are first written: that is part of what memory costs.
void Touch(Running& running, std::size_t tile_bytes) {
  for (; running.tiles_touched * kTile < running.size; ++running.tiles_touched) {
    std::byte* tile = running.tiles.tiles(0)[running.tiles_touched];
    for (std::size_t i = 0; i < tile_bytes; i += 4096) tile[i] = std::byte{1};
  }
}

Outcome Run(const Way& way, const std::vector<Request>& trace) {
  auto pool = KvPool::Create(Layout(), {.budget_bytes = kBudget,
                                        .backend = way.backend,
                                        .most_positions = kContext,
                                        .map_ahead = way.ahead,
                                        .keep_mapped = way.keep});
  CAIRN_CHECK(pool.has_value());
  const std::size_t tile_bytes = (*pool)->tile_bytes(0);
  const std::size_t token_bytes = (*pool)->layout().bytes_per_token();
  Outcome outcome;
  std::vector<std::unique_ptr<Running>> running;
  std::size_t next = 0;
  while (next < trace.size() || !running.empty()) {
    const auto begin = Clock::now();
    bool prompt = false;
    std::size_t pages16 = 0;
    std::erase_if(running, [](const auto& r) { return r->size >= r->end; });
    for (auto& r : running) {
      CAIRN_CHECK(r->tiles.Grow(r->size, r->size + 1).has_value());
      ++r->size;
      Touch(*r, tile_bytes);
    }
    if (running.size() < kSlots && next < trace.size()) {
      auto r = std::make_unique<Running>(Running{SequenceTiles(**pool)});
      CAIRN_CHECK(r->tiles.Grow(0, trace[next].prompt).has_value());
      r->size = trace[next].prompt;
      r->end = r->size + trace[next].answer;
      Touch(*r, tile_bytes);
      running.push_back(std::move(r));
      prompt = true;
      ++next;
    }
    const double us = std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
    if (prompt) {
      outcome.prompt_ms += us / 1e3;
    } else {
      outcome.decode_us.push_back(us);
    }
    for (const auto& r : running) {
      pages16 += static_cast<std::size_t>((r->size + 15) / 16 * 16) * token_bytes;
    }
    outcome.most_pages16 = std::max(outcome.most_pages16, pages16);
    const auto until = Clock::now() + kStep;  // the step's arithmetic, which needs the core
    while (Clock::now() < until) {
    }
  }
  outcome.most = (*pool)->use().most_used;
  outcome.most_static = kSlots * static_cast<std::size_t>(kContext) * token_bytes;
  if (MappedMemory* mapped = (*pool)->mapped()) outcome.counts = mapped->counts();
  std::ranges::sort(outcome.decode_us);
  return outcome;
}

// Microseconds of one row's attention at 2,000 positions in one layer and head.
double AttendUs(KvBackend backend) {
  auto pool = KvPool::Create(
      Layout(), {.budget_bytes = kBudget, .backend = backend, .most_positions = kContext});
  CAIRN_CHECK(pool.has_value());
  const kernels::Kernels& kernels = kernels::KernelsFor(kernels::AvailableIsas().back());
  SequenceTiles tiles(**pool), other(**pool);
  for (std::int64_t size = 0; size < 2000;
       size += 50) {  // in turns, so that tiles are not in order
    CAIRN_CHECK(tiles.Grow(size, size + 50).has_value());
    CAIRN_CHECK(other.Grow(size, size + 50).has_value());
  }
  std::vector<float> row(3 * 64, 0.25f), q(9 * 64, 0.5f), out(9 * 64);
  auto scratch = AlignedBuffer::Allocate(sizeof(float) * kernels::AttendScratchFloats(64, 3));
  CAIRN_CHECK(scratch.has_value());
  double best = 1e9;
  const int layers = static_cast<int>((*pool)->layout().layers.size());
  for (int round = 0; round < 9; ++round) {
    double us = 0;
    for (int layer = 0; layer < layers; ++layer) {
      kernels::AttendView view{
          .kv = {tiles.tiles(0), (*pool)->layout().layers[static_cast<std::size_t>(layer)].offset,
                 64, 3, kernels::KvFormat::kF16},
          .q = {q.data(), 9 * 64},
          .out = {out.data(), 9 * 64},
          .first = 1999,
          .group = 3,
          .scale = 0.125f};
      if (round == 0) {
        for (int p = 0; p < 2000; ++p) {
          for (int head = 0; head < 3; ++head) {
            kernels.store_kv(view.kv, head, {row.data(), 3 * 64}, {row.data(), 3 * 64}, p, 1);
          }
        }
      }
      const auto begin = Clock::now();
      for (int head = 0; head < 3; ++head) {
        kernels.attend(view, head, 0, 1, reinterpret_cast<float*>(scratch->data()));
      }
      us += std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
    }
    if (round > 0) best = std::min(best, us / layers / 3);
  }
  return best;
}

void Main() {
  const std::vector<Request> trace = Trace();
  constexpr Way kWays[] = {{"arena", KvBackend::kArena, false, false},
                           {"mapped, ahead, kept mapped", KvBackend::kMapped, true, true},
                           {"mapped, in the step, kept mapped", KvBackend::kMapped, false, true},
                           {"mapped, ahead, unmapped at the end", KvBackend::kMapped, true, false}};
  fmt::print("{} requests, {} at once; decode steps: time to get memory, us\n", kRequests, kSlots);
  fmt::print("{:36} {:>7} {:>7} {:>8} {:>10} {:>8} {:>8} {:>8} {:>8}\n", "way", "p50", "p99", "max",
             "prompts ms", "maps", "ahead", "found", "unmaps");
  Outcome last;
  for (const Way& way : kWays) {
    const Outcome o = Run(way, trace);
    const auto at = [&](double share) {
      return o
          .decode_us[static_cast<std::size_t>(share * static_cast<double>(o.decode_us.size() - 1))];
    };
    fmt::print("{:36} {:7.1f} {:7.1f} {:8.1f} {:10.1f} {:8} {:8} {:8} {:8}\n", way.name, at(0.5),
               at(0.99), at(1), o.prompt_ms, o.counts.maps, o.counts.maps_ahead, o.counts.found,
               o.counts.unmaps);
    if (way.backend == KvBackend::kArena) last = o;
  }
  const auto mb = [](std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  fmt::print(
      "most memory held, MB: tiles of 64 {:.0f}, pages of 16 {:.0f}, whole contexts {:.0f}\n",
      mb(last.most), mb(last.most_pages16), mb(last.most_static));
  fmt::print("attention of one row at 2000 positions, us a head: arena {:.1f}, mapped {:.1f}\n",
             AttendUs(KvBackend::kArena), AttendUs(KvBackend::kMapped));
}

}  // namespace
}  // namespace cairn::kv

int main() {
  cairn::kv::Main();
  return EXIT_SUCCESS;
}
