// SPDX-License-Identifier: Apache-2.0
#include "apps/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

namespace cairn::apps {
namespace {

namespace fs = std::filesystem;

// A device or a pipe: nothing to empty, to sync or to rename.
class Stream : public WritableFile {
 public:
  Stream(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~Stream() override {
    if (descriptor_ >= 0) close(descriptor_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  [[nodiscard]] Result<void> Write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno != EINTR) return Failure();
      if (written > 0) bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
  }
  [[nodiscard]] Result<void> Sync() override { return {}; }
  [[nodiscard]] Result<void> Close() override {
    if (close(std::exchange(descriptor_, -1)) != 0) return Failure();
    return {};
  }

 private:
  Result<void> Failure() const {
    return Fail(ErrorCode::kIo, fmt::format("cannot write '{}': {}", path_, std::strerror(errno)));
  }

  int descriptor_;
  std::string path_;
};

// What a symbolic link stands for, also where nothing is there yet.
std::string WithoutLinks(fs::path path) {
  constexpr int kMostLinks = 40;  // as the kernel allows
  std::error_code error;
  for (int i = 0; i < kMostLinks && fs::is_symlink(fs::symlink_status(path, error)); ++i) {
    const fs::path target = fs::read_symlink(path, error);
    if (error) break;
    path = path.parent_path() / target;  // an absolute target replaces the folder
  }
  return path.string();
}

}  // namespace

Result<OutputFile> OutputFile::Create(FileSystem& files, const std::string& path) {
  std::error_code error;  // whatever cannot be looked at is told by the attempt to write it
  const fs::file_status status = fs::status(path, error);
  if (fs::is_directory(status) || path.ends_with('/')) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is a folder, and the name of a file was expected", path));
  }
  OutputFile file(WithoutLinks(path));
  if (!fs::exists(status) || fs::is_regular_file(status)) {
    file.whole_.emplace(OR_RETURN(
        model::NewFile::Create(files, file.path_ + ".part", model::NewFile::Hashing::kNone)));
    return file;
  }
  const int descriptor = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return Fail(ErrorCode::kIo, fmt::format("cannot write '{}': {}", path, std::strerror(errno)));
  }
  file.stream_ = std::make_unique<Stream>(descriptor, path);
  return file;
}

Result<void> OutputFile::Append(std::span<const std::byte> bytes) {
  return whole_ ? whole_->Append(bytes) : stream_->Write(bytes);
}

Result<void> OutputFile::Finish() { return whole_ ? whole_->Commit(path_) : stream_->Close(); }

}  // namespace cairn::apps
