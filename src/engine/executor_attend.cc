// SPDX-License-Identifier: Apache-2.0
// The attention stage of a step: first norms, rotation and the stores of keys and values, head by
// head; then the attention itself, by blocks of rows, or by parts of single rows when there are
// few.
#include <algorithm>

#include "base/check.h"
#include "engine/executor_step.h"

namespace cairn::engine {

using program::AttendBody;
using program::Rows;
using program::StagePart;

kernels::AttendView Executor::Step::ViewOf(const AttendBody& body, const RowBlock& block) const {
  const SequenceSlice& slice = input_.slices[static_cast<std::size_t>(block.slice)];
  const kv::KvPlace& place = s_.layout.layers[static_cast<std::size_t>(body.attributes.layer)];
  return {.kv = {.tiles = slice.tiles->tiles(place.group),
                 .offset = place.offset,
                 .head_dim = body.kv.head_dim,
                 .heads = body.kv.heads,
                 .format = s_.layout.format},
          .q = s_.rows(body.q, block.row),
          .out = s_.rows(body.out, block.row),
          .first = block.position,
          .end = body.kv.whole ? slice.position + slice.rows : 0,
          .group = body.attributes.heads / body.kv.heads,
          .window = body.kv.window,
          .chunked = body.kv.chunked,
          .scale = body.attributes.scale,
          .softcap = body.attributes.softcap,
          .slopes = body.attributes.slopes.empty() ? nullptr : body.attributes.slopes.data(),
          .sinks = body.attributes.sinks < 0 ? nullptr : s_.weights.vector(body.attributes.sinks),
          .relative = s_.relative.Of(body.attributes),
          .relative_stride = s_.relative.stride()};
}

// Norms and rotates the rows of a block, in place: one KV head's keys, or the group of query heads
// that share it. Keys are then stored with their values. Stores are split by head and tile, never
// by row: neighbouring positions share cache lines in the transposed keys.
void Executor::Step::HeadUnit(const AttendBody& body, const RowBlock& block, int head, bool queries,
                              bool sampled) const {
  const program::HeadOps& ops = queries ? body.q_ops : body.k_ops;
  const int d = body.kv.head_dim;
  const int group = queries ? body.attributes.heads / body.kv.heads : 1;
  const kernels::RowsView rows = s_.rows(queries ? body.q : body.k, block.row);
  for (int r = 0; r < block.rows; ++r) {
    const int row =
        sampled ? s_.row_of_sampled[static_cast<std::size_t>(block.row + r)] : block.row + r;
    for (int h = head * group; h < (head + 1) * group; ++h) {
      float* x = rows.row(r) + static_cast<std::ptrdiff_t>(h) * d;
      if (ops.weight >= 0) {
        s_.kernels.rms_norm(x, s_.weights.vector(ops.weight), d, ops.epsilon, x);
      }
      if (ops.rotary >= 0) {
        const float* angle = s_.angle(ops.rotary, row);
        s_.kernels.rotate(ops.rotate->pairs, angle, angle + s_.pairs(ops.rotary), ops.rotate->n_rot,
                          x);
      }
      if (ops.norm_after) s_.kernels.rms_norm(x, nullptr, d, ops.epsilon_after, x);
    }
  }
  if (!queries) {
    const kernels::AttendView view = ViewOf(body, block);
    s_.kernels.store_kv(view.kv, head, rows, s_.rows(body.v, block.row), block.position,
                        block.rows);
  }
}

bool Executor::Step::RunAttend(Walk& walk, const program::Stage& stage) {
  walk.stage = &stage;
  const AttendBody& body = *stage.attend();
  const int heads = body.kv.heads;
  const bool sampled = stage.rows == Rows::kSampled;
  const std::vector<RowBlock>& blocks = sampled ? s_.sampled_blocks : s_.attend_blocks;
  const auto stores =
      body.attributes.stores ? static_cast<std::int64_t>(s_.token_blocks.size()) * heads : 0;
  const auto query_units = static_cast<std::int64_t>(blocks.size()) * heads;
  const bool go = Phase(walk, StagePart::kHeads, stores + query_units, [&](std::int64_t i) {
    const bool queries = i >= stores;
    const std::int64_t at = queries ? i - stores : i;
    const RowBlock& block = queries ? blocks[static_cast<std::size_t>(at / heads)]
                                    : s_.token_blocks[static_cast<std::size_t>(at / heads)];
    HeadUnit(body, block, static_cast<int>(at % heads), queries, queries && sampled);
  });
  if (!go) return false;
  if (query_units == 0) return true;
  if (AllRows(stage.rows).count <= kMostSplitRows) return SplitAttend(walk, body, blocks);
  return Phase(walk, StagePart::kAttend, query_units, [&](std::int64_t at) {
    // Late rows see the most: begun first, so that small units are left to even out the end.
    const std::int64_t i = query_units - 1 - at;
    const RowBlock& block = blocks[static_cast<std::size_t>(i / heads)];
    s_.kernels.attend(ViewOf(body, block), static_cast<int>(i % heads), 0, block.rows,
                      walk.scratch);
  });
}

// A unit is one part of one row and KV head; a second phase merges the parts in ascending order.
// The rows of a block follow each other in each part: they read the same keys and values, which
// stay in the cache meanwhile.
bool Executor::Step::SplitAttend(Walk& walk, const AttendBody& body,
                                 std::span<const RowBlock> blocks) {
  const int heads = body.kv.heads;
  const int group = body.attributes.heads / heads;
  const int d = body.kv.head_dim;
  const std::ptrdiff_t stride = static_cast<std::ptrdiff_t>(group) * kernels::PartStride(d);
  struct Row {
    const RowBlock* block;
    int row;
    int first;  // index of its block's first row
    kernels::PartRange parts;
  };
  Row rows[kMostSplitRows];
  int count = 0;
  int most = 0;
  for (const RowBlock& block : blocks) {
    const int first = count;
    for (int r = 0; r < block.rows; ++r) {
      CAIRN_CHECK(count < kMostSplitRows);
      const kernels::AttendView view = ViewOf(body, block);
      rows[count] = {&block, r, first,
                     kernels::VisibleParts(view.first + r, view.window, view.end, view.chunked)};
      most = std::max(most, rows[count].parts.last - rows[count].parts.first + 1);
      ++count;
    }
  }
  CAIRN_CHECK(most <= s_.most_parts);
  const auto states_of = [&](int row, int head) {
    return reinterpret_cast<float*>(s_.states.data()) +
           (static_cast<std::ptrdiff_t>(row) * heads + head) * most * stride;
  };
  const bool go = Phase(
      walk, StagePart::kAttend, static_cast<std::int64_t>(count) * heads * most,
      [&](std::int64_t i) {
        const Row& some = rows[i / (static_cast<std::int64_t>(heads) * most)];
        const int many = some.block->rows;
        const auto at = static_cast<int>(i - static_cast<std::int64_t>(some.first) * heads * most);
        const int index = some.first + at % many;
        const int part = at / many % most;
        const int head = at / many / most;
        const Row& row = rows[index];
        if (row.parts.first + part > row.parts.last) return;
        s_.kernels.attend_part(ViewOf(body, *row.block), head, row.row, row.parts.first + part,
                               states_of(index, head) + part * stride, walk.scratch);
      });
  if (!go) return false;
  return Phase(walk, StagePart::kMerge, static_cast<std::int64_t>(count) * heads,
               [&](std::int64_t i) {
                 const int head = static_cast<int>(i % heads);
                 const int index = static_cast<int>(i / heads);
                 const Row& row = rows[index];
                 const kernels::AttendView view = ViewOf(body, *row.block);
                 for (int g = 0; g < group; ++g) {
                   s_.kernels.merge_parts(
                       states_of(index, head) + g * kernels::PartStride(d),
                       row.parts.last - row.parts.first + 1, stride, d,
                       view.sinks != nullptr ? view.sinks + head * group + g : nullptr,
                       view.out.row(row.row) + static_cast<std::ptrdiff_t>(head * group + g) * d);
                 }
               });
}

}  // namespace cairn::engine
