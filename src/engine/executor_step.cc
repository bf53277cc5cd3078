// SPDX-License-Identifier: Apache-2.0
#include "engine/executor_step.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/checked.h"

namespace cairn::engine {

using kernels::ActivationKind;
using program::OpKind;
using program::Rows;
using program::StagePart;

// --- before the workers ---------------------------------------------------------------------

void Executor::Step::AddBlocks(const SequenceSlice& slice, int index) {
  const auto cut = [&](int first, int rows, std::int64_t position, int most,
                       std::vector<RowBlock>& blocks) {
    while (rows > 0) {
      const int in_tile =
          kernels::kTilePositions - static_cast<int>(position % kernels::kTilePositions);
      const int take = std::min({rows, most, in_tile});
      blocks.push_back({index, first, take, position});
      first += take;
      rows -= take;
      position += take;
    }
  };
  cut(slice.first_row, slice.rows, slice.position, kernels::kTilePositions, s_.token_blocks);
  cut(slice.first_row, slice.rows, slice.position, kernels::kAttendRows, s_.attend_blocks);
  cut(slice.first_sampled, slice.sampled, slice.position + slice.rows - slice.sampled,
      kernels::kAttendRows, s_.sampled_blocks);
}

void Executor::Step::Prepare() {
  CAIRN_CHECK(static_cast<int>(input_.tokens.size()) <= s_.shape.tokens);
  CAIRN_CHECK(input_.sampled <= s_.shape.sampled);
  s_.token_blocks.clear();
  s_.attend_blocks.clear();
  s_.sampled_blocks.clear();
  for (int i = 0; i < static_cast<int>(input_.slices.size()); ++i) {
    const SequenceSlice& slice = input_.slices[static_cast<std::size_t>(i)];
    AddBlocks(slice, i);
    for (int row = 0; row < slice.rows; ++row) {
      s_.slice_of_row[static_cast<std::size_t>(slice.first_row + row)] = i;
    }
    for (int row = 0; row < slice.sampled; ++row) {
      s_.row_of_sampled[static_cast<std::size_t>(slice.first_sampled + row)] =
          slice.first_row + slice.rows - slice.sampled + row;
    }
    s_.failed[static_cast<std::size_t>(i)].store(0, std::memory_order_relaxed);
  }
  for (int i = 0; i < input_.sampled; ++i) {
    s_.logits_failed[static_cast<std::size_t>(i)].store(false, std::memory_order_relaxed);
  }
}

// --- the walk -------------------------------------------------------------------------------

void Executor::Step::Work(parallel::PhaseWalk& phases) {
  const kernels::FloatEnvironment environment;
  Walk walk{phases, s_.worker_scratch(phases.worker())};
  LookAheadFrom(walk, s_.fused.stages.data());
  const int tables = static_cast<int>(s_.rotaries.size());
  const bool go = Phase(walk, StagePart::kAngles, static_cast<std::int64_t>(s_.token_blocks.size()),
                        [&](std::int64_t i) {
                          const RowBlock& block = s_.token_blocks[static_cast<std::size_t>(i)];
                          for (int table = 0; table < tables; ++table) {
                            for (int row = 0; row < block.rows; ++row) {
                              float* angle = s_.angle(table, block.row + row);
                              s_.rotaries[static_cast<std::size_t>(table)].Fill(
                                  block.position + row, angle, angle + s_.pairs(table));
                            }
                          }
                        });
  if (!go) return;
  for (int i = 0; i < s_.tail; ++i) {
    if (!RunStage(walk, s_.fused.stages[static_cast<std::size_t>(i)])) return;
  }
  RunTail(walk);
}

bool Executor::Step::RunStage(Walk& walk, const program::Stage& stage) {
  const RowRange rows = AllRows(stage.rows);
  // Where nothing is sampled, the last layer's attention still stores the keys and values of all.
  if (rows.count == 0 && stage.attend() == nullptr) return true;
  if (!RunPrelude(walk, stage, rows, false)) return false;
  if (stage.experts() != nullptr) return RunExperts(walk, stage, rows);
  if (stage.heads() != nullptr) return RunHeads(walk, stage, rows);
  if (stage.matmul() != nullptr) return RunMatmul(walk, stage, rows, false);
  if (stage.attend() != nullptr) return RunAttend(walk, stage);
  if (stage.convolve() != nullptr) return RunConvolve(walk, stage);
  if (stage.scan() != nullptr) return RunScan(walk, stage);
  return true;
}

// The stages that make logits, for logit_rows rows at a time; worker 0 hands each slice out.
bool Executor::Step::RunTail(Walk& walk) {
  if (s_.tail == static_cast<int>(s_.fused.stages.size())) return HandOutAll(walk);
  const auto& first = s_.fused.stages[static_cast<std::size_t>(s_.tail)];
  const RowRange all = AllRows(first.rows);
  if (all.count == 0) return true;
  if (!RunPrelude(walk, first, all, false)) return false;
  for (int row = 0; row < all.count; row += s_.shape.logit_rows) {
    const RowRange rows{first.rows, row, std::min(s_.shape.logit_rows, all.count - row)};
    if (!RunMatmul(walk, first, rows, true)) return false;
    for (std::size_t i = static_cast<std::size_t>(s_.tail) + 1; i < s_.fused.stages.size(); ++i) {
      if (!RunPrelude(walk, s_.fused.stages[i], rows, true)) return false;
    }
    if (!HandOut(walk, row, rows.count)) return false;
  }
  return true;
}

// Worker 0 alone: the sink belongs to the caller's thread.
bool Executor::Step::HandOut(Walk& walk, int row, int rows) {
  walk.stage = nullptr;
  return Phase(
      walk, StagePart::kLogits, 1,
      [&](std::int64_t) {
        const kernels::RowsView logits = s_.rows(s_.fused.logits);
        for (int r = 0; r < rows; ++r) {
          if (s_.logits_failed[static_cast<std::size_t>(row + r)].load(std::memory_order_relaxed)) {
            continue;
          }
          sink_(row + r, logits.row(r));
        }
      },
      Claims::kCaller);
}

// The rows of a program that yields no logits: all are there.
bool Executor::Step::HandOutAll(Walk& walk) {
  walk.stage = nullptr;
  return Phase(
      walk, StagePart::kLogits, 1,
      [&](std::int64_t) {
        const int width = s_.program.width();
        for (int r = 0; r < input_.sampled; ++r) {
          const float* row = s_.rows(s_.fused.logits).row(r);
          if (std::all_of(row, row + width, [](float x) { return std::isfinite(x); })) {
            sink_(r, row);
          } else {
            NoteFailedRow(-1, Rows::kSampled, r);
          }
        }
      },
      Claims::kCaller);
}

// --- preludes -------------------------------------------------------------------------------

void Executor::Step::RowOperation(const program::RowOp& op, int row, int out_row) const {
  const kernels::Kernels& k = s_.kernels;
  const int width = s_.fused.buffers[static_cast<std::size_t>(op.out)].width;
  float* out = s_.rows(op.out).row(out_row);
  const auto in = [&](int buffer) -> const float* { return s_.rows(buffer).row(row); };
  switch (op.kind) {
    case OpKind::kEmbed:
      kernels::UnpackRow(s_.weights.matrix(op.weight), input_.tokens[static_cast<std::size_t>(row)],
                         std::get<program::ScaleAttributes>(op.attributes).factor, out);
      return;
    case OpKind::kPosition: {
      const SequenceSlice& slice = SliceOf(row);
      kernels::UnpackRow(s_.weights.matrix(op.weight),
                         static_cast<int>(slice.position) + row - slice.first_row, 1, out);
      return;
    }
    case OpKind::kTokenType: {
      const SequenceSlice& slice = SliceOf(row);
      const kernels::PackedMatrix& types = s_.weights.matrix(op.weight);
      const int type = row - slice.first_row < slice.second ? 0 : 1;
      kernels::UnpackRow(types, std::min(type, types.rows - 1), 1, out);
      return;
    }
    case OpKind::kVector: std::copy_n(s_.weights.vector(op.weight), width, out); return;
    case OpKind::kPool: Pool(op, row, width, out); return;
    case OpKind::kRmsNorm:
    case OpKind::kLayerNorm: Norm(op, in(op.a), width, out); return;
    case OpKind::kRoute: Route(op, in(op.a), out); return;
    case OpKind::kJoin: Join(op, row, out); return;
    case OpKind::kGrow: Grow(op, in(op.a), row, width, out); return;
    case OpKind::kPreweigh: k.scale(in(op.a), in(op.b)[1], width, out); return;
    case OpKind::kCombine: Combine(op, row, out); return;
    case OpKind::kWeigh: Weigh(in(op.a), in(op.b), width, out); return;
    case OpKind::kAdd: k.add(in(op.a), in(op.b), width, out); return;
    case OpKind::kScale:
      k.scale(in(op.a),
              op.weight < 0 ? std::get<program::ScaleAttributes>(op.attributes).factor
                            : s_.weights.vector(op.weight)[0],
              width, out);
      return;
    case OpKind::kResize: {
      const float square = std::max(k.mean_square(in(op.a), width), program::kLeastSquare);
      const float factor = std::sqrt(k.mean_square(in(op.b), width)) / std::sqrt(square);
      k.scale(in(op.a), factor, width, out);
      return;
    }
    case OpKind::kSparsify:
      k.sparsify(in(op.a), width, std::get<program::ScaleAttributes>(op.attributes).factor, out);
      return;
    case OpKind::kBlend: {
      const auto& blend = std::get<program::BlendAttributes>(op.attributes);
      std::copy_n(in(op.a), width, out);
      k.add_scaled(in(op.b), in(op.more[0])[blend.index], width, out);
      return;
    }
    case OpKind::kSoftcap:
      k.softcap(in(op.a), std::get<program::ScaleAttributes>(op.attributes).factor, width, out);
      return;
    case OpKind::kClamp:
      k.clamp(in(op.a), std::get<program::ScaleAttributes>(op.attributes).factor, width, out);
      return;
    case OpKind::kGate:
      k.gate(std::get<program::GateAttributes>(op.attributes).activation, in(op.a), in(op.b), width,
             out);
      return;
    case OpKind::kActivate:
      k.activate(std::get<program::GateAttributes>(op.attributes).activation, in(op.a), width, out);
      return;
    case OpKind::kGatherRows: {
      const float* from = s_.rows(op.a).row(s_.row_of_sampled[static_cast<std::size_t>(row)]);
      std::copy_n(from, width, out);
      return;
    }
    case OpKind::kMatmul:
    case OpKind::kHeadMatmul:
    case OpKind::kExperts:
    case OpKind::kAttend:
    case OpKind::kConvolve:
    case OpKind::kScan:
    case OpKind::kRotate: CAIRN_CHECK(false && "not a row operation");
  }
}

void Executor::Step::Norm(const program::RowOp& op, const float* x, int width, float* out) const {
  const auto& norm = std::get<program::NormAttributes>(op.attributes);
  // A vector has values for one norm, or for all of the row.
  const auto vector = [&](int weight, int at) -> const float* {
    if (weight < 0) return nullptr;
    const bool of_row = s_.program.weights[static_cast<std::size_t>(weight)].cols > norm.size;
    return s_.weights.vector(weight) + (of_row ? at : 0);
  };
  for (int at = 0; at < width; at += norm.size) {
    const float* w = vector(op.weight, at);
    if (op.kind == OpKind::kRmsNorm) {
      s_.kernels.rms_norm(x + at, w, norm.size, norm.epsilon, out + at);
    } else {
      s_.kernels.layer_norm(x + at, w, vector(op.bias, at), norm.size, norm.epsilon, out + at);
    }
  }
}

// `row`: of the sampled rows.
void Executor::Step::Pool(const program::RowOp& op, int row, int width, float* out) const {
  const SequenceSlice& slice = SliceOf(s_.row_of_sampled[static_cast<std::size_t>(row)]);
  const kernels::RowsView rows = s_.rows(op.a, slice.first_row);
  std::copy_n(rows.row(0), width, out);
  if (std::get<program::PoolAttributes>(op.attributes).pooling == program::Pooling::kFirst) return;
  for (int r = 1; r < slice.rows; ++r) s_.kernels.add(out, rows.row(r), width, out);
  s_.kernels.scale(out, 1.0f / static_cast<float>(slice.rows), width, out);
}

bool Executor::Step::RunPrelude(Walk& walk, const program::Stage& stage, RowRange rows,
                                bool in_tail) {
  const program::ExpertRows* experts = stage.experts();
  // Rows of experts are packed in their order, those of heads head by head.
  const bool packs = stage.pack && experts == nullptr && stage.heads() == nullptr;
  if (stage.prelude.empty() && !packs) return true;
  const int tile_rows = RowsOfTile(stage);
  const int tiles = DivideUp(rows.count, tile_rows);
  walk.stage = &stage;
  return Phase(walk, StagePart::kPrelude, tiles, [&](std::int64_t tile) {
    const int first = static_cast<int>(tile) * tile_rows;
    const int last = std::min(rows.count, first + tile_rows);
    for (const program::RowOp& op : stage.prelude) {
      for (int row = first; row < last; ++row) {
        RowOperation(op, in_tail ? row : rows.first + row, in_tail ? row : rows.first + row);
      }
    }
    if (packs) PackTile(stage, rows, static_cast<int>(tile), walk.scratch);
    if (experts != nullptr && experts->first && tiles == 1) OrderRows(*experts, rows.count);
  });
}

void Executor::Step::PackTile(const program::Stage& stage, RowRange rows, int tile,
                              float* scratch) {
  const program::Pack& pack = *stage.pack;
  const int tile_rows = RowsOfTile(stage);
  const int first = tile * tile_rows;
  int count = std::min(tile_rows, rows.count - first);
  const int cols = s_.fused.buffers[static_cast<std::size_t>(pack.input)].width;
  kernels::RowsView input = s_.rows(pack.input, first);
  if (s_.inputs != nullptr) s_.inputs->Add(stage, 0, input, count, cols);
  if (pack.remainder) {
    const kernels::RowsView pairs{scratch, program::BufferStride(cols)};
    for (int r = 0; r < count; ++r) {
      std::copy_n(input.row(r), cols, pairs.row(2 * r));
      s_.kernels.remainder(input.row(r), cols, pairs.row(2 * r + 1));
    }
    input = pairs;
    count *= 2;
  }
  const std::uint32_t failed = PutPacked(pack, input, count, cols, tile);
  if (failed != 0) NoteFailed(stage, rows, first, failed);
}

std::uint32_t Executor::Step::PutPacked(const program::Pack& pack, kernels::RowsView input,
                                        int count, int cols, int tile) const {
  std::uint32_t failed = 0;
  const auto put = [&](ActivationKind kind, std::size_t offset) {
    std::byte* to = s_.arena.data() + offset +
                    static_cast<std::size_t>(tile) * kernels::PackedTileBytes(kind, cols);
    failed |= s_.kernels.pack_rows(kind, input, count, cols, to);
  };
  if (pack.int8) put(ActivationKind::kInt8, pack.int8_offset);
  if (pack.floats) put(ActivationKind::kFloat, pack.floats_offset);
  return failed;
}

void Executor::Step::NoteFailed(const program::Stage& stage, RowRange rows, int first,
                                std::uint32_t mask) {
  for (int i = 0; i < kernels::kTileRows; ++i) {
    if ((mask >> i & 1) == 0) continue;
    NoteFailedRow(stage.layer, rows.kind, first + (stage.pack->remainder ? i / 2 : i));
  }
}

void Executor::Step::NoteFailedRow(int layer, Rows kind, int row) {
  if (kind == Rows::kSampled) row = s_.row_of_sampled[static_cast<std::size_t>(row)];
  const auto slice = static_cast<std::size_t>(s_.slice_of_row[static_cast<std::size_t>(row)]);
  int none = 0;  // keep the first layer that failed; stages run in order
  s_.failed[slice].compare_exchange_strong(none, layer + 2, std::memory_order_relaxed);
}

}  // namespace cairn::engine
