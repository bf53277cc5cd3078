// SPDX-License-Identifier: Apache-2.0
// Writes a matrix of f32 as a NumPy file (format 1.0, "<f4", C order), row by row.
// Source: the NumPy documentation, numpy.lib.format.
// Threads: one thread at a time.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "apps/output_file.h"
#include "base/error.h"

namespace cairn::apps {

// The header: a multiple of 64 bytes.
std::string NpyHeader(std::int64_t rows, std::int64_t cols);

// The file is there after Finish, as OutputFile has it.
class NpyWriter {
 public:
  // Errors: as OutputFile.
  [[nodiscard]] static Result<NpyWriter> Create(FileSystem& files, const std::string& path,
                                                std::int64_t rows, std::int64_t cols);
  // The next row, `cols` values.
  [[nodiscard]] Result<void> Append(std::span<const float> row);
  // Requires all rows to be there.
  [[nodiscard]] Result<void> Finish();

 private:
  NpyWriter(OutputFile file, std::int64_t rows, std::int64_t cols)
      : file_(std::move(file)), missing_(rows), cols_(cols) {}

  OutputFile file_;
  std::int64_t missing_;
  std::int64_t cols_;
};

}  // namespace cairn::apps
