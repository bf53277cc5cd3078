// SPDX-License-Identifier: Apache-2.0
// How the workers of one target cut their share of a range into chunks.
//
// A chunker never moves work from one target to another: which target an element belongs to is
// SplitPoint's business (target.h) alone, so every chunker keeps the placement of data to the
// target; StaticChunk keeps it to the worker.
// Threads: values; Next may be called by many workers at once. Sheet: 07, section 5.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/checked.h"
#include "base/clock.h"

namespace cairn::parallel {

// A target's share is cut into at most this many chunks, whatever size a chunker asks for: a claim
// costs some 20 to 100 ns, which chunks of one element would pay a billion times.
inline constexpr std::int64_t kMostChunks = 1 << 16;

// The size that a chunk must have at least.
constexpr std::int64_t LeastChunk(std::int64_t share) {
  return std::max<std::int64_t>(1, DivideUp(share, kMostChunks));
}

// The same elements for the same worker, every time. Size 0: one chunk per worker, split evenly (so
// of at most ceil(n / workers) elements). Otherwise chunks of `size` in turn: worker j of m takes
// chunks j, j + m, and so on.
struct StaticChunk {
  std::int64_t size = 0;
};

// Chunks of `size`, for whoever comes first: for work of uneven cost.
struct DynamicChunk {
  std::int64_t size = 1;
  constexpr std::int64_t Next(std::int64_t /*remaining*/, int /*workers*/) const { return size; }
};

// Chunks that shrink with what is left, down to `least`: fewer claims than DynamicChunk.
struct GuidedChunk {
  std::int64_t least = 1;
  constexpr std::int64_t Next(std::int64_t remaining, int workers) const {
    return std::max(least, DivideUp<std::int64_t>(remaining, workers));
  }
};

// Chunks that take about `chunk_ns`, found by doing the first hundredth of the range on the calling
// thread, whoever's that hundredth is (with up to 100 targets it is the first one's). The rest goes
// to whoever comes first, so never for construction; the allocator does not take a chunker. Ranges
// of up to 100 elements per worker are split statically.
struct AutoChunk {
  std::int64_t chunk_ns = 80'000;
  const Clock* clock = nullptr;  // null: the machine's

  // From `done` elements that took `ns`.
  constexpr std::int64_t SizeFor(std::int64_t done, std::int64_t ns, std::int64_t n) const {
    const double each =
        static_cast<double>(std::max<std::int64_t>(ns, 1)) / static_cast<double>(done);
    const double size = static_cast<double>(chunk_ns) / each;
    return size >= static_cast<double>(n)
               ? n
               : std::max<std::int64_t>(1, static_cast<std::int64_t>(size));
  }
};

}  // namespace cairn::parallel
