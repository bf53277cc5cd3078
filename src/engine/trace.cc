// SPDX-License-Identifier: Apache-2.0
#include "engine/trace.h"

namespace cairn::engine {
namespace {

// A worker that comes late runs through the phases it missed; each takes it less than this.
constexpr std::int64_t kMissedNs = 1000;

}  // namespace

void PhaseRecorder::BeginStep() {
  for (auto& spans : workers_) spans.clear();
  begin_ = clock_.NowNs();
}

void PhaseRecorder::End(int worker) {
  PhaseSpan& span = spans(worker).back();
  span.end = clock_.NowNs();
  if (worker != 0 && span.units == 0 && span.end - span.begin < kMissedNs) spans(worker).pop_back();
}

void PhaseRecorder::EndStep(const program::Program& program, kernels::KvFormat kv,
                            std::span<const SequenceSlice> slices) {
  const std::int64_t end = clock_.NowNs();
  // Who was sent home had its last wait cut off by the end of the step.
  for (auto& spans : workers_) {
    for (PhaseSpan& span : spans) {
      if (span.end == 0) span.end = end;
    }
  }
  observer_.OnStep({.program = program,
                    .kv = kv,
                    .slices = slices,
                    .begin = begin_,
                    .end = end,
                    .workers = workers_});
}

}  // namespace cairn::engine
