// SPDX-License-Identifier: Apache-2.0
// The file that a command was told to write. A regular one appears under its name only when it is
// whole, and a failure before leaves an old one as it was; a symbolic link stays one. What is no
// regular file (a device, a pipe) is written as it is and never replaced.
// Threads: one thread at a time. Borrows the file system.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "model/new_file.h"

namespace cairn::apps {

class OutputFile {
 public:
  // Errors: kInvalidArgument (a folder), kIo, kNotFound (its folder).
  [[nodiscard]] static Result<OutputFile> Create(FileSystem& files, const std::string& path);
  [[nodiscard]] Result<void> Append(std::span<const std::byte> bytes);
  [[nodiscard]] Result<void> Finish();

 private:
  explicit OutputFile(std::string path) : path_(std::move(path)) {}

  std::string path_;  // of the regular file
  std::optional<model::NewFile> whole_;
  std::unique_ptr<WritableFile> stream_;
};

}  // namespace cairn::apps
