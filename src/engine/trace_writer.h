// SPDX-License-Identifier: Apache-2.0
// Steps as a timeline that ui.perfetto.dev and chrome://tracing open: docs/tracing.md.
//
// A track per worker. Worker 0's covers the run from the writer's making to Finish: steps, and
// "outside of steps" between them; inside a step its phases. Work is named by the stage and the
// part, waiting is "wait". Waits under half a microsecond are left out, and so are steps once the
// file has grown to kMostBytes. Threads: as the engine that it observes.
#pragma once

#include <memory>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "engine/trace.h"

namespace cairn::engine {

class TraceWriter : public StepObserver {
 public:
  static constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 30;

  // Everything handed in must outlive the writer. Errors: as FileSystem::OpenToWrite.
  [[nodiscard]] static Result<std::unique_ptr<TraceWriter>> Create(
      FileSystem& files, const std::string& path, const Clock& clock,
      std::uint64_t most_bytes = kMostBytes);

  const Clock& clock() const override { return clock_; }
  void OnStep(const StepRecord& record) override;

  // Ends the file; without it the file is no whole JSON. Errors: what any write before reported.
  [[nodiscard]] Result<void> Finish();
  std::int64_t steps_left_out() const { return left_out_; }

 private:
  TraceWriter(std::unique_ptr<WritableFile> file, const Clock& clock, std::uint64_t most_bytes);
  void Span(int worker, std::string_view name, std::string_view category, std::int64_t begin,
            std::int64_t end, std::string_view arguments = {});
  void NameWorkers(std::size_t workers);
  void Phases(const StepRecord& record, int worker);
  void Append(std::string_view text);
  void Flush();

  std::unique_ptr<WritableFile> file_;
  const Clock& clock_;
  const std::uint64_t most_bytes_;
  const std::int64_t origin_;  // time 0 of the timeline
  std::int64_t last_end_;      // of the step before
  std::size_t named_ = 0;      // workers whose tracks have names
  std::uint64_t written_ = 0;
  std::int64_t left_out_ = 0;
  bool first_ = true;
  std::string pending_;
  Result<void> result_;
};

}  // namespace cairn::engine
