// SPDX-License-Identifier: Apache-2.0
#include "server/file_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <ctime>
#include <utility>

#include "model/new_file.h"
#include "server/json_members.h"
#include "server/new_id.h"

namespace cairn::server {
namespace {

namespace json = boost::json;

constexpr std::string_view kData = ".data", kFacts = ".json", kPart = ".part";
constexpr std::size_t kMostFactsBytes = std::size_t{64} << 10;
constexpr std::uint64_t kMostFileBytes = std::uint64_t{4} << 30;

Result<StoredFile> ParseFacts(std::string_view text) {
  const json::value value = OR_RETURN(ParseJson(text, kMostFactsBytes));
  const Members members(*OR_RETURN(BodyObject(value)), "");
  StoredFile file;
  OR_RETURN(members.Read("id", FileStore::kMostNameBytes, file.id));
  OR_RETURN(members.Read("tenant", FileStore::kMostNameBytes, file.tenant));
  OR_RETURN(members.Read("filename", FileStore::kMostNameBytes, file.filename));
  OR_RETURN(members.Read("purpose", FileStore::kMostNameBytes, file.purpose));
  OR_RETURN(members.Read("bytes", 0, kMostFileBytes, file.bytes));
  OR_RETURN(members.Read("created_at", 0, std::int64_t{1} << 40, file.created_s));
  return file;
}

std::unexpected<Error> NotThere() {
  return Fail(ErrorCode::kNotFound, "there is no such file", "file");
}

}  // namespace

json::object ToObject(const StoredFile& file) {
  return {{"id", file.id},
          {"object", "file"},
          {"bytes", file.bytes},
          {"created_at", file.created_s},
          {"filename", file.filename},
          {"purpose", file.purpose},
          {"status", "processed"},
          {"expires_at", nullptr}};
}

Result<void> WriteWholeFile(FileSystem& disk, const std::string& path, std::string_view text) {
  auto file = OR_RETURN(
      model::NewFile::Create(disk, path + std::string(kPart), model::NewFile::Hashing::kNone));
  OR_RETURN(file.Append(std::as_bytes(std::span(text))));
  return file.Commit(path);
}

Result<std::unique_ptr<FileStore>> FileStore::Open(FileSystem& disk, std::string folder,
                                                   std::uint64_t most_bytes) {
  std::unique_ptr<FileStore> store(new FileStore(disk, std::move(folder), most_bytes));
  OR_RETURN(disk.CreateFolders(store->folder_));
  OR_RETURN(store->ReadFolder());
  return store;
}

std::string FileStore::PathOf(std::string_view id, std::string_view kind) const {
  return fmt::format("{}/{}{}", folder_, id, kind);
}

// A file whose facts cannot be read is left alone; a person may want to look at it.
Result<void> FileStore::ReadFolder() {
  const auto names = OR_RETURN(disk_.List(folder_));
  for (const std::string& name : names) {
    if (!name.starts_with("file-") || !name.ends_with(kFacts)) continue;
    const auto text = ReadWholeFile(disk_, folder_ + '/' + name, kMostFactsBytes);
    auto file = text ? ParseFacts(*text) : std::unexpected(text.error());
    if (!file || file->id + std::string(kFacts) != name) continue;
    bytes_ += static_cast<std::uint64_t>(file->bytes);
    files_.emplace(file->id, *std::move(file));
  }
  for (const std::string& name : names) {
    const bool data = name.starts_with("file-") && name.ends_with(kData);
    const bool whole = !data || files_.contains(name.substr(0, name.size() - kData.size())) ||
                       std::ranges::count(names, name.substr(0, name.size() - kData.size()) +
                                                     std::string(kFacts)) > 0;
    if (whole && !name.ends_with(kPart)) continue;
    OR_RETURN(disk_.Remove(folder_ + '/' + name));
  }
  return {};
}

Result<StoredFile> FileStore::Add(std::string tenant, std::string filename, std::string purpose,
                                  std::string_view content) {
  StoredFile file{.id = NewId("file-"),
                  .tenant = std::move(tenant),
                  .filename = std::move(filename),
                  .purpose = std::move(purpose),
                  .bytes = static_cast<std::int64_t>(content.size()),
                  .created_s = std::time(nullptr)};
  {
    const std::lock_guard lock(mutex_);
    OR_RETURN(Reserve(content.size()));
  }
  const Result<void> written = WriteBoth(file, content);
  const std::lock_guard lock(mutex_);
  --writing_;
  if (!written) {
    bytes_ -= content.size();
    return std::unexpected(written.error());
  }
  files_.emplace(file.id, file);
  return file;
}

Result<void> FileStore::Reserve(std::size_t bytes) {
  if (files_.size() + writing_ >= kMostFiles ||
      bytes > most_bytes_ - std::min(bytes_, most_bytes_)) {
    return Fail(ErrorCode::kLimit,
                fmt::format("the server keeps {} MB of files, at most {} MB and {} files; delete "
                            "some first",
                            bytes_ >> 20, most_bytes_ >> 20, kMostFiles));
  }
  bytes_ += bytes;
  ++writing_;
  return {};
}

Result<void> FileStore::WriteBoth(const StoredFile& file, std::string_view content) {
  json::object facts = ToObject(file);
  facts["tenant"] = file.tenant;
  OR_RETURN(WriteWholeFile(disk_, PathOf(file.id, kData), content));
  auto written = WriteWholeFile(disk_, PathOf(file.id, kFacts), json::serialize(facts));
  if (!written) IgnoreResult(disk_.Remove(PathOf(file.id, kData)), "the next start does it");
  return written;
}

std::vector<StoredFile> FileStore::List(std::string_view tenant) const {
  std::vector<StoredFile> list;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, file] : files_) {
      if (file.tenant == tenant) list.push_back(file);
    }
  }
  std::ranges::stable_sort(list, std::ranges::greater(), &StoredFile::created_s);
  return list;
}

Result<StoredFile> FileStore::Find(std::string_view tenant, std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(id);
  if (found == files_.end() || found->second.tenant != tenant) return NotThere();
  return found->second;
}

Result<std::string> FileStore::Read(std::string_view tenant, std::string_view id) const {
  const StoredFile file = OR_RETURN(Find(tenant, id));
  return ReadWholeFile(disk_, PathOf(file.id, kData), kMostFileBytes);
}

// The facts go first: without them there is no file.
Result<void> FileStore::Remove(std::string_view tenant, std::string_view id) {
  const StoredFile file = OR_RETURN(Find(tenant, id));
  {
    const std::lock_guard lock(mutex_);
    if (files_.erase(file.id) == 0) return NotThere();
    bytes_ -= static_cast<std::uint64_t>(file.bytes);
  }
  OR_RETURN(disk_.Remove(PathOf(file.id, kFacts)));
  OR_RETURN(disk_.Remove(PathOf(file.id, kData)));
  return disk_.SyncFolder(folder_);
}

}  // namespace cairn::server
