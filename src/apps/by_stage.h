// SPDX-License-Identifier: Apache-2.0
// `cairn bench --by-stage`: where the time of each measured case goes.
// Threads: the main thread.
#pragma once

#include <boost/json/array.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/peaks.h"
#include "base/clock.h"
#include "engine/stage_times.h"

namespace cairn::apps {

class ByStage : public engine::StepObserver {
 public:
  explicit ByStage(std::size_t cases) : cases_(cases, engine::StageTimes(clock_)) {}

  // Steps belong to this case from now on; nothing: they are not counted.
  void Count(std::optional<std::size_t> number) { current_ = number; }

  const Clock& clock() const override { return clock_; }
  void OnStep(const engine::StepRecord& record) override {
    if (current_) cases_[*current_].OnStep(record);
  }

  // Lines of text, one per kind of stage, in the order of a step.
  std::string Table(std::size_t number, const Peaks& peaks) const;
  boost::json::array ToValue(std::size_t number) const;

 private:
  SystemClock clock_;
  std::vector<engine::StageTimes> cases_;
  std::optional<std::size_t> current_;
};

}  // namespace cairn::apps
