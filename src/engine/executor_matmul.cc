// SPDX-License-Identifier: Apache-2.0
// The matmuls of a stage: how they are cut into units, and what becomes of one.
#include <algorithm>
#include <bit>

#include "base/checked.h"
#include "engine/executor_step.h"

namespace cairn::engine {

using kernels::ActivationKind;
using program::Epilogue;
using program::Stage;
using program::StagePart;

Executor::Step::MatmulCut Executor::Step::CutOf(const Stage& stage, RowRange rows) const {
  const std::vector<program::MatmulPart>& parts = stage.matmul()->parts;
  MatmulCut cut{.few_rows = rows.count <= kFewTiles * RowsOfTile(stage),
                .step = kPrefillGroups,
                .most_rows = kFewTiles * kernels::kTileRows,
                .chunks = 1,
                .per_chunk = 0};
  if (cut.few_rows) {
    int groups = 0;
    for (const program::MatmulPart& part : parts) groups += GroupsOf(part);
    if (stage.heads() != nullptr) groups *= stage.heads()->heads;
    cut.step = std::clamp(groups / (kUnitsOfWorker * s_.team.size()), 1, kMostUnitGroups);
  } else {
    const int most = RowsOfUnit(s_.fused.PackedCols(stage));
    cut.most_rows = RoundUp(DivideUp(rows.count, DivideUp(rows.count, most)), kernels::kTileRows);
    cut.chunks = DivideUp(rows.count, cut.most_rows);
  }
  for (const program::MatmulPart& part : parts) {
    cut.per_chunk += DivideUp(GroupsOf(part), cut.step);
  }
  return cut;
}

Executor::Step::MatmulUnit Executor::Step::UnitOf(const Stage& stage, const MatmulCut& cut,
                                                  RowRange rows, std::int64_t index) const {
  MatmulUnit unit{};
  unit.row = rows.first + static_cast<int>(index / cut.per_chunk) * cut.most_rows;
  unit.rows = std::min(cut.most_rows, rows.first + rows.count - unit.row);
  unit.out_row = unit.row;
  unit.tile = unit.row / RowsOfTile(stage);
  FindGroups(stage, cut, static_cast<int>(index % cut.per_chunk), unit);
  return unit;
}

// The part and the groups of unit `left` of those that the rows of `unit` have.
void Executor::Step::FindGroups(const Stage& stage, const MatmulCut& cut, int left,
                                MatmulUnit& unit) const {
  for (const program::MatmulPart& part : stage.matmul()->parts) {
    const int groups = GroupsOf(part);
    const int units = DivideUp(groups, cut.step);
    if (left < units) {
      unit.part = &part;
      unit.group_begin = left * cut.step;
      unit.group_end = std::min(groups, unit.group_begin + cut.step);
      return;
    }
    left -= units;
  }
}

int Executor::Step::GroupsOf(const program::MatmulPart& part) const {
  return s_.weights.matrix(part.weight).groups /
         s_.program.weights[static_cast<std::size_t>(part.weight)].experts;
}

bool Executor::Step::RunMatmul(Walk& walk, const Stage& stage, RowRange rows, bool in_tail) {
  const MatmulCut cut = CutOf(stage, rows);
  walk.stage = &stage;
  LookAheadFrom(walk, &stage + 1);
  return Phase(
      walk, StagePart::kMatmul, cut.units(),
      [&](std::int64_t i) {
        MatmulUnit unit = UnitOf(stage, cut, rows, i);
        if (in_tail) unit.out_row -= rows.first;
        MatmulUnitRows(stage, unit);
        if (in_tail) CheckLogits(stage, unit);
      },
      cut.few_rows ? Claims::kRanges : Claims::kNext);
}

void Executor::Step::MatmulUnitRows(const program::Stage& stage, const MatmulUnit& unit) const {
  const program::Pack& pack = *stage.pack;
  const program::MatmulPart& part = *unit.part;
  const kernels::Kernels& k = s_.kernels;
  const auto factors = [&](int weight, int bias) -> kernels::Factors {
    const kernels::PackedMatrix& matrix = s_.weights.matrix(weight);
    const ActivationKind kind = kernels::ActivationOf(matrix.format);
    const std::size_t tile_bytes = kernels::PackedTileBytes(kind, matrix.cols);
    const std::size_t area = kind == ActivationKind::kInt8 ? pack.int8_offset : pack.floats_offset;
    const auto tile = static_cast<std::size_t>(unit.tile);
    return {&matrix, s_.arena.data() + area + tile * tile_bytes,
            bias < 0 ? nullptr : s_.weights.vector(bias)};
  };
  // An expert's matrix begins behind those of the experts before it, so do those of heads.
  const int first = unit.expert * GroupsOf(part);
  const auto columns = [&](int buffer) {
    kernels::RowsView view = stage.experts() != nullptr ? PartRows(stage, buffer, unit.out_row)
                                                        : s_.rows(buffer, unit.out_row);
    // Outputs of heads lie side by side in a row.
    const int column = unit.group_begin + (stage.heads() != nullptr ? first : 0);
    view.data += static_cast<std::ptrdiff_t>(column) * kernels::kGroupRows;
    return view;
  };
  const int begin = first + unit.group_begin, end = first + unit.group_end;
  const kernels::Factors product = factors(part.weight, part.bias);
  const kernels::RowsView out = columns(part.out);
  if (pack.remainder) {
    k.matmul_pairs(product, begin, end, unit.rows, out);
    return;
  }
  switch (part.epilogue) {
    case Epilogue::kStore: k.matmul(product, begin, end, unit.rows, out); return;
    case Epilogue::kActivate:
      k.matmul_activate(part.activation, product, begin, end, unit.rows, out);
      return;
    case Epilogue::kAdd:
      k.matmul_add(product, begin, end, unit.rows, columns(part.other), out);
      return;
    case Epilogue::kGate:
      k.matmul_gate(part.activation, product, factors(part.gate_input, part.gate_bias), begin, end,
                    unit.rows, out);
      return;
  }
}

// Marks the rows of logits in which a unit has left a value that is not finite.
void Executor::Step::CheckLogits(const Stage& stage, const MatmulUnit& unit) {
  constexpr std::uint32_t kExponent = 0x7f800000;
  const int end =
      std::min(unit.group_end * kernels::kGroupRows, s_.weights.matrix(unit.part->weight).rows);
  for (int r = 0; r < unit.rows; ++r) {
    const float* row = s_.rows(unit.part->out, unit.out_row + r).data;
    bool finite = true;
    for (int i = unit.group_begin * kernels::kGroupRows; i < end; ++i) {
      finite &= (std::bit_cast<std::uint32_t>(row[i]) & kExponent) != kExponent;
    }
    if (finite) continue;
    s_.logits_failed[static_cast<std::size_t>(unit.row + r)].store(true, std::memory_order_relaxed);
    NoteFailedRow(stage.layer, stage.rows, unit.row + r);
  }
}

// --- looking ahead --------------------------------------------------------------------------

// What this worker will read first of the next matmul at or after `stage`.
void Executor::Step::LookAheadFrom(Walk& walk, const Stage* stage) const {
  walk.ahead = {};
  const Stage* end = s_.fused.stages.data() + s_.fused.stages.size();
  while (stage != end && stage->matmul() == nullptr) ++stage;
  // Which experts come is not known yet; a head's matrix is small.
  if (stage == end || stage->experts() != nullptr || stage->heads() != nullptr) return;
  const RowRange rows = AllRows(stage->rows);
  if (rows.count == 0) return;
  const MatmulCut cut = CutOf(*stage, rows);
  if (!cut.few_rows) return;
  const auto own = walk.phases.OwnRange(cut.units());
  if (own.begin == own.end) return;
  const MatmulUnit unit = UnitOf(*stage, cut, rows, own.begin);
  const auto from = [&](int weight) {
    const kernels::PackedMatrix& matrix = s_.weights.matrix(weight);
    return matrix.data + static_cast<std::size_t>(unit.group_begin) * matrix.group_bytes;
  };
  const program::MatmulPart& part = *unit.part;
  const kernels::PackedMatrix& matrix = s_.weights.matrix(part.weight);
  walk.ahead.first = from(part.weight);
  walk.ahead.second = part.epilogue == Epilogue::kGate ? from(part.gate_input) : nullptr;
  walk.ahead.left = std::min(
      kAheadBytes, static_cast<std::size_t>(matrix.groups - unit.group_begin) * matrix.group_bytes);
}

void Executor::Step::LookAhead(Walk& walk) {
  constexpr std::size_t kStep = 512;
  Ahead& ahead = walk.ahead;
  while (ahead.left >= kStep && walk.phases.Waiting()) {
    for (std::size_t line = 0; line < kStep; line += 64) {
      __builtin_prefetch(ahead.first + line, 0, 2);
      if (ahead.second != nullptr) __builtin_prefetch(ahead.second + line, 0, 2);
    }
    ahead.first += kStep;
    if (ahead.second != nullptr) ahead.second += kStep;
    ahead.left -= kStep;
  }
}

}  // namespace cairn::engine
