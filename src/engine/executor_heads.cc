// SPDX-License-Identifier: Apache-2.0
// Matmuls of heads that have a matrix each, and heads joined of parts: latent attention.
#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "engine/executor_step.h"
#include "kernels/angle.h"

namespace cairn::engine {

using program::Stage;
using program::StagePart;

void Executor::Step::PackHeadTile(const Stage& stage, RowRange rows, int head, int tile) {
  const program::Pack& pack = *stage.pack;
  const program::HeadSlice& slice = stage.heads()->slice;
  const int first = tile * kernels::kTileRows;
  const int count = std::min(kernels::kTileRows, rows.count - first);
  const int packed = head * DivideUp(rows.count, kernels::kTileRows) + tile;
  kernels::RowsView input = s_.rows(pack.input, first);
  input.data += static_cast<std::ptrdiff_t>(head) * slice.stride + slice.first;
  const std::uint32_t failed = PutPacked(pack, input, count, slice.count, packed);
  if (failed != 0) NoteFailed(stage, rows, first, failed);
}

bool Executor::Step::RunHeads(Walk& walk, const Stage& stage, RowRange rows) {
  const int heads = stage.heads()->heads;
  const int tiles = DivideUp(rows.count, kernels::kTileRows);
  walk.stage = &stage;
  const auto pack = [&](std::int64_t i) {
    PackHeadTile(stage, rows, static_cast<int>(i / tiles), static_cast<int>(i % tiles));
  };
  if (!Phase(walk, StagePart::kPrelude, std::int64_t{heads} * tiles, pack)) return false;
  LookAheadFrom(walk, &stage + 1);
  const MatmulCut cut = CutOf(stage, rows);  // of one head
  return Phase(
      walk, StagePart::kMatmul, cut.units() * heads,
      [&](std::int64_t i) {
        const int head = static_cast<int>(i / cut.units());
        MatmulUnit unit = UnitOf(stage, cut, rows, i % cut.units());
        unit.tile += head * tiles;
        unit.expert = head;
        MatmulUnitRows(stage, unit);
      },
      cut.few_rows ? Claims::kRanges : Claims::kNext);
}

void Executor::Step::Grow(const program::RowOp& op, const float* x, int row, int width,
                          float* out) const {
  const auto& grow = std::get<program::GrowAttributes>(op.attributes);
  const bool sampled =
      s_.fused.buffers[static_cast<std::size_t>(op.out)].rows == program::Rows::kSampled;
  const int at = sampled ? s_.row_of_sampled[static_cast<std::size_t>(row)] : row;
  const SequenceSlice& slice =
      input_.slices[static_cast<std::size_t>(s_.slice_of_row[static_cast<std::size_t>(at)])];
  const std::int64_t position = slice.position + at - slice.first_row;
  const double lengths = std::floor(static_cast<double>(position + 1) / grow.length);
  const double factor = 1 + grow.slope * kernels::NaturalLogarithm(1 + lengths);
  s_.kernels.scale(x, static_cast<float>(factor), width, out);
}

void Executor::Step::Join(const program::RowOp& op, int row, float* out) const {
  const auto& join = std::get<program::JoinAttributes>(op.attributes);
  for (int head = 0; head < join.heads; ++head) {
    for (std::size_t i = 0; i < join.slices.size(); ++i) {
      const program::HeadSlice& slice = join.slices[i];
      const int buffer = i == 0 ? op.a : i == 1 ? op.b : op.more[i - 2];
      const float* from =
          s_.rows(buffer).row(row) + static_cast<std::ptrdiff_t>(head) * slice.stride + slice.first;
      out = std::copy_n(from, slice.count, out);
    }
    out = std::fill_n(out, join.zeros, 0.0f);
  }
}

}  // namespace cairn::engine
