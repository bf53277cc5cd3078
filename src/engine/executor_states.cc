// SPDX-License-Identifier: Apache-2.0
// The stages of layers with a state: convolutions over a few rows, and states that walk through the
// rows. Both begin with what the sequence has committed and write what comes behind each of the
// step's ends into tiles of their own (kv/sequence_tiles.h), so that a step that fails or is
// stopped has changed nothing.
#include <algorithm>
#include <array>

#include "base/checked.h"
#include "engine/executor_step.h"

namespace cairn::engine {
namespace {

constexpr int kUnitChannels = 1024;  // of a convolution, in a unit

}  // namespace

const float* Executor::Step::StateBefore(const SequenceSlice& slice, int state) const {
  const std::byte* tile = slice.tiles->state();
  if (tile == nullptr) return nullptr;
  return reinterpret_cast<const float*>(tile + s_.layout.states[static_cast<std::size_t>(state)]);
}

float* Executor::Step::StateBehind(const kv::StateStep& step, int state) const {
  return reinterpret_cast<float*>(step.data + s_.layout.states[static_cast<std::size_t>(state)]);
}

// Channels [first, end) of the rows of a block. What is before the step's first row are the rows of
// the state, the oldest first.
void Executor::Step::ConvolveUnit(const program::ConvolveBody& body, const RowBlock& block,
                                  int first, int end) const {
  static constexpr std::array<float, kUnitChannels> kZeros{};
  const SequenceSlice& slice = input_.slices[static_cast<std::size_t>(block.slice)];
  const int kept = body.taps - 1;
  const std::ptrdiff_t stride =
      s_.program.states[static_cast<std::size_t>(body.attributes.state)].stride();
  const float* before = StateBefore(slice, body.attributes.state);
  // Row `i` of the slice; those of the state are below 0.
  const auto row = [&](int i) -> const float* {
    if (i >= 0) return s_.rows(body.x).row(slice.first_row + i) + first;
    return before == nullptr ? kZeros.data() : before + (kept + i) * stride + first;
  };
  const float* bias = body.bias < 0 ? nullptr : s_.weights.vector(body.bias) + first;
  const std::ptrdiff_t weight_stride =
      model::Weights::turned_stride(s_.program.weights[static_cast<std::size_t>(body.weight)]);
  const int from = block.row - slice.first_row;
  for (int i = from; i < from + block.rows; ++i) {
    std::array<const float*, program::kMostTaps> rows;
    for (int tap = 0; tap < body.taps; ++tap)
      rows[static_cast<std::size_t>(tap)] = row(i - kept + tap);
    float* out = s_.rows(body.out).row(slice.first_row + i) + first;
    s_.kernels.convolve(rows.data(), s_.weights.turned(body.weight) + first, weight_stride, bias,
                        body.taps, end - first, out);
    if (body.activation) s_.kernels.activate(*body.activation, out, end - first, out);
  }
  for (const kv::StateStep& step : slice.tiles->state_steps()) {
    const auto rows = static_cast<int>(step.end - slice.position);
    if (rows <= from || rows > from + block.rows) continue;
    float* behind = StateBehind(step, body.attributes.state) + first;
    for (int i = 0; i < kept; ++i) {
      std::copy_n(row(rows - kept + i), end - first, behind + i * stride);
    }
  }
}

bool Executor::Step::RunConvolve(Walk& walk, const program::Stage& stage) {
  walk.stage = &stage;
  const program::ConvolveBody& body = *stage.convolve();
  const int width = s_.fused.buffers[static_cast<std::size_t>(body.x)].width;
  const int parts = DivideUp(width, kUnitChannels);
  const auto units = static_cast<std::int64_t>(s_.token_blocks.size()) * parts;
  return Phase(walk, program::StagePart::kState, units, [&](std::int64_t i) {
    const int first = static_cast<int>(i % parts) * kUnitChannels;
    ConvolveUnit(body, s_.token_blocks[static_cast<std::size_t>(i / parts)], first,
                 std::min(width, first + kUnitChannels));
  });
}

// One block of channels, through all rows of a sequence.
void Executor::Step::ScanUnit(const program::ScanBody& body, const SequenceSlice& slice,
                              int block) const {
  const program::ScanAttributes& a = body.attributes;
  const int group = a.group_of(block);
  const int own = a.apart ? block * a.channels : block;  // its first rate, skip and time step
  const std::ptrdiff_t place = static_cast<std::ptrdiff_t>(block) * a.size * a.channels;
  const float* before = StateBefore(slice, a.state);
  if (before != nullptr) before += place;
  int done = 0;
  for (const kv::StateStep& step : slice.tiles->state_steps()) {
    const auto view = [&](int buffer, int first) {
      kernels::RowsView rows = s_.rows(buffer, slice.first_row + done);
      rows.data += first;
      return rows;
    };
    const program::Weight& rates = s_.program.weights[static_cast<std::size_t>(body.rates)];
    const kernels::ScanView rows{
        .x = view(body.x, a.x + block * a.channels),
        .dt = view(body.dt, own),
        .b = view(body.b, a.b + group * a.size),
        .c = view(body.c, a.c + group * a.size),
        .share = body.share < 0 ? kernels::ConstRowsView() : view(body.share, block),
        .out = view(body.out, block * a.channels),
        .rate = s_.weights.vector(body.rates) + own,
        .rate_stride = a.apart ? model::Weights::turned_stride(rates) : 0,
        .skip = body.skips < 0 ? nullptr : s_.weights.vector(body.skips) + own,
        .channels = a.channels,
        .size = a.size,
        .apart = a.apart};
    const auto end = static_cast<int>(step.end - slice.position);
    float* behind = StateBehind(step, a.state) + place;
    s_.kernels.scan(rows, end - done, before, behind);
    before = behind;
    done = end;
  }
}

bool Executor::Step::RunScan(Walk& walk, const program::Stage& stage) {
  walk.stage = &stage;
  const program::ScanBody& body = *stage.scan();
  const int blocks = body.attributes.blocks;
  const auto units = static_cast<std::int64_t>(input_.slices.size()) * blocks;
  return Phase(walk, program::StagePart::kState, units, [&](std::int64_t i) {
    ScanUnit(body, input_.slices[static_cast<std::size_t>(i / blocks)],
             static_cast<int>(i % blocks));
  });
}

}  // namespace cairn::engine
