// SPDX-License-Identifier: Apache-2.0
// The option --trace FILE: a timeline of a command's steps (docs/tracing.md).
// Threads: the main thread.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "apps/console.h"
#include "base/clock.h"
#include "base/file.h"
#include "engine/trace_writer.h"

namespace cairn::apps {

CLI::Option* AddTrace(CLI::App& command, std::string& path);

// Nothing at all where the path is empty. Outlives the engine that it observes.
class TraceFile {
 public:
  // Errors: kIo and others where the file cannot be written.
  [[nodiscard]] static Result<std::unique_ptr<TraceFile>> Create(const std::string& path);

  engine::StepObserver* observer() { return writer_.get(); }
  // Ends the file and says where it is. Errors: kIo where some of it could not be written.
  [[nodiscard]] Result<void> Finish(Console& console);

 private:
  SystemFiles files_;
  SystemClock clock_;
  std::string path_;
  std::unique_ptr<engine::TraceWriter> writer_;
};

}  // namespace cairn::apps
