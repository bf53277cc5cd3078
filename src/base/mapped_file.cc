// SPDX-License-Identifier: Apache-2.0
#include "base/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "base/checked.h"

namespace cairn {

namespace {

// A descriptor, closed at the end.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

struct OpenedFile {
  Descriptor fd;
  std::size_t size = 0;
};

Result<OpenedFile> OpenRegular(const std::string& path) {
  // O_NONBLOCK: opening a named pipe would wait for a writer, for ever; files do not care.
  OpenedFile opened{.fd = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK))};
  if (opened.fd.get() < 0) {
    const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
    return Fail(code,
                fmt::format("cannot open '{}': {}", path, std::generic_category().message(errno)));
  }
  struct stat info {};
  const bool known = ::fstat(opened.fd.get(), &info) == 0;
  if (!known || !S_ISREG(info.st_mode)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is not a file but {}; a file was expected", path,
                            known && S_ISDIR(info.st_mode) ? "a directory" : "something else"));
  }
  if (info.st_size == 0) return Fail(ErrorCode::kCorrupt, fmt::format("'{}' is empty", path));
  opened.size = static_cast<std::size_t>(info.st_size);
  return opened;
}

}  // namespace

Result<MappedFile> MappedFile::Open(const std::string& path) {
  const std::string paths[] = {path};
  return OpenAll(paths);
}

Result<MappedFile> MappedFile::OpenAll(std::span<const std::string> paths) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<OpenedFile> files;
  std::size_t total = 0;
  for (const std::string& path : paths) {
    files.push_back(OR_RETURN(OpenRegular(path)));
    total += RoundUp(files.back().size, page);  // sizes of files: far below what could overflow
  }
  MappedFile mapped(paths[0]);
  void* range =
      ::mmap(nullptr, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) {
    return Fail(ErrorCode::kOutOfMemory, fmt::format("no addresses are free for '{}'", paths[0]));
  }
  mapped.data_ = static_cast<const std::byte*>(range);
  mapped.size_ = total;
  std::size_t at = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    std::byte* place = static_cast<std::byte*>(range) + at;
    if (::mmap(place, files[i].size, PROT_READ, MAP_PRIVATE | MAP_FIXED, files[i].fd.get(), 0) ==
        MAP_FAILED) {
      const int error = errno;
      return Fail(ErrorCode::kIo, fmt::format("cannot map '{}': {}", paths[i],
                                              std::generic_category().message(error)));
    }
    mapped.parts_.emplace_back(place, files[i].size);
    at += RoundUp(files[i].size, page);
  }
  mapped.size_ = static_cast<std::size_t>(mapped.parts_.back().data() - mapped.data_) +
                 mapped.parts_.back().size();
  return mapped;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      parts_(std::move(other.parts_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(parts_, other.parts_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::Release(std::size_t offset, std::size_t length) const {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  if (offset >= size_) return;
  const std::size_t end = (offset + std::min(length, size_ - offset)) / page * page;
  const std::size_t begin = (offset + page - 1) / page * page;
  if (begin >= end) return;
  // A hint: the pages are clean, so nothing is lost when it is refused.
  ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
}

}  // namespace cairn
