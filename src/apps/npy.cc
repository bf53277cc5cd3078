// SPDX-License-Identifier: Apache-2.0
#include "apps/npy.h"

#include <fmt/format.h>

#include <bit>

#include "base/check.h"

namespace cairn::apps {

static_assert(std::endian::native == std::endian::little, "rows are written as they lie in memory");

std::string NpyHeader(std::int64_t rows, std::int64_t cols) {
  std::string text =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, cols);
  constexpr std::size_t kPrefix = 10;  // magic, version, length
  constexpr std::size_t kAlignment = 64;
  text.append(kAlignment - (kPrefix + text.size() + 1) % kAlignment, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(text.size() & 0xFF);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

Result<NpyWriter> NpyWriter::Create(FileSystem& files, const std::string& path, std::int64_t rows,
                                    std::int64_t cols) {
  NpyWriter writer(OR_RETURN(OutputFile::Create(files, path)), rows, cols);
  const std::string header = NpyHeader(rows, cols);
  OR_RETURN(writer.file_.Append(std::as_bytes(std::span(header))));
  return writer;
}

Result<void> NpyWriter::Append(std::span<const float> row) {
  CAIRN_CHECK(missing_ > 0 && static_cast<std::int64_t>(row.size()) == cols_);
  --missing_;
  return file_.Append(std::as_bytes(row));
}

Result<void> NpyWriter::Finish() {
  CAIRN_CHECK(missing_ == 0);
  return file_.Finish();
}

}  // namespace cairn::apps
