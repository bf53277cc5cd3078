// SPDX-License-Identifier: Apache-2.0
// A whole file, or several behind one another, mapped read-only.
//
// Threads: const members may be called from any thread; Release only gives hints to the system.
// Owns: the mapping. Spans die with the object. A file that another process shortens while it is
//   mapped cannot be read safely past its new end (the system sends SIGBUS); model files are
//   replaced by renaming, never shortened in place.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace cairn {

class MappedFile {
 public:
  // Errors: kNotFound, kIo, kInvalidArgument for what is not a regular file (a directory, a
  // device), kCorrupt for an empty file. Each names the path.
  [[nodiscard]] static Result<MappedFile> Open(const std::string& path);

  // Files that belong together, in this order, each at the beginning of a page: `bytes` spans all
  // of them, and what lies between the end of one and the next page must not be read. Requires at
  // least one path. Errors: as Open; kOutOfMemory where no stretch of addresses is free.
  [[nodiscard]] static Result<MappedFile> OpenAll(std::span<const std::string> paths);

  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  // The bytes of each file.
  const std::vector<std::span<const std::byte>>& parts() const { return parts_; }
  const std::string& path() const { return path_; }  // of the first

  // Gives the resident pages inside [offset, offset + length) back; reading them again works and
  // costs a read from the page cache or the disk. Whole pages only.
  void Release(std::size_t offset, std::size_t length) const;

 private:
  explicit MappedFile(std::string path) : path_(std::move(path)) {}

  std::string path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::vector<std::span<const std::byte>> parts_;
};

}  // namespace cairn
