// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <string_view>
#include <system_error>
#include <utility>

namespace cairn {
namespace {

std::unexpected<Error> SystemError(std::string_view what, const std::string& path, int error) {
  ErrorCode code = ErrorCode::kIo;
  if (error == ENOENT) code = ErrorCode::kNotFound;
  if (error == EISDIR || error == ENOTDIR) code = ErrorCode::kInvalidArgument;
  // generic_category().message, not strerror, which is not safe between threads.
  return Fail(
      code, fmt::format("cannot {} '{}': {}", what, path, std::generic_category().message(error)));
}

// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int Take() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// The system would take the part before the zero byte for the path.
Result<void> CheckPath(const std::string& path) {
  if (path.find('\0') == std::string::npos) return {};
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("the path '{}...' has a zero byte in it", path.c_str()));
}

Result<int> OpenDescriptor(const std::string& path, int flags, std::string_view what) {
  OR_RETURN(CheckPath(path));
  // O_NONBLOCK: a named pipe must not make us wait; it means nothing to files.
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK, 0666);
  if (fd < 0) return SystemError(what, path, errno);
  return fd;
}

Result<std::uint64_t> SizeOf(int fd, const std::string& path) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return SystemError("look at", path, errno);
  if (!S_ISREG(info.st_mode)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is {}, a file was expected", path,
                            S_ISDIR(info.st_mode) ? "a folder" : "not a file"));
  }
  return static_cast<std::uint64_t>(info.st_size);
}

// Reads until `out` is full or the file ends; returns how many bytes there were.
Result<std::size_t> ReadSome(int fd, const std::string& path, std::uint64_t offset,
                             std::span<std::byte> out) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());
  if (offset > kMost || out.size() > kMost - offset) {
    return Fail(ErrorCode::kInvalidArgument, fmt::format("cannot read '{}' at {}", path, offset));
  }
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SystemError("read", path, errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

class SystemReadableFile : public ReadableFile {
 public:
  SystemReadableFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Result<std::size_t> ReadAt(std::uint64_t offset, std::span<std::byte> out) override {
    return ReadSome(fd_.get(), path_, offset, out);
  }
  Result<std::uint64_t> Size() override { return SizeOf(fd_.get(), path_); }

 private:
  Descriptor fd_;
  std::string path_;
};

class SystemWritableFile : public WritableFile {
 public:
  SystemWritableFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  Result<void> Write(std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_.get(), bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return SystemError("write", path_, errno);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return {};
  }
  Result<void> Sync() override {
    if (::fdatasync(fd_.get()) != 0) return SystemError("sync", path_, errno);
    return {};
  }
  Result<void> Close() override {
    const int fd = fd_.Take();
    // After EINTR the descriptor is gone as well (Linux), so there is nothing to repeat.
    if (fd >= 0 && ::close(fd) != 0 && errno != EINTR) return SystemError("close", path_, errno);
    return {};
  }

 private:
  Descriptor fd_;
  std::string path_;
};

class SystemScratchFile : public ScratchFile {
 public:
  SystemScratchFile(int fd, const std::string& folder)
      : fd_(fd), path_("a scratch file in " + folder) {}

  Result<void> ReadAt(std::uint64_t offset, std::span<std::byte> out) override {
    if (OR_RETURN(ReadSome(fd_.get(), path_, offset, out)) == out.size()) return {};
    return Fail(ErrorCode::kIo,
                fmt::format("'{}' ends before {} bytes at {}", path_, out.size(), offset));
  }
  Result<void> WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return SystemError("write", path_, errno);
      offset += static_cast<std::uint64_t>(n);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
    return {};
  }

 private:
  Descriptor fd_;
  std::string path_;
};

}  // namespace

Result<std::unique_ptr<ReadableFile>> SystemFiles::OpenToRead(const std::string& path) {
  const int fd = OR_RETURN(OpenDescriptor(path, O_RDONLY, "open"));
  auto file = std::make_unique<SystemReadableFile>(fd, path);
  OR_RETURN(file->Size());  // refuses folders and devices
  return file;
}

Result<std::unique_ptr<WritableFile>> SystemFiles::OpenToWrite(const std::string& path,
                                                               WriteMode mode) {
  int flags = O_WRONLY | O_CREAT;
  if (mode == WriteMode::kCreateNew) flags |= O_EXCL;
  if (mode == WriteMode::kReplace) flags |= O_TRUNC;
  if (mode == WriteMode::kAppend) flags |= O_APPEND;
  const int fd = OR_RETURN(OpenDescriptor(path, flags, "write"));
  auto file = std::make_unique<SystemWritableFile>(fd, path);
  OR_RETURN(SizeOf(fd, path));
  return file;
}

Result<std::unique_ptr<ScratchFile>> SystemFiles::OpenScratch(const std::string& folder) {
  OR_RETURN(CheckPath(folder));
  int fd = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {  // not on every file system
    std::string path = folder + "/cairn-XXXXXX";
    fd = ::mkostemp(path.data(), O_CLOEXEC);
    if (fd >= 0 && ::unlink(path.c_str()) != 0) {
      const int error = errno;
      ::close(fd);
      return SystemError("remove", path, error);
    }
  }
  if (fd < 0) return SystemError("make a scratch file in", folder, errno);
  return std::make_unique<SystemScratchFile>(fd, folder);
}

Result<std::uint64_t> SystemFiles::Size(const std::string& path) {
  const auto file = OR_RETURN(OpenToRead(path));
  return file->Size();
}

Result<void> SystemFiles::Rename(const std::string& from, const std::string& to) {
  OR_RETURN(CheckPath(from));
  OR_RETURN(CheckPath(to));
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return SystemError(fmt::format("rename '{}' to", from), to, errno);
  }
  return {};
}

Result<void> SystemFiles::Remove(const std::string& path) {
  OR_RETURN(CheckPath(path));
  if (::unlink(path.c_str()) != 0) return SystemError("remove", path, errno);
  return {};
}

Result<void> SystemFiles::CreateFolders(const std::string& path) {
  OR_RETURN(CheckPath(path));
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return SystemError("make the folder", path, error.value());
  return {};
}

Result<void> SystemFiles::SyncFolder(const std::string& path) {
  const Descriptor fd(OR_RETURN(OpenDescriptor(path, O_RDONLY | O_DIRECTORY, "open the folder")));
  // Some file systems cannot sync a folder and say EINVAL; they order renames themselves.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) return SystemError("sync", path, errno);
  return {};
}

Result<std::vector<std::string>> SystemFiles::List(const std::string& path) {
  OR_RETURN(CheckPath(path));
  std::error_code error;
  std::vector<std::string> names;
  std::filesystem::directory_iterator it(path, error);
  while (!error && it != std::filesystem::directory_iterator()) {
    names.push_back(it->path().filename().string());
    it.increment(error);
  }
  if (error) return SystemError("list", path, error.value());
  std::ranges::sort(names);
  return names;
}

Result<std::string> ReadWholeFile(FileSystem& files, const std::string& path, std::uint64_t most) {
  const auto file = OR_RETURN(files.OpenToRead(path));
  const std::uint64_t size = OR_RETURN(file->Size());
  if (size > most) {
    return Fail(ErrorCode::kLimit,
                fmt::format("'{}' has {} bytes, at most {} are read", path, size, most));
  }
  std::string text(size, '\0');
  const std::size_t read = OR_RETURN(file->ReadAt(0, std::as_writable_bytes(std::span(text))));
  text.resize(read);  // fewer where someone shortened the file meanwhile
  return text;
}

}  // namespace cairn
