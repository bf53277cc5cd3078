// SPDX-License-Identifier: Apache-2.0
// A whole file, mapped read-only.
//
// Threads: const members may be called from any thread; Release only gives hints to the system.
// Owns: the mapping. Spans die with the object. A file that another process shortens while it is
//   mapped cannot be read safely past its new end (the system sends SIGBUS); model files are
//   replaced by renaming, never shortened in place.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/error.h"

namespace cairn {

class MappedFile {
 public:
  // Errors: kNotFound, kIo, kInvalidArgument for what is not a regular file (a directory, a
  // device), kCorrupt for an empty file. Each names the path.
  [[nodiscard]] static Result<MappedFile> Open(const std::string& path);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::string& path() const { return path_; }

  // Gives the resident pages inside [offset, offset + length) back; reading them again works and
  // costs a read from the page cache or the disk. Whole pages only.
  void Release(std::size_t offset, std::size_t length) const;

 private:
  MappedFile(std::string path, const std::byte* data, std::size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}

  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace cairn
