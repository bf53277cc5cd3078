// SPDX-License-Identifier: Apache-2.0
#include "apps/line_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace cairn::apps {
namespace {

constexpr std::size_t kChunkBytes = 256 << 10;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

Result<LineReader> LineReader::Open(const std::string& path, std::size_t most) {
  if (path == "-") return LineReader(STDIN_FILENO, "standard input", most);
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return Fail(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
                fmt::format("'{}' cannot be read: {}", path, std::strerror(errno)));
  }
  LineReader reader(descriptor, fmt::format("'{}'", path), most);
  struct stat status;
  if (fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is a folder, and the name of a file was expected", path));
  }
  return reader;
}

LineReader::LineReader(LineReader&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      path_(std::move(other.path_)),
      most_(other.most_),
      buffer_(std::move(other.buffer_)),
      begin_(other.begin_),
      scanned_(other.scanned_),
      dropping_(other.dropping_),
      ended_(other.ended_),
      ended_by_break_(other.ended_by_break_),
      number_(other.number_) {}

LineReader::~LineReader() {
  if (descriptor_ > STDIN_FILENO) close(descriptor_);
}

// The line that ends at `end` of the buffer.
LineReader::Got LineReader::Take(std::size_t end, std::string& line) {
  line.assign(buffer_, begin_, end - begin_);
  begin_ = scanned_ = std::min(end + 1, buffer_.size());
  ++number_;
  if (number_ == 1 && line.starts_with(kByteOrderMark)) line.erase(0, kByteOrderMark.size());
  if (!std::exchange(dropping_, false) && line.size() <= most_) return Got::kLine;
  line.clear();
  return Got::kTooLong;
}

Result<LineReader::Got> LineReader::Next(std::string& line, int wait_ms) {
  while (true) {
    const std::size_t end = buffer_.find('\n', scanned_);
    if (end != std::string::npos) {
      ended_by_break_ = true;
      return Take(end, line);
    }
    scanned_ = buffer_.size();
    if (ended_) {
      if (begin_ == buffer_.size() && !dropping_) return Got::kEnd;
      ended_by_break_ = false;
      return Take(buffer_.size(), line);
    }
    if (buffer_.size() - begin_ > most_) {
      dropping_ = true;
      begin_ = buffer_.size();
    }
    buffer_.erase(0, begin_);
    scanned_ -= begin_;
    begin_ = 0;
    if (!OR_RETURN(Fill(wait_ms))) return Got::kNotYet;
  }
}

// More bytes, or the end. False: none came.
Result<bool> LineReader::Fill(int wait_ms) {
  pollfd ready{descriptor_, POLLIN, 0};
  if (poll(&ready, 1, wait_ms) <= 0) return false;
  const std::size_t before = buffer_.size();
  buffer_.resize(before + kChunkBytes);
  const ssize_t got = read(descriptor_, buffer_.data() + before, kChunkBytes);
  const int error = errno;
  buffer_.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (got >= 0) {
    ended_ = got == 0;
    return true;
  }
  if (error == EINTR || error == EAGAIN) return false;
  return Fail(ErrorCode::kIo, fmt::format("{} cannot be read: {}", path_, std::strerror(error)));
}

std::int64_t LineReader::CountLines() const {
  struct stat status;
  if (fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) return -1;
  std::int64_t lines = 0;
  bool holds_something = false;
  std::string chunk(kChunkBytes, '\0');
  off_t place = lseek(descriptor_, 0, SEEK_CUR);
  while (true) {
    const ssize_t got = pread(descriptor_, chunk.data(), chunk.size(), place);
    if (got <= 0) return lines + (holds_something ? 1 : 0);
    place += got;
    for (const char c : std::string_view(chunk).substr(0, static_cast<std::size_t>(got))) {
      if (c == '\n') {
        lines += holds_something ? 1 : 0;
        holds_something = false;
      } else if (c != ' ' && c != '\t' && c != '\r') {
        holds_something = true;
      }
    }
  }
}

bool LineReader::IsSameFile(const std::string& path) const {
  struct stat ours, other;
  return fstat(descriptor_, &ours) == 0 && stat(path.c_str(), &other) == 0 &&
         S_ISREG(ours.st_mode) && ours.st_dev == other.st_dev && ours.st_ino == other.st_ino;
}

}  // namespace cairn::apps
