// SPDX-License-Identifier: Apache-2.0
// One step of an executor. Private to executor*.cc.
//
// Threads: Prepare on the calling thread, Work on every worker that comes. Workers walk the same
//   phases (parallel::PhaseWalk); what a phase wrote is visible in the next. Between phases a
//   worker may be late by any number of them: it reads only what the step does not change.
#pragma once

#include "engine/executor_state.h"

namespace cairn::engine {

class Executor::Step {
 public:
  Step(State& state, const StepInput& input, const LogitRowSink& sink)
      : s_(state), input_(input), sink_(sink) {}

  void Prepare();
  void Work(parallel::PhaseWalk& phases);

 private:
  // Weights that a worker will read first in a coming matmul with few rows: a decode step is bound
  // by memory, and who waits for others can use the time to fetch them.
  struct Ahead {
    const std::byte* first = nullptr;
    const std::byte* second = nullptr;  // of the gated pair, or null
    std::size_t left = 0;               // bytes of each
  };
  // A worker on its way through the phases.
  struct Walk {
    parallel::PhaseWalk& phases;
    float* scratch = nullptr;
    const program::Stage* stage = nullptr;  // for the record
    Ahead ahead;
  };
  // Rows that a stage works on: [first, first + count) of the tokens or of the sampled rows.
  struct RowRange {
    program::Rows kind;
    int first = 0;
    int count = 0;
  };

  // How the units of a phase find their workers: the next one to whoever comes, ranges that lie
  // behind each other in memory, or all to the caller's thread.
  enum class Claims { kNext, kRanges, kCaller };
  // Runs unit(i) for i < count, shared with the other workers, until all are done. False: leave and
  // touch nothing of the step.
  template <typename F>
  bool Phase(Walk& walk, program::StagePart part, std::int64_t count, F&& unit,
             Claims claims = Claims::kNext);
  template <typename F>
  static void Share(parallel::PhaseWalk& phases, Claims claims, std::int64_t count, F&& unit);

  bool RunStage(Walk& walk, const program::Stage& stage);
  bool RunTail(Walk& walk);
  bool HandOut(Walk& walk, int row, int rows);
  bool HandOutAll(Walk& walk);
  bool RunPrelude(Walk& walk, const program::Stage& stage, RowRange rows, bool in_tail);
  bool RunMatmul(Walk& walk, const program::Stage& stage, RowRange rows, bool in_tail);
  bool RunAttend(Walk& walk, const program::Stage& stage);
  bool RunConvolve(Walk& walk, const program::Stage& stage);
  bool RunScan(Walk& walk, const program::Stage& stage);
  bool RunExperts(Walk& walk, const program::Stage& stage, RowRange rows);
  bool RunHeads(Walk& walk, const program::Stage& stage, RowRange rows);

