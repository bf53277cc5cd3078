// SPDX-License-Identifier: Apache-2.0
// The matmuls of experts: the rows of the step are ordered by the experts that they go to, packed
// in that order, and meet the matrices of each expert together, so that these are read once.
#include <algorithm>
#include <iterator>
#include <span>

#include "base/check.h"
#include "base/checked.h"
#include "engine/executor_step.h"

namespace cairn::engine {

using program::ExpertRows;
using program::Stage;
using program::StagePart;

kernels::RowsView Executor::Step::PartRows(const Stage& stage, int buffer, int place) const {
  const int width = s_.fused.buffers[static_cast<std::size_t>(buffer)].width;
  const std::ptrdiff_t part = width / stage.experts()->used;  // a multiple of 16: no gaps
  return {s_.buffer(buffer) + place * part, part};
}

// By expert, and those of one by row and rank.
void Executor::Step::OrderRows(const ExpertRows& experts, int rows) {
  ExpertOrder& order = s_.order;
  const auto expert_at = [&](int row, int rank) {
    return static_cast<std::size_t>(s_.rows(experts.routes).row(row)[rank]);
  };
  std::ranges::fill(order.next, 0);
  for (int row = 0; row < rows; ++row) {
    for (int rank = 0; rank < experts.used; ++rank) ++order.next[expert_at(row, rank)];
  }
  int place = 0, tile = 0, run_count = 0, met = 0, most = 0;
  for (int expert = 0; expert < experts.experts; ++expert) {
    int& next = order.next[static_cast<std::size_t>(expert)];
    const int count = next;
    next = place;
    met += count > 0;
    most = std::max(most, count);
    for (int done = 0; done < count; done += order.most_rows) {
      const int take = std::min(order.most_rows, count - done);
      order.runs[static_cast<std::size_t>(run_count++)] = {expert, place + done, take, tile};
      for (int at = 0; at < take; at += kernels::kTileRows) {
        order.tiles[static_cast<std::size_t>(tile++)] = {place + done + at,
                                                         std::min(kernels::kTileRows, take - at)};
      }
    }
    place += count;
  }
  for (int row = 0; row < rows; ++row) {
    for (int rank = 0; rank < experts.used; ++rank) {
      const int at = order.next[expert_at(row, rank)]++;
      order.place_of[static_cast<std::size_t>(row * experts.used + rank)] = at;
      order.row_at[static_cast<std::size_t>(at)] = row;
    }
  }
  // Release: who reads what a later stage has stored also sees that its own phase is over.
  order.run_count.store(run_count, std::memory_order_release);
  order.tile_count.store(tile, std::memory_order_release);
  order.met.store(met, std::memory_order_release);
  order.few_rows.store(most <= kernels::kTileRows, std::memory_order_release);
}

int Executor::Step::ExpertOfTile(int tile) const {
  const auto runs =
      std::span(s_.order.runs).first(static_cast<std::size_t>(s_.order.run_count.load()));
  const auto after = std::ranges::upper_bound(runs, tile, {}, &ExpertOrder::Run::tile);
  return std::prev(after)->expert;
}

void Executor::Step::PackExpertTile(const Stage& stage, program::Rows kind, int tile,
                                    float* scratch) {
  const program::Pack& pack = *stage.pack;
  const auto [place, count] = s_.order.tiles[static_cast<std::size_t>(tile)];
  const int* rows = s_.order.row_at.data() + place;
  const int cols = s_.fused.PackedCols(stage);
  kernels::RowsView input{scratch, program::BufferStride(cols)};
  if (stage.experts()->by_expert) {
    input = PartRows(stage, pack.input, place);
  } else {
    for (int r = 0; r < count; ++r) {
      std::copy_n(s_.rows(pack.input).row(rows[r]), cols, input.row(r));
    }
  }
  if (s_.inputs != nullptr) s_.inputs->Add(stage, ExpertOfTile(tile), input, count, cols);
  const std::uint32_t failed = PutPacked(pack, input, count, cols, tile);
  for (int r = 0; r < count; ++r) {
    if ((failed >> r & 1) != 0) NoteFailedRow(stage.layer, kind, rows[r]);
  }
}

// Few rows: as a matmul of few rows over the matrices of all experts that are met.
Executor::Step::MatmulCut Executor::Step::CutOfExperts(const Stage& stage) const {
  MatmulCut cut{.few_rows = s_.order.few_rows.load(std::memory_order_acquire),
                .step = kPrefillGroups,
                .most_rows = s_.order.most_rows,
                .chunks = s_.order.run_count.load(std::memory_order_acquire),
                .per_chunk = 0};
  if (cut.few_rows) {
    int groups = 0;
    for (const program::MatmulPart& part : stage.matmul()->parts) groups += GroupsOf(part);
    const std::int64_t all = std::int64_t{groups} * cut.chunks;
    cut.step = static_cast<int>(
        std::clamp<std::int64_t>(all / (kUnitsOfWorker * s_.team.size()), 1, kMostUnitGroups));
  }
  for (const program::MatmulPart& part : stage.matmul()->parts) {
    cut.per_chunk += DivideUp(GroupsOf(part), cut.step);
  }
  return cut;
}

bool Executor::Step::RunExperts(Walk& walk, const Stage& stage, RowRange rows) {
  const ExpertRows& experts = *stage.experts();
  walk.stage = &stage;
  LookAheadFrom(walk, &stage + 1);
  // A prelude of one unit orders the rows too (RunPrelude).
  if (experts.first && !OrdersInPrelude(stage, rows)) {
    const auto order = [&](std::int64_t) { OrderRows(experts, rows.count); };
    if (!Phase(walk, StagePart::kPrelude, 1, order)) return false;
  }
  const int tiles = s_.order.tile_count.load(std::memory_order_relaxed);
  const auto pack = [&](std::int64_t tile) {
    PackExpertTile(stage, rows.kind, static_cast<int>(tile), walk.scratch);
  };
  if (!Phase(walk, StagePart::kPrelude, tiles, pack)) return false;
  const MatmulCut cut = CutOfExperts(stage);
  // A late worker may have read the order of a later stage. Then its phase is over, and it finds no
  // unit to claim; but ranges of its own it must not look for, since these hang on the count.
  const bool ranges = cut.few_rows && walk.phases.Waiting();
  return Phase(
      walk, StagePart::kMatmul, cut.units(),
      [&](std::int64_t i) {
        const ExpertOrder::Run& run = s_.order.runs[static_cast<std::size_t>(i / cut.per_chunk)];
        MatmulUnit unit{.row = run.place,
                        .rows = run.rows,
                        .tile = run.tile,
                        .out_row = run.place,
                        .expert = run.expert};
        FindGroups(stage, cut, static_cast<int>(i % cut.per_chunk), unit);
        MatmulUnitRows(stage, unit);
      },
      ranges ? Claims::kRanges : Claims::kNext);
}

// --- row operations -------------------------------------------------------------------------

void Executor::Step::Route(const program::RowOp& op, const float* logits, float* out) const {
  const auto& route = std::get<program::RouteAttributes>(op.attributes);
  kernels::Route(s_.kernels, route.routing, logits,
                 op.bias < 0 ? nullptr : s_.weights.vector(op.bias), out);
  if (route.scales < 0) return;
  const float* scales = s_.weights.vector(route.scales);
  for (int rank = 0; rank < route.routing.used; ++rank) {
    out[route.routing.used + rank] *= scales[static_cast<int>(out[rank])];
  }
}

void Executor::Step::Combine(const program::RowOp& op, int row, float* out) const {
  const int width = s_.fused.buffers[static_cast<std::size_t>(op.out)].width;
  const int used = s_.fused.buffers[static_cast<std::size_t>(op.a)].width / width;
  const float* weights = s_.rows(op.b).row(row) + used;
  const bool weighed = std::get<program::CombineAttributes>(op.attributes).weighed;
  std::fill_n(out, width, 0.0f);
  for (int rank = 0; rank < used; ++rank) {
    const int place = s_.order.place_of[static_cast<std::size_t>(row * used + rank)];
    s_.kernels.add_scaled(s_.buffer(op.a) + static_cast<std::ptrdiff_t>(place) * width,
                          weighed ? weights[rank] : 1.0f, width, out);
  }
}

void Executor::Step::Weigh(const float* x, const float* g, int width, float* out) const {
  float power = -*g;
  s_.kernels.exp_shifted(&power, 0, 1, &power);
  s_.kernels.scale(x, 1.0f / (1.0f + power), width, out);
}

}  // namespace cairn::engine
