// SPDX-License-Identifier: Apache-2.0
// Setting up an executor and a step; the phases themselves are in executor_step.cc.
#include "engine/executor.h"

#include <algorithm>

#include "base/check.h"
#include "base/checked.h"
#include "engine/executor_state.h"
#include "engine/executor_step.h"

namespace cairn::engine {
namespace {

// Floats that one worker needs: rows with their remainders before they are packed, or the
// attention's.
std::size_t ScratchFloats(const program::Program& program) {
  std::size_t floats = 0;
  for (const program::Operation& op : program.operations) {
    if (op.kind == program::OpKind::kMatmul || op.kind == program::OpKind::kHeadMatmul ||
        op.kind == program::OpKind::kExperts) {
      // A tile of rows and remainders, or of rows of an expert.
      const int cols = program.weights[static_cast<std::size_t>(op.weight)].cols;
      floats = std::max(floats,
                        static_cast<std::size_t>(program::BufferStride(cols)) * kernels::kTileRows);
    }
    if (op.kind != program::OpKind::kAttend) continue;
    const auto& attributes = op.as<program::AttendAttributes>();
    const auto& layer = program.kv_layers[static_cast<std::size_t>(attributes.layer)];
    floats = std::max<std::size_t>(floats, static_cast<std::size_t>(kernels::AttendScratchFloats(
                                               layer.head_dim, attributes.heads / layer.heads)));
  }
  return RoundUp<std::size_t>(floats, 16);
}

std::size_t StateFloats(const program::Program& program, int most_parts) {
  std::size_t most = 0;
  for (const program::Operation& op : program.operations) {
    if (op.kind != program::OpKind::kAttend) continue;
    const auto& attributes = op.as<program::AttendAttributes>();
    const auto& layer = program.kv_layers[static_cast<std::size_t>(attributes.layer)];
    most = std::max(most, static_cast<std::size_t>(attributes.heads) *
                              static_cast<std::size_t>(kernels::PartStride(layer.head_dim)));
  }
  return most * static_cast<std::size_t>(most_parts) * kMostSplitRows;
}

// Room for the largest order that any routing of the program needs.
void ReserveOrder(const program::Program& program, const program::StepShape& shape,
                  ExpertOrder& order) {
  std::size_t places = 0, tiles = 0, experts = 0;
  int cols = 1;
  for (const program::Operation& op : program.operations) {
    if (op.kind == program::OpKind::kExperts) {
      cols = std::max(cols, program.weights[static_cast<std::size_t>(op.weight)].cols);
    }
    if (op.kind != program::OpKind::kRoute) continue;
    const auto& routing = op.as<program::RouteAttributes>().routing;
    const int rows =
        program.info(op.output).rows == program::Rows::kTokens ? shape.tokens : shape.sampled;
    const int most = program::MostExpertTiles(rows, routing.used, routing.experts);
    places =
        std::max(places, static_cast<std::size_t>(rows) * static_cast<std::size_t>(routing.used));
    tiles = std::max(tiles, static_cast<std::size_t>(most));
    experts = std::max(experts, static_cast<std::size_t>(routing.experts));
  }
  order.most_rows = RowsOfUnit(cols);
  order.place_of.resize(places);
  order.row_at.resize(places);
  order.next.resize(experts);
  order.runs.resize(tiles);
  order.tiles.resize(tiles);
}

}  // namespace

Executor::Executor(std::unique_ptr<State> state) : state_(std::move(state)) {}
Executor::~Executor() = default;

Result<std::unique_ptr<Executor>> Executor::Create(
    const program::Program& program, const model::Weights& weights, const kernels::Kernels& kernels,
    const kv::KvLayout& layout, parallel::WorkerTeam& team, const program::StepShape& shape,
    std::int64_t context) {
  auto state = std::unique_ptr<State>(new State{.program = program,
                                                .weights = weights,
                                                .kernels = kernels,
                                                .layout = layout,
                                                .team = team,
                                                .shape = shape,
                                                .fused = program::Fuse(program)});
  OR_RETURN(program::PlanBuffers(program, shape, state->fused));
  state->tail = state->fused.tail;
  state->most_parts =
      static_cast<int>(DivideUp<std::int64_t>(context, kernels::kPartPositions)) + 1;
  state->arena = OR_RETURN(AlignedBuffer::Allocate(state->fused.arena_bytes));
  state->relative = OR_RETURN(RelativeScores::Create(program, weights, context));
  std::size_t angle_floats = 0;
  for (const program::RotateAttributes& rope : state->fused.rotaries) {
    state->rotaries.emplace_back(rope.base, rope.n_rot, rope.position_scale, rope.factors,
                                 rope.magnitude);
    state->angle_offsets.push_back(angle_floats);
    angle_floats += static_cast<std::size_t>(shape.tokens) * static_cast<std::size_t>(rope.n_rot);
  }
  state->angles = OR_RETURN(AlignedBuffer::Allocate(angle_floats * sizeof(float)));
  state->states =
      OR_RETURN(AlignedBuffer::Allocate(StateFloats(program, state->most_parts) * sizeof(float)));
  state->scratch_floats = ScratchFloats(program);
  state->scratch = OR_RETURN(AlignedBuffer::Allocate(state->scratch_floats * sizeof(float) *
                                                     static_cast<std::size_t>(team.size())));
  state->slice_of_row.resize(static_cast<std::size_t>(shape.tokens));
  state->row_of_sampled.resize(static_cast<std::size_t>(shape.sampled));
  ReserveOrder(program, shape, state->order);
  state->failed = std::vector<std::atomic<int>>(static_cast<std::size_t>(shape.tokens));
  state->logits_failed = std::vector<std::atomic<bool>>(static_cast<std::size_t>(shape.sampled));
  return std::unique_ptr<Executor>(new Executor(std::move(state)));
}

void Executor::Observe(StepObserver* observer) {
  state_->recorder = observer == nullptr
                         ? nullptr
                         : std::make_unique<PhaseRecorder>(*observer, state_->team.size());
}

void Executor::Watch(InputSums& sums) {
  sums.Watch(state_->program, state_->fused);
  state_->inputs = &sums;
}

std::size_t Executor::buffer_bytes() const {
  return state_->arena.size() + state_->angles.size() + state_->states.size() +
         state_->scratch.size();
}

Result<void> Executor::Run(const StepInput& input, const LogitRowSink& sink, std::stop_token stop) {
  Step step(*state_, input, sink);
  step.Prepare();
  PhaseRecorder* recorder = state_->recorder.get();
  if (recorder != nullptr) recorder->BeginStep();
  const auto work = [&](parallel::PhaseWalk& phases) { step.Work(phases); };
  const bool done = state_->team.RunPhases(work, stop);
  if (recorder != nullptr) recorder->EndStep(state_->program, state_->layout.format, input.slices);
  if (!done) {
    return Fail(ErrorCode::kCancelled, "the step was cancelled");
  }
  for (std::size_t i = 0; i < input.slices.size(); ++i) {
    const int failed = state_->failed[i].load(std::memory_order_relaxed);
    input.slices[i].failed_layer = failed == 0 ? SequenceSlice::kNotFailed : failed - 2;
  }
  return {};
}

}  // namespace cairn::engine
