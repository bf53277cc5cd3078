// SPDX-License-Identifier: Apache-2.0
#include "engine/stage_times.h"

#include <algorithm>

namespace cairn::engine {
namespace {

// The program's figures are those of f16.
double BytesBesideF16(kernels::KvFormat format, int head_dim) {
  return static_cast<double>(kernels::KvHeadBytes(format, head_dim)) /
         static_cast<double>(kernels::KvHeadBytes(kernels::KvFormat::kF16, head_dim));
}

}  // namespace

void StageTimes::Reset() {
  stages_.clear();
  known_.clear();
  next_known_ = 0;
  steps_ = 0;
  step_ns_ = 0;
}

StageTimes::Known& StageTimes::Find(const StepRecord& record, const PhaseSpan& span) {
  const auto same = [&](const Known& known) {
    return known.stage == span.stage && known.part == span.part;
  };
  for (std::size_t tried = 0; tried < known_.size(); ++tried) {
    const std::size_t at = (next_known_ + tried) % known_.size();
    if (!same(known_[at])) continue;
    next_known_ = at + 1;
    return known_[at];
  }
  const std::string name = program::NameOf(record.program, span.stage, span.part);
  const auto named = std::ranges::find_if(
      stages_, [&](const StageTime& time) { return time.part == span.part && time.name == name; });
  const auto index = static_cast<std::size_t>(named - stages_.begin());
  if (named == stages_.end()) stages_.push_back({.name = name, .part = span.part});
  next_known_ = known_.size() + 1;
  return known_.emplace_back(span.stage, span.part, index, 0);
}

void StageTimes::OnStep(const StepRecord& record) {
  std::vector<program::SliceSize> slices;
  for (const SequenceSlice& slice : record.slices) {
    slices.push_back({.tokens = static_cast<double>(slice.rows),
                      .sampled = static_cast<double>(slice.sampled),
                      .position = static_cast<double>(slice.position)});
  }
  ++steps_;
  step_ns_ += record.end - record.begin;
  workers_ = static_cast<int>(record.workers.size());
  for (std::size_t w = 0; w < record.workers.size(); ++w) {
    for (const PhaseSpan& span : record.workers[w]) {
      Known& known = Find(record, span);
      StageTime& time = stages_[known.index];
      time.busy_ns += span.waiting - span.begin;
      if (w != 0) continue;
      ++time.calls;
      time.ns += span.end - span.begin;
      // Logits come in slices of rows: the same part again, of which the cost is the whole.
      if (span.stage == nullptr || known.costed_step == steps_) continue;
      known.costed_step = steps_;
      program::Cost cost =
          program::CostOf(record.program, *span.stage, span.part, slices, span.experts);
      if (span.stage->attend() != nullptr) {
        cost.kv_bytes *= BytesBesideF16(record.kv, span.stage->attend()->kv.head_dim);
      }
      time.cost += cost;
    }
  }
}

}  // namespace cairn::engine
