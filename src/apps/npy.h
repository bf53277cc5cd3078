// SPDX-License-Identifier: Apache-2.0
// Writes a matrix of f32 as a NumPy file (format 1.0, "<f4", C order), row by row.
// Source: the NumPy documentation, numpy.lib.format.
// Threads: one thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/error.h"
#include "model/new_file.h"

namespace cairn::apps {

// The header: a multiple of 64 bytes.
std::string NpyHeader(std::int64_t rows, std::int64_t cols);

// The file is there under its name after Finish, whole; a failure before leaves an old one as it
// was.
class NpyWriter {
 public:
  // Errors: kIo, kNotFound (the folder).
  [[nodiscard]] static Result<NpyWriter> Create(FileSystem& files, const std::string& path,
                                                std::int64_t rows, std::int64_t cols);
  // The next row, `cols` values.
  [[nodiscard]] Result<void> Append(std::span<const float> row);
  // Requires all rows to be there.
  [[nodiscard]] Result<void> Finish();

 private:
  NpyWriter(model::NewFile file, std::string path, std::int64_t rows, std::int64_t cols)
      : file_(std::move(file)), path_(std::move(path)), missing_(rows), cols_(cols) {}

  model::NewFile file_;
  std::string path_;
  std::int64_t missing_;
  std::int64_t cols_;
};

}  // namespace cairn::apps
