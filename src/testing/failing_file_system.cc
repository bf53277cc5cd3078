// SPDX-License-Identifier: Apache-2.0
#include "testing/failing_file_system.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace cairn::testing {

class FailingReadableFile : public ReadableFile {
 public:
  FailingReadableFile(FailingFileSystem& files, std::string path,
                      std::unique_ptr<ReadableFile> behind)
      : files_(files), path_(std::move(path)), behind_(std::move(behind)) {}

  Result<std::size_t> ReadAt(std::uint64_t offset, std::span<std::byte> out) override {
    OR_RETURN(files_.Step(path_));
    const std::uint64_t left = files_.end_ > offset ? files_.end_ - offset : 0;
    return behind_->ReadAt(offset, out.first(std::min<std::uint64_t>(out.size(), left)));
  }
  Result<std::uint64_t> Size() override {
    OR_RETURN(files_.Step(path_));
    return behind_->Size();
  }

 private:
  FailingFileSystem& files_;
  std::string path_;
  std::unique_ptr<ReadableFile> behind_;
};

class FailingWritableFile : public WritableFile {
 public:
  FailingWritableFile(FailingFileSystem& files, std::string path,
                      std::unique_ptr<WritableFile> behind)
      : files_(files), path_(std::move(path)), behind_(std::move(behind)) {}

  Result<void> Write(std::span<const std::byte> bytes) override {
    if (auto step = files_.Step(path_); !step) {
      // After a "death" nothing reaches the disk; a single failure tears the write in two.
      if (!files_.and_after_) OR_RETURN(behind_->Write(bytes.first(bytes.size() / 2)));
      return step;
    }
    const std::uint64_t fits = files_.TakeSpace(bytes.size());
    OR_RETURN(behind_->Write(bytes.first(fits)));
    if (fits == bytes.size()) return {};
    files_.failed_ = true;
    return Fail(ErrorCode::kIo, fmt::format("cannot write '{}': No space left on device", path_));
  }
  Result<void> Sync() override {
    OR_RETURN(files_.Step(path_));
    return behind_->Sync();
  }
  Result<void> Close() override {
    OR_RETURN(files_.Step(path_));
    return behind_->Close();
  }

 private:
  FailingFileSystem& files_;
  std::string path_;
  std::unique_ptr<WritableFile> behind_;
};

class FailingScratchFile : public ScratchFile {
 public:
  FailingScratchFile(FailingFileSystem& files, std::string path,
                     std::unique_ptr<ScratchFile> behind)
      : files_(files), path_(std::move(path)), behind_(std::move(behind)) {}

  Result<void> ReadAt(std::uint64_t offset, std::span<std::byte> out) override {
    OR_RETURN(files_.Step(path_));
    return behind_->ReadAt(offset, out);
  }
  Result<void> WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) override {
    if (auto step = files_.Step(path_); !step) {
      OR_RETURN(behind_->WriteAt(offset, bytes.first(bytes.size() / 2)));
      return step;
    }
    const std::uint64_t fits = files_.TakeSpace(bytes.size());
    OR_RETURN(behind_->WriteAt(offset, bytes.first(fits)));
    if (fits == bytes.size()) return {};
    files_.failed_ = true;
    return Fail(ErrorCode::kIo, fmt::format("cannot write '{}': No space left on device", path_));
  }

 private:
  FailingFileSystem& files_;
  std::string path_;
  std::unique_ptr<ScratchFile> behind_;
};

Result<void> FailingFileSystem::Step(const std::string& path) {
  const std::int64_t n = operations_++;
  const bool fails = fail_at_ >= 0 && (n == fail_at_ || (and_after_ && n > fail_at_));
  if (!fails) return {};
  failed_ = true;
  return Fail(ErrorCode::kIo, fmt::format("operation {} on '{}' fails as the test asked", n, path));
}

std::uint64_t FailingFileSystem::TakeSpace(std::uint64_t bytes) {
  const std::uint64_t taken = std::min(bytes, space_);
  if (space_ != std::numeric_limits<std::uint64_t>::max()) space_ -= taken;
  return taken;
}

Result<std::unique_ptr<ReadableFile>> FailingFileSystem::OpenToRead(const std::string& path) {
  OR_RETURN(Step(path));
  auto file = OR_RETURN(behind_.OpenToRead(path));
  return std::make_unique<FailingReadableFile>(*this, path, std::move(file));
}

Result<std::unique_ptr<WritableFile>> FailingFileSystem::OpenToWrite(const std::string& path,
                                                                     WriteMode mode) {
  OR_RETURN(Step(path));
  auto file = OR_RETURN(behind_.OpenToWrite(path, mode));
  return std::make_unique<FailingWritableFile>(*this, path, std::move(file));
}

Result<std::unique_ptr<ScratchFile>> FailingFileSystem::OpenScratch(const std::string& folder) {
  OR_RETURN(Step(folder));
  auto file = OR_RETURN(behind_.OpenScratch(folder));
  return std::make_unique<FailingScratchFile>(*this, folder, std::move(file));
}

Result<std::uint64_t> FailingFileSystem::Size(const std::string& path) {
  OR_RETURN(Step(path));
  return behind_.Size(path);
}

Result<void> FailingFileSystem::Rename(const std::string& from, const std::string& to) {
  OR_RETURN(Step(to));
  return behind_.Rename(from, to);
}

Result<void> FailingFileSystem::Remove(const std::string& path) {
  OR_RETURN(Step(path));
  return behind_.Remove(path);
}

Result<void> FailingFileSystem::CreateFolders(const std::string& path) {
  OR_RETURN(Step(path));
  return behind_.CreateFolders(path);
}

Result<void> FailingFileSystem::SyncFolder(const std::string& path) {
  OR_RETURN(Step(path));
  return behind_.SyncFolder(path);
}

Result<std::vector<std::string>> FailingFileSystem::List(const std::string& path) {
  OR_RETURN(Step(path));
  return behind_.List(path);
}

}  // namespace cairn::testing
