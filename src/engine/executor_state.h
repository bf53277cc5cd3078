// SPDX-License-Identifier: Apache-2.0
// What an executor keeps between steps. Private to executor*.cc.
// Threads: written by the calling thread between steps, read by workers during one.
#pragma once

#include <algorithm>
#include <atomic>
#include <vector>

#include "engine/executor.h"
#include "engine/input_sums.h"
#include "engine/relative_scores.h"
#include "engine/trace.h"

namespace cairn::engine {

// Rows of one sequence, cut so that a unit fits the kernels: never across a tile of positions, at
// most kernels::kAttendRows where it is for attention.
struct RowBlock {
  int slice = 0;
  int row = 0;  // in the step: of all rows, or of the sampled ones
  int rows = 0;
  std::int64_t position = 0;
};

// Steps of at most so many query rows split the attention of a row over its parts.
inline constexpr int kMostSplitRows = 8;
// Weight groups of a unit of prefill, and most of its rows.
inline constexpr int kPrefillGroups = 4;
inline constexpr int kMostUnitRows = 480;
// So many tiles of rows are few beside the weights that pass them: each worker reads its own range.
inline constexpr int kFewTiles = 4;
// Few rows: units of a worker in a matmul, small enough that none waits long for the last, and the
// most groups of one.
inline constexpr int kUnitsOfWorker = 16;
inline constexpr int kMostUnitGroups = 64;
// What a waiting worker fetches at most of the weights that it will need: stays in the second-level
// cache.
inline constexpr std::size_t kAheadBytes = std::size_t{64} << 10;
inline constexpr std::size_t kActivationBytes = std::size_t{384} << 10;  // of a unit: half an L2
// Rows of `cols` values that a unit of prefill may take: they stay in the second-level cache while
// its weights pass. A multiple of a tile.
constexpr int RowsOfUnit(int cols) {
  const auto fitting = static_cast<int>(kActivationBytes / (static_cast<std::size_t>(cols) * 2));
  return std::clamp(fitting / kernels::kTileRows * kernels::kTileRows, 4 * kernels::kTileRows,
                    kMostUnitRows);
}

// Rows of a step by the experts that they go to: how the values lie that have parts of experts.
// Made by the first stage of each routing; what is not atomic is read in units of phases only, so
// that a late worker never meets it half written. The atomic numbers say how many units a phase
// has: who reads those of a later stage has no unit to claim.
struct ExpertOrder {
  // Rows of one expert that a unit of a matmul may take together: `rows` places from `place` on,
  // packed in tiles from `tile` on.
  struct Run {
    int expert;
    int place;
    int rows;
    int tile;
  };
  // Places of one packed tile.
  struct Tile {
    int place;
    int rows;
  };
  int most_rows = 0;          // of a run, a multiple of a tile
  std::vector<int> place_of;  // by row * used + rank
  std::vector<int> row_at;    // of the step, by place
  std::vector<int> next;      // by expert, while rows are ordered
  std::vector<Run> runs;      // by expert; the first run_count count
  std::vector<Tile> tiles;    // the first tile_count count
  std::atomic<int> run_count;
  std::atomic<int> tile_count;
  std::atomic<int> met;        // experts that some row goes to
  std::atomic<bool> few_rows;  // all runs are one tile
};

struct Executor::State {
  const program::Program& program;
  const model::Weights& weights;
  const kernels::Kernels& kernels;
  const kv::KvLayout& layout;
  parallel::WorkerTeam& team;
  program::StepShape shape;
  program::FusedProgram fused;
  int tail = 0;        // first stage that runs in slices of logit_rows
  int most_parts = 0;  // of a row at the context's end
  std::vector<kernels::RotaryAngles> rotaries;
  RelativeScores relative;

  AlignedBuffer arena;
  AlignedBuffer angles;                    // per rotary table and row: cosines, sines
  std::vector<std::size_t> angle_offsets;  // in floats, by table
  AlignedBuffer states;                    // of split attention
  AlignedBuffer scratch;                   // per worker
  std::size_t scratch_floats = 0;          // per worker, a multiple of 16

  std::unique_ptr<PhaseRecorder> recorder;  // null: nobody looks
  InputSums* inputs = nullptr;              // null: nobody asks

  std::vector<RowBlock> token_blocks;    // of all rows, up to a tile
  std::vector<RowBlock> attend_blocks;   // of all rows, up to kAttendRows
  std::vector<RowBlock> sampled_blocks;  // of the sampled rows, up to kAttendRows
  std::vector<int> slice_of_row;
  std::vector<int> row_of_sampled;
  ExpertOrder order;
  std::vector<std::atomic<int>> failed;          // by slice: layer + 2, 0 for none
  std::vector<std::atomic<bool>> logits_failed;  // by sampled row: some logit is not finite

  float* buffer(int index) const {
    return reinterpret_cast<float*>(arena.data() +
                                    fused.buffers[static_cast<std::size_t>(index)].offset);
  }
  std::ptrdiff_t stride(int index) const {
    return program::BufferStride(fused.buffers[static_cast<std::size_t>(index)].width);
  }
  kernels::RowsView rows(int index, int first = 0) const {
    return {buffer(index) + first * stride(index), stride(index)};
  }
  int pairs(int rotary) const { return rotaries[static_cast<std::size_t>(rotary)].pairs(); }
  // Cosines of a row, followed by its sines.
  float* angle(int rotary, int row) const {
    return reinterpret_cast<float*>(angles.data()) +
           angle_offsets[static_cast<std::size_t>(rotary)] +
           static_cast<std::size_t>(row) * 2 * static_cast<std::size_t>(pairs(rotary));
  }
  float* worker_scratch(int worker) const {
    return reinterpret_cast<float*>(scratch.data()) +
           static_cast<std::size_t>(worker) * scratch_floats;
  }
};

}  // namespace cairn::engine
