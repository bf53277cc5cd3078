// SPDX-License-Identifier: Apache-2.0
#include "apps/trace_file.h"

#include <fmt/format.h>

namespace cairn::apps {

CLI::Option* AddTrace(CLI::App& command, std::string& path) {
  return command.add_option("--trace", path, "Write a timeline of stages and waiting to FILE")
      ->type_name("FILE");
}

Result<std::unique_ptr<TraceFile>> TraceFile::Create(const std::string& path) {
  auto file = std::make_unique<TraceFile>();
  if (path.empty()) return file;
  file->path_ = path;
  file->writer_ = OR_RETURN(engine::TraceWriter::Create(file->files_, path, file->clock_));
  return file;
}

Result<void> TraceFile::Finish(Console& console) {
  if (writer_ == nullptr) return {};
  OR_RETURN(writer_->Finish());
  const std::int64_t left_out = writer_->steps_left_out();
  console.Note(
      fmt::format("the timeline is in '{}'{}; open it with ui.perfetto.dev", path_,
                  left_out == 0 ? "" : fmt::format(", without its last {} steps", left_out)));
  return {};
}

}  // namespace cairn::apps
