// SPDX-License-Identifier: Apache-2.0
// How fast candidate tiles are: all of one format in turn, on one thread, by its processor time, so
// that another process that runs in between does not count.
// Threads: one caller.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/isa/tile_rows.h"
#include "kernels/kernels.h"

namespace cairn::bench {

// The tile of a format, as src/kernels/isa/functions.h has it.
using TileFunction = void(const kernels::PackedMatrix& weights, int group,
                          const kernels::TileRows& rows);

// Seconds for the same work by tile and round. A round has every tile once, in turning order, so
// that the tiles of a round compare.
using Rounds = std::vector<std::vector<double>>;
struct Times {
  Rounds prefill;  // 576 x 1536 times 192 rows: weights in the first-level cache
  Rounds decode;   // one row over weights of some 50 MB: bound by memory
};
Times Measure(const kernels::Kernels& kernels, tensor::Format format,
              const std::vector<TileFunction*>& tiles, int rounds);

}  // namespace cairn::bench
