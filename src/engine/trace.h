// SPDX-License-Identifier: Apache-2.0
// What an executor records of a step when somebody asks: who worked at what, and who waited.
//
// Threads: a PhaseRecorder's step calls come from the executor's thread; those of a worker only
// from
//   that worker. OnStep is called on the engine's thread, between steps.
// Cost: two to four clock readings per phase and worker; nothing at all without an observer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/clock.h"
#include "engine/executor.h"
#include "program/stage_cost.h"

namespace cairn::engine {

// One worker's way through one phase. Times are of the observer's clock, in nanoseconds.
struct PhaseSpan {
  const program::Stage* stage = nullptr;  // null where the part belongs to none
  program::StagePart part{};
  int units = 0;             // that this worker did
  int experts = 0;           // that the rows of the phase meet; 0: none, or a phase without experts
  std::int64_t begin = 0;    // comes to the phase
  std::int64_t waiting = 0;  // finds nothing more to do
  std::int64_t end = 0;      // the phase is over
};

// A step that has ended. Worker 0 passes every phase, its spans cover the step without gaps but for
// the way from one to the next; others leave out phases that they came too late for.
struct StepRecord {
  const program::Program& program;
  kernels::KvFormat kv = kernels::KvFormat::kF16;
  std::span<const SequenceSlice> slices;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::span<const std::vector<PhaseSpan>> workers;  // by worker, in order of time
};

class StepObserver {
 public:
  virtual ~StepObserver() = default;
  virtual const Clock& clock() const = 0;
  // What the record refers to lives until the call returns. Steps that were cancelled come too.
  virtual void OnStep(const StepRecord& record) = 0;
};

class PhaseRecorder {
 public:
  PhaseRecorder(StepObserver& observer, int workers)
      : observer_(observer),
        clock_(observer.clock()),
        workers_(static_cast<std::size_t>(workers)) {}

  // By the calling thread, around a step.
  void BeginStep();
  void EndStep(const program::Program& program, kernels::KvFormat kv,
               std::span<const SequenceSlice> slices);

  // By each worker, in this order. A worker that is sent home while it waits calls End no more.
  void Begin(int worker, const program::Stage* stage, program::StagePart part) {
    const std::int64_t now = clock_.NowNs();
    spans(worker).push_back({.stage = stage, .part = part, .begin = now, .waiting = now});
  }
  void BeginWaiting(int worker, int units, int experts) {
    PhaseSpan& span = spans(worker).back();
    span.units = units;
    span.experts = experts;
    if (units > 0) span.waiting = clock_.NowNs();
  }
  void End(int worker);

 private:
  std::vector<PhaseSpan>& spans(int worker) { return workers_[static_cast<std::size_t>(worker)]; }

  StepObserver& observer_;
  const Clock& clock_;
  std::int64_t begin_ = 0;
  std::vector<std::vector<PhaseSpan>> workers_;
};

}  // namespace cairn::engine
