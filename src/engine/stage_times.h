// SPDX-License-Identifier: Apache-2.0
// Where the time of steps goes: sums over stages of the same name, beside what they cost by the
// program's own figures.
// Threads: as the engine that it observes.
#pragma once

#include <string>
#include <vector>

#include "engine/trace.h"
#include "program/cost.h"

namespace cairn::engine {

// All layers and steps of one kind of stage and part. A stage's time is that of worker 0, who
// passes them all: together they are the steps' time.
struct StageTime {
  std::string name;
  program::StagePart part{};
  std::int64_t calls = 0;
  std::int64_t ns = 0;       // from worker 0's coming to the end of the phase
  std::int64_t busy_ns = 0;  // that workers had units, all together
  program::Cost cost;
};

class StageTimes : public StepObserver {
 public:
  explicit StageTimes(const Clock& clock) : clock_(clock) {}
  const Clock& clock() const override { return clock_; }
  void OnStep(const StepRecord& record) override;

  // Forgets what was seen.
  void Reset();
  const std::vector<StageTime>& stages() const { return stages_; }  // in the order of a step
  std::int64_t steps() const { return steps_; }
  std::int64_t step_ns() const { return step_ns_; }  // of all steps
  int workers() const { return workers_; }

 private:
  // Stages of one program keep their place; found again without making their names.
  struct Known {
    const program::Stage* stage;
    program::StagePart part;
    std::size_t index;         // into stages_
    std::int64_t costed_step;  // the last step whose cost is counted
  };
  Known& Find(const StepRecord& record, const PhaseSpan& span);

  const Clock& clock_;
  std::vector<StageTime> stages_;
  std::vector<Known> known_;
  std::size_t next_known_ = 0;  // steps pass stages in the same order
  std::int64_t steps_ = 0;
  std::int64_t step_ns_ = 0;
  int workers_ = 0;
};

}  // namespace cairn::engine
