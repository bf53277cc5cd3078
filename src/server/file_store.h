// SPDX-License-Identifier: Apache-2.0
// Files that clients leave with the server, for batches.
//
// A folder of the server's own. A file is two of the disk's: ID.data, and ID.json with what is
// known of it, which is written last and renamed into place, so that after a kill a file is there
// whole or not at all. Names that clients give are never names on the disk. A tenant (the name of a
// key) sees its own files alone.
// Threads: any; Add, Read and Remove wait for the disk, List and Find for nobody.
// Errors: kNotFound (no such file of that tenant), kLimit (no room), kIo.
// Owns: nothing but the list; the FileSystem must outlive it.
// Test: file_store_test.cc.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"

namespace cairn::server {

struct StoredFile {
  std::string id;  // "file-" and 24 hexadecimal digits
  std::string tenant;
  std::string filename, purpose;  // as the client gave them
  std::int64_t bytes = 0;
  std::int64_t created_s = 0;  // seconds since 1970
};
// As OpenAI tells it.
boost::json::object ToObject(const StoredFile& file);

// `text` into a file, which is there whole or as it was before.
[[nodiscard]] Result<void> WriteWholeFile(FileSystem& disk, const std::string& path,
                                          std::string_view text);

class FileStore {
 public:
  static constexpr std::size_t kMostFiles = 10'000;
  static constexpr std::size_t kMostNameBytes = 512;

  // Makes the folder where there is none; what a kill left of unfinished files is removed.
  // `most_bytes`: of all files together.
  [[nodiscard]] static Result<std::unique_ptr<FileStore>> Open(FileSystem& disk, std::string folder,
                                                               std::uint64_t most_bytes);

  [[nodiscard]] Result<StoredFile> Add(std::string tenant, std::string filename,
                                       std::string purpose, std::string_view content);
  // The newest first.
  std::vector<StoredFile> List(std::string_view tenant) const;
  [[nodiscard]] Result<StoredFile> Find(std::string_view tenant, std::string_view id) const;
  [[nodiscard]] Result<std::string> Read(std::string_view tenant, std::string_view id) const;
  [[nodiscard]] Result<void> Remove(std::string_view tenant, std::string_view id);

  const std::string& folder() const { return folder_; }
  FileSystem& disk() const { return disk_; }

 private:
  FileStore(FileSystem& disk, std::string folder, std::uint64_t most_bytes)
      : disk_(disk), folder_(std::move(folder)), most_bytes_(most_bytes) {}
  [[nodiscard]] Result<void> ReadFolder();
  [[nodiscard]] Result<void> Reserve(std::size_t bytes);  // with the mutex held
  [[nodiscard]] Result<void> WriteBoth(const StoredFile& file, std::string_view content);
  std::string PathOf(std::string_view id, std::string_view kind) const;

  FileSystem& disk_;
  const std::string folder_;
  const std::uint64_t most_bytes_;
  mutable std::mutex mutex_;  // guards what follows
  std::map<std::string, StoredFile, std::less<>> files_;
  std::uint64_t bytes_ = 0;  // of them and of those that are being written
  std::size_t writing_ = 0;  // files that are
};

}  // namespace cairn::server
