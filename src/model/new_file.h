// SPDX-License-Identifier: Apache-2.0
// A file that appears under its name only when it is whole: written beside it under another name,
// hashed on the way where that is asked for, synced, renamed. Whatever fails before Commit leaves
// nothing behind. Threads: one thread at a time. Owns: the temporary file until Commit; borrows the
// file system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "base/file.h"

namespace cairn::model {

class Sha256;

class NewFile {
 public:
  // Creates `temporary` (replacing one that an earlier process left). Errors: kIo, kNotFound.
  enum class Hashing { kSha256, kNone };
  [[nodiscard]] static Result<NewFile> Create(FileSystem& files, const std::string& temporary,
                                              Hashing hashing = Hashing::kSha256);
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  // Errors: kIo, which says so where the disk is full.
  [[nodiscard]] Result<void> Append(std::span<const std::byte> bytes);
  std::uint64_t size() const { return size_; }
  // SHA-256 of everything appended, lower-case hexadecimal. Once, after the last Append, and not of
  // a file without hashing.
  std::string Digest();
  // Syncs the bytes, gives the file its name (replacing what had it) and syncs the folder.
  // Both names must be on one file system.
  [[nodiscard]] Result<void> Commit(const std::string& path);

 private:
  NewFile(FileSystem& files, std::string temporary, std::unique_ptr<WritableFile> file,
          Hashing hashing);

  FileSystem* files_;
  std::string temporary_;
  std::unique_ptr<WritableFile> file_;
  std::uint64_t size_ = 0;
  std::unique_ptr<Sha256> hash_;  // null: none
};

// SHA-256 of a file, lower-case hexadecimal. Errors: kNotFound, kIo.
[[nodiscard]] Result<std::string> Sha256OfFile(const std::string& path);

}  // namespace cairn::model