  void RowOperation(const program::RowOp& op, int row, int out_row) const;
  void Norm(const program::RowOp& op, const float* x, int width, float* out) const;
  void Pool(const program::RowOp& op, int row, int width, float* out) const;
  const SequenceSlice& SliceOf(int row) const {
    return input_.slices[static_cast<std::size_t>(s_.slice_of_row[static_cast<std::size_t>(row)])];
  }
  // Rows of the step that fill a tile of packed rows.
  static int RowsOfTile(const program::Stage& stage) {
    const bool pairs = stage.pack && stage.pack->remainder;
    return pairs ? kernels::kTileRows / 2 : kernels::kTileRows;
  }
  void PackTile(const program::Stage& stage, RowRange rows, int tile, float* scratch);
  // Packs `count` rows of `cols` values as tile `tile` of each form that is asked for; a mask of
  // the rows that are not finite.
  std::uint32_t PutPacked(const program::Pack& pack, kernels::RowsView input, int count, int cols,
                          int tile) const;
  void NoteFailed(const program::Stage& stage, RowRange rows, int first, std::uint32_t mask);
  void NoteFailedRow(int layer, program::Rows kind, int row);
  // How the matmuls of a stage are cut: `chunks` ranges of at most `most_rows` rows, in each the
  // groups of all weights by `step`. Of experts: the chunks are the runs of their order.
  struct MatmulCut {
    bool few_rows;  // bound by memory, or nearly so
    int step;
    int most_rows;
    int chunks;
    std::int64_t per_chunk;  // units
    std::int64_t units() const { return per_chunk * chunks; }
  };
  struct MatmulUnit {
    const program::MatmulPart* part;
    int group_begin, group_end;  // of the matrix, or of the expert's
    int row, rows;               // of the packed rows
    int tile;                    // where they begin
    int out_row;                 // in the output buffer; of experts: the place
    int expert;                  // or head
  };
  int GroupsOf(const program::MatmulPart& part) const;  // of one expert, where there are several
  void FindGroups(const program::Stage& stage, const MatmulCut& cut, int left,
                  MatmulUnit& unit) const;
  MatmulCut CutOf(const program::Stage& stage, RowRange rows) const;
  MatmulUnit UnitOf(const program::Stage& stage, const MatmulCut& cut, RowRange rows,
                    std::int64_t index) const;
  void MatmulUnitRows(const program::Stage& stage, const MatmulUnit& unit) const;
  // Rows of a buffer that lie by expert, from a place on.
  kernels::RowsView PartRows(const program::Stage& stage, int buffer, int place) const;
  void OrderRows(const program::ExpertRows& experts, int rows);
  static bool OrdersInPrelude(const program::Stage& stage, RowRange rows) {
    return !stage.prelude.empty() && rows.count <= RowsOfTile(stage);
  }
  int ExpertOfTile(int tile) const;  // in a phase that packs them
  void PackExpertTile(const program::Stage& stage, program::Rows kind, int tile, float* scratch);
  MatmulCut CutOfExperts(const program::Stage& stage) const;
  void PackHeadTile(const program::Stage& stage, RowRange rows, int head, int tile);
  void Join(const program::RowOp& op, int row, float* out) const;
  void Grow(const program::RowOp& op, const float* x, int row, int width, float* out) const;
  void Route(const program::RowOp& op, const float* logits, float* out) const;
  void Combine(const program::RowOp& op, int row, float* out) const;
  void Weigh(const float* x, const float* g, int width, float* out) const;
  void CheckLogits(const program::Stage& stage, const MatmulUnit& unit);
  void LookAheadFrom(Walk& walk, const program::Stage* stage) const;
  static void LookAhead(Walk& walk);  // until the others have come, or enough is fetched
  void HeadUnit(const program::AttendBody& body, const RowBlock& block, int head, bool queries,
                bool sampled) const;
  kernels::AttendView ViewOf(const program::AttendBody& body, const RowBlock& block) const;
  bool SplitAttend(Walk& walk, const program::AttendBody& body, std::span<const RowBlock> blocks);
  // What a sequence has committed of a state (null: nothing yet), and where that behind one of the
  // step's ends belongs.
  const float* StateBefore(const SequenceSlice& slice, int state) const;
  float* StateBehind(const kv::StateStep& step, int state) const;
  void ConvolveUnit(const program::ConvolveBody& body, const RowBlock& block, int first,
                    int end) const;
  void ScanUnit(const program::ScanBody& body, const SequenceSlice& slice, int block) const;
  void AddBlocks(const SequenceSlice& slice, int index);

  RowRange AllRows(program::Rows kind) const {
    return {
        kind, 0,
        kind == program::Rows::kTokens ? static_cast<int>(input_.tokens.size()) : input_.sampled};
  }

  State& s_;
  const StepInput& input_;
  const LogitRowSink& sink_;
};

template <typename F>
void Executor::Step::Share(parallel::PhaseWalk& phases, Claims claims, std::int64_t count,
                           F&& unit) {
  switch (claims) {
    case Claims::kNext: return phases.Share(count, unit);
    case Claims::kRanges: return phases.ShareRanges(count, unit);
    case Claims::kCaller:
      if (phases.worker() == 0) phases.Share(count, unit);
      return;
  }
}

template <typename F>
bool Executor::Step::Phase(Walk& walk, program::StagePart part, std::int64_t count, F&& unit,
                           Claims claims) {
  if (s_.recorder == nullptr) {
    Share(walk.phases, claims, count, unit);
    LookAhead(walk);
    return walk.phases.Meet();
  }
  const int worker = walk.phases.worker();
  int units = 0;
  s_.recorder->Begin(worker, walk.stage, part);
  Share(walk.phases, claims, count, [&](std::int64_t i) {
    unit(i);
    ++units;
  });
  const bool experts = walk.stage != nullptr && walk.stage->experts() != nullptr;
  s_.recorder->BeginWaiting(worker, units,
                            experts ? s_.order.met.load(std::memory_order_relaxed) : 0);
  LookAhead(walk);
  const bool go = walk.phases.Meet();
  if (go) s_.recorder->End(worker);
  return go;
}

}  // namespace cairn::engine
