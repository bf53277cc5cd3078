// SPDX-License-Identifier: Apache-2.0
// Files behind an interface, so that tests can make every operation fail
// (testing/failing_file_system.h). Whatever writes files takes a FileSystem& and is tested with one
// that refuses the Nth operation.
//
// How a file is replaced safely: write "x.part", Sync, Close, Rename onto "x", SyncFolder. Until
//   the Rename the old file stands; after a crash it is the old or the new one, never a mixture.
// Threads: a FileSystem from any thread; a file object by one thread at a time, but ReadAt from
//   any.
// Errors: every message names the path. kNotFound (no such file or folder), kInvalidArgument (a
//   folder where a file was expected or the other way round, a name with a zero byte), kIo
//   (anything else; a full disk says so).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace cairn {

// Destroying a file closes it.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // Reads up to out.size() bytes from `offset`. Returns how many were read; fewer than asked for
  // only at the end of the file.
  [[nodiscard]] virtual Result<std::size_t> ReadAt(std::uint64_t offset,
                                                   std::span<std::byte> out) = 0;
  [[nodiscard]] virtual Result<std::uint64_t> Size() = 0;
};

class WritableFile {
 public:
  virtual ~WritableFile() = default;
  // Appends all of `bytes`. After a failure any part of them may be in the file.
  [[nodiscard]] virtual Result<void> Write(std::span<const std::byte> bytes) = 0;
  // Returns when what was written would survive a loss of power.
  [[nodiscard]] virtual Result<void> Sync() = 0;
  // Reports what the system kept back until now (a network disk may). Nothing may follow.
  [[nodiscard]] virtual Result<void> Close() = 0;
};

// A file without a name: whatever ends the process, nothing is left of it.
class ScratchFile {
 public:
  virtual ~ScratchFile() = default;
  // All of `out`; kIo also where nothing was written so far.
  [[nodiscard]] virtual Result<void> ReadAt(std::uint64_t offset, std::span<std::byte> out) = 0;
  // All of `bytes`. After a failure any part of them may be there.
  [[nodiscard]] virtual Result<void> WriteAt(std::uint64_t offset,
                                             std::span<const std::byte> bytes) = 0;
};

enum class WriteMode {
  kCreateNew,  // fails where the name exists
  kReplace,    // empties what exists
  kAppend,     // goes on at the end of what exists
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<ReadableFile>> OpenToRead(
      const std::string& path) = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<WritableFile>> OpenToWrite(const std::string& path,
                                                                          WriteMode mode) = 0;
  // An empty scratch file on the disk of a folder, readable by this user alone.
  [[nodiscard]] virtual Result<std::unique_ptr<ScratchFile>> OpenScratch(
      const std::string& folder) = 0;
  // Bytes of a file.
  [[nodiscard]] virtual Result<std::uint64_t> Size(const std::string& path) = 0;
  // Replaces `to` if it exists, in one step.
  [[nodiscard]] virtual Result<void> Rename(const std::string& from, const std::string& to) = 0;
  // A file, not a folder.
  [[nodiscard]] virtual Result<void> Remove(const std::string& path) = 0;
  // Makes the folder and those above it; one that exists is fine.
  [[nodiscard]] virtual Result<void> CreateFolders(const std::string& path) = 0;
  // Makes renames and removals inside the folder survive a loss of power.
  [[nodiscard]] virtual Result<void> SyncFolder(const std::string& path) = 0;
  // Names in a folder, sorted, without "." and "..".
  [[nodiscard]] virtual Result<std::vector<std::string>> List(const std::string& path) = 0;
};

// The machine's files. Keeps no state.
class SystemFiles : public FileSystem {
 public:
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
};

// The whole file. `most` bounds what is read. Errors: as OpenToRead; kLimit where it is longer.
[[nodiscard]] Result<std::string> ReadWholeFile(FileSystem& files, const std::string& path,
                                                std::uint64_t most);

}  // namespace cairn
