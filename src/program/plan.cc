// SPDX-License-Identifier: Apache-2.0
// Buffer planning: first fit by offset over the stages in which a buffer lives, largest first.
// Cost: quadratic in the number of buffers (about 200 for 30 layers), once per engine.
#include <algorithm>

#include "base/check.h"
#include "base/checked.h"
#include "program/stages.h"

namespace cairn::program {
namespace {

constexpr std::size_t kAlign = 64;

struct Area {
  std::size_t bytes = 0;
  int first = 0;
  int last = 0;
  std::size_t* offset = nullptr;
};

bool LiveTogether(const Area& a, const Area& b) { return a.first <= b.last && b.first <= a.last; }

std::size_t Place(std::vector<Area>& areas) {
  std::ranges::stable_sort(areas, std::greater{}, &Area::bytes);
  std::size_t total = 0;
  std::vector<const Area*> placed;
  for (Area& area : areas) {
    std::ranges::sort(placed, {}, [](const Area* a) { return *a->offset; });
    std::size_t at = 0;
    for (const Area* other : placed) {
      if (!LiveTogether(area, *other)) continue;
      if (at + area.bytes <= *other->offset) break;
      at = std::max(at, *other->offset + other->bytes);
    }
    *area.offset = at;
    total = std::max(total, at + area.bytes);
    placed.push_back(&area);
  }
  return total;
}

// Whether a body of the tail, or a later stage, writes the buffer: only a slice of rows is held.
bool WrittenInTail(const FusedProgram& fused, int buffer) {
  for (std::size_t s = static_cast<std::size_t>(fused.tail); s < fused.stages.size(); ++s) {
    const Stage& stage = fused.stages[s];
    if (static_cast<int>(s) > fused.tail) {
      for (const RowOp& row : stage.prelude) {
        if (row.out == buffer) return true;
      }
    }
    if (const MatmulBody* body = stage.matmul()) {
      for (const MatmulPart& part : body->parts) {
        if (part.out == buffer) return true;
      }
    }
  }
  return false;
}

}  // namespace

int MostExpertTiles(int rows, int used, int experts) {
  const int all = rows * used;
  return std::min(all, all / kernels::kTileRows + experts);
}

Result<void> PlanBuffers(const Program& program, const StepShape& shape, FusedProgram& fused) {
  constexpr std::size_t kMostBytes = std::size_t{1} << 46;  // far beyond any machine
  std::vector<Area> areas;
  const auto rows_of = [&](Rows rows) {
    return static_cast<std::size_t>(rows == Rows::kTokens ? shape.tokens : shape.sampled);
  };
  for (std::size_t i = 0; i < fused.buffers.size(); ++i) {
    Buffer& buffer = fused.buffers[i];
    const bool in_tail = WrittenInTail(fused, static_cast<int>(i));
    const std::size_t rows =
        in_tail ? static_cast<std::size_t>(shape.logit_rows) : rows_of(buffer.rows);
    const auto bytes =
        CheckedMul(rows, static_cast<std::size_t>(BufferStride(buffer.width)) * sizeof(float));
    if (!bytes || *bytes > kMostBytes) {
      return Fail(ErrorCode::kLimit,
                  "the step buffers do not fit any memory; lower the rows of a step");
    }
    if (buffer.first_stage < 0) continue;
    areas.push_back(
        {RoundUp(*bytes, kAlign), buffer.first_stage, buffer.last_stage, &buffer.offset});
  }
  for (int s = 0; s < static_cast<int>(fused.stages.size()); ++s) {
    Stage& stage = fused.stages[static_cast<std::size_t>(s)];
    if (!stage.pack) continue;
    const int cols = fused.PackedCols(stage);
    int rows = static_cast<int>(rows_of(stage.rows)) * (stage.pack->remainder ? 2 : 1);
    if (const ExpertRows* experts = stage.experts()) {
      rows = kernels::kTileRows * MostExpertTiles(rows, experts->used, experts->experts);
    }
    if (const HeadRows* heads = stage.heads()) {
      rows = heads->heads * RoundUp(rows, kernels::kTileRows);
    }
    using kernels::ActivationKind;
    if (stage.pack->int8) {
      areas.push_back({RoundUp(kernels::PackedRowsBytes(ActivationKind::kInt8, rows, cols), kAlign),
                       s, s, &stage.pack->int8_offset});
    }
    if (stage.pack->floats) {
      areas.push_back(
          {RoundUp(kernels::PackedRowsBytes(ActivationKind::kFloat, rows, cols), kAlign), s, s,
           &stage.pack->floats_offset});
    }
  }
  fused.arena_bytes = Place(areas);
  CAIRN_CHECK(program.logits.id >= 0);
  return {};
}

}  // namespace cairn::program
