// SPDX-License-Identifier: Apache-2.0
#include "hub/piece_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <memory>
#include <sstream>
#include <system_error>

namespace cairn::hub {
namespace {

constexpr std::size_t kSlice = std::size_t{1} << 20;  // bytes read at once for a checksum

std::unexpected<Error> Failed(std::string_view what, const std::string& path) {
  const int error = errno;
  return Fail(
      ErrorCode::kIo,
      fmt::format("cannot {} '{}': {}", what, path,
                  error == ENOSPC ? "the disk is full" : std::generic_category().message(error)));
}

Result<int> OpenToChange(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | flags, 0666);
  if (fd < 0) return Failed("write", path);
  return fd;
}

}  // namespace

PieceFile::PieceFile(std::string path, std::uint64_t bytes, std::uint64_t piece_bytes)
    : path_(std::move(path)),
      bytes_(bytes),
      piece_bytes_(piece_bytes),
      whole_((bytes + piece_bytes - 1) / piece_bytes) {}

PieceFile::~PieceFile() {
  if (body_ >= 0) ::close(body_);
  if (list_ >= 0) ::close(list_);
}

std::pair<std::uint64_t, std::uint64_t> PieceFile::RangeOf(std::size_t piece) const {
  const std::uint64_t begin = piece * piece_bytes_;
  return {begin, std::min(begin + piece_bytes_, bytes_)};
}

Result<std::unique_ptr<PieceFile>> PieceFile::Open(const std::string& folder, std::uint64_t bytes,
                                                   const std::string& version,
                                                   std::uint64_t piece_bytes) {
  std::unique_ptr<PieceFile> file(new PieceFile(folder + "/body", bytes, piece_bytes));
  OR_RETURN(file->OpenFiles(folder + "/pieces", version));
  return file;
}

Result<void> PieceFile::OpenFiles(const std::string& list, const std::string& version) {
  const std::string head = fmt::format("cairn pieces 1 {} {} {}", bytes_, piece_bytes_, version);
  body_ = OR_RETURN(OpenToChange(path_, 0));
  struct stat info {};
  if (::fstat(body_, &info) != 0) return Failed("look at", path_);
  std::string first;
  std::getline(std::ifstream(list), first);
  const bool known = first == head && static_cast<std::uint64_t>(info.st_size) == bytes_;
  if (known) OR_RETURN(ReadList(list, head));
  list_ = OR_RETURN(OpenToChange(list, known ? O_APPEND : O_APPEND | O_TRUNC));
  if (known) return {};
  if (::ftruncate(body_, 0) != 0 || ::ftruncate(body_, static_cast<off_t>(bytes_)) != 0) {
    return Failed("size", path_);
  }
  // Room for all of it at once, where the file system can: a full disk shows at the beginning.
  if (::fallocate(body_, 0, 0, static_cast<off_t>(bytes_)) != 0 && errno == ENOSPC) {
    return Failed("make room for", path_);
  }
  const std::string line = head + "\n";
  if (::write(list_, line.data(), line.size()) != std::ssize(line)) return Failed("write", list);
  return {};
}

// Lines "INDEX CHECKSUM"; the last may be cut.
Result<void> PieceFile::ReadList(const std::string& list, const std::string& head) {
  std::ifstream in(list);
  std::string line;
  std::getline(in, line);
  if (line != head) return {};
  while (std::getline(in, line) && !in.eof()) {
    std::istringstream words(line);
    std::size_t piece = 0;
    std::uint64_t sum = 0;
    if (!(words >> piece >> std::hex >> sum) || piece >= whole_.size()) continue;
    whole_[piece] = OR_RETURN(Checksum(piece)) == sum;
  }
  return {};
}

Result<std::uint64_t> PieceFile::Checksum(std::size_t piece) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(),
                                                                       &XXH3_freeState);
  if (state == nullptr) return Fail(ErrorCode::kOutOfMemory, "no memory for a checksum");
  XXH3_64bits_reset(state.get());
  std::vector<std::byte> slice(kSlice);
  auto [at, end] = RangeOf(piece);
  while (at < end) {
    const ssize_t read = ::pread(body_, slice.data(), std::min<std::uint64_t>(kSlice, end - at),
                                 static_cast<off_t>(at));
    if (read < 0 && errno == EINTR) continue;
    if (read < 0) return Failed("read", path_);
    if (read == 0) return Fail(ErrorCode::kIo, fmt::format("'{}' was shortened", path_));
    XXH3_64bits_update(state.get(), slice.data(), static_cast<std::size_t>(read));
    at += static_cast<std::uint64_t>(read);
  }
  return XXH3_64bits_digest(state.get());
}

Result<void> PieceFile::Write(std::uint64_t at, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(body_, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("write", path_);
    at += static_cast<std::uint64_t>(n);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return {};
}

Result<void> PieceFile::MarkWhole(std::size_t piece) {
  const std::string line = fmt::format("{} {:x}\n", piece, OR_RETURN(Checksum(piece)));
  const std::lock_guard lock(mutex_);
  if (::write(list_, line.data(), line.size()) != std::ssize(line)) return Failed("write", path_);
  return {};
}

Result<void> PieceFile::Sync() {
  if (::fsync(body_) != 0) return Failed("sync", path_);
  return {};
}

}  // namespace cairn::hub
