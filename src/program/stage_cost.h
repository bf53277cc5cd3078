// SPDX-License-Identifier: Apache-2.0
// Names and costs of the parts that a stage runs in, for reports: `bench --by-stage`, traces.
//
// A part is what the executor runs as one phase. The costs of all parts together are TotalCost:
// each operation of the program belongs to one part of one stage. Threads: pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "program/cost.h"
#include "program/stages.h"

namespace cairn::program {

enum class StagePart {
  kPrelude,  // row operations, and packing for the matmul
  kMatmul,   // with its epilogue
  kHeads,    // norms and rotations of heads, keys and values into their tiles
  kAttend,   // scores and weighted sums
  kMerge,    // of the parts of a row's attention
  kState,    // a convolution, or a state that walks through the rows
  kAngles,   // rotary angles of a step's positions; belongs to no stage
  kLogits,   // logits handed out and looked at; belongs to no stage
};

// "attn_q + attn_k + attn_v", "pack for ffn_down"; the same in every layer. `stage` is null where
// the part belongs to none.
std::string NameOf(const Program& program, const Stage* stage, StagePart part);

// Rows of one sequence in a step: `tokens` rows, the first at `position`, `sampled` of them
// sampled.
struct SliceSize {
  double tokens = 0;
  double sampled = 0;
  double position = 0;
};

// What a part of a stage costs in a step of these sequences. Rows of a slice are taken to see what
// their middle one sees. `experts`: how many the rows meet, 0 where that is not known.
Cost CostOf(const Program& program, const Stage& stage, StagePart part,
            std::span<const SliceSize> slices, double experts = 0);

}  // namespace cairn::program
