// SPDX-License-Identifier: Apache-2.0
// A file system that refuses on request, in front of another one.
//
//   SystemFiles real;
//   for (int n = 0;; ++n) {
//     FailingFileSystem files(real);
//     files.FailAt(n);
//     const auto done = WhatIsTested(files);
//     if (!files.failed()) break;  // every operation has failed once
//     EXPECT_FALSE(done.has_value()); ... and nothing is half done
//   }
//
// Operations are counted from 0 over the file system and all its files: opening, ReadAt, WriteAt,
// Write, Sync, Close, Size, Rename, Remove, CreateFolders, SyncFolder, List. A Write that fails has
// written the first half of its bytes, as a full disk or a crash leaves it. Threads: one thread.
// The file system behind must outlive this one, this one its files.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"

namespace cairn::testing {

class FailingFileSystem : public FileSystem {
 public:
  explicit FailingFileSystem(FileSystem& behind) : behind_(behind) {}

  // Operation `n` fails with kIo; with `and_after`, all that follow as well (the program "died").
  void FailAt(std::int64_t n, bool and_after = false) {
    fail_at_ = n;
    and_after_ = and_after;
  }
  // Writes may take this many bytes more; the one that would pass it writes what fits and fails.
  void LimitSpace(std::uint64_t bytes) { space_ = bytes; }
  // ReadAt sees files as if they ended here.
  void EndFilesAt(std::uint64_t bytes) { end_ = bytes; }

  std::int64_t operations() const { return operations_; }
  bool failed() const { return failed_; }

  [[nodiscard]] Result<std::unique_ptr<ReadableFile>> OpenToRead(const std::string& path) override;
  [[nodiscard]] Result<std::unique_ptr<WritableFile>> OpenToWrite(const std::string& path,
                                                                  WriteMode mode) override;
  [[nodiscard]] Result<std::unique_ptr<ScratchFile>> OpenScratch(
      const std::string& folder) override;
  [[nodiscard]] Result<std::uint64_t> Size(const std::string& path) override;
  [[nodiscard]] Result<void> Rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] Result<void> Remove(const std::string& path) override;
  [[nodiscard]] Result<void> CreateFolders(const std::string& path) override;
  [[nodiscard]] Result<void> SyncFolder(const std::string& path) override;
  [[nodiscard]] Result<std::vector<std::string>> List(const std::string& path) override;

 private:
  friend class FailingReadableFile;
  friend class FailingWritableFile;
  friend class FailingScratchFile;

  // Counts the operation; an Error where it is the one to fail.
  [[nodiscard]] Result<void> Step(const std::string& path);
  // How many of `bytes` still fit; takes them from the space.
  std::uint64_t TakeSpace(std::uint64_t bytes);

  FileSystem& behind_;
  std::int64_t operations_ = 0;
  std::int64_t fail_at_ = -1;
  bool and_after_ = false;
  bool failed_ = false;
  std::uint64_t space_ = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t end_ = std::numeric_limits<std::uint64_t>::max();
};

}  // namespace cairn::testing
