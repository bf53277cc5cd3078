// SPDX-License-Identifier: Apache-2.0
#include "apps/batch_output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "apps/line_reader.h"
#include "apps/text.h"
#include "server/openai_batch.h"

namespace cairn::apps {
namespace {

constexpr std::size_t kMostResultBytes = std::size_t{1} << 30;

// Whether a kill or a loss of power may have left this of a line of results.
bool MayBeTorn(std::string_view tail) {
  const std::string_view start = server::kBatchResultStart;
  const std::size_t common = std::min(tail.size(), start.size());
  return tail.substr(0, common) == start.substr(0, common) ||
         tail.find_first_not_of('\0') == std::string_view::npos;
}

}  // namespace

Result<BatchOutput> BatchOutput::Open(const std::string& path, Console& console) {
  BatchOutput out(path == "-" ? "standard output" : path, console);
  if (path != "-") OR_RETURN(out.OpenFile());
  return out;
}

BatchOutput::BatchOutput(BatchOutput&& other) noexcept
    : path_(std::move(other.path_)),
      console_(other.console_),
      descriptor_(std::exchange(other.descriptor_, -1)),
      regular_(other.regular_),
      made_(other.made_),
      bytes_(other.bytes_),
      done_(std::move(other.done_)) {}

BatchOutput::~BatchOutput() {
  if (descriptor_ < 0) return;
  if (made_ && bytes_ == 0) unlink(path_.c_str());
  close(descriptor_);
}

std::unexpected<Error> BatchOutput::Failure(const char* what, int error) const {
  return Fail(error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
              fmt::format("'{}' cannot be {}: {}", path_, what, std::strerror(error)));
}

Result<void> BatchOutput::OpenFile() {
  struct stat status;
  const bool exists = stat(path_.c_str(), &status) == 0;
  if ((exists && S_ISDIR(status.st_mode)) || path_.ends_with('/')) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' is a folder, and the name of a file was expected", path_));
  }
  regular_ = !exists || S_ISREG(status.st_mode);
  const int flags = regular_ ? O_RDWR | O_CREAT : O_WRONLY;
  descriptor_ = open(path_.c_str(), flags | O_CLOEXEC, 0666);
  if (descriptor_ < 0) return Failure("written", errno);
  if (!regular_) return {};
  if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return Fail(ErrorCode::kIo,
                fmt::format("another cairn writes '{}'; wait for it, or give another name", path_));
  }
  made_ = !exists;
  return ReadDone();
}

// What stands in the file; everything behind its last whole line goes.
Result<void> BatchOutput::ReadDone() {
  LineReader lines = OR_RETURN(LineReader::Open(path_, kMostResultBytes));
  std::string line;
  while (true) {
    const LineReader::Got got = OR_RETURN(lines.Next(line, -1));
    if (got == LineReader::Got::kEnd) break;
    if (got == LineReader::Got::kNotYet) continue;  // a signal came between
    if (got == LineReader::Got::kLine && !lines.ended_by_break() && MayBeTorn(line)) {
      done_.cut = true;
      break;
    }
    const bool blank = got == LineReader::Got::kLine && Trim(line).empty();
    auto record = blank ? Result<server::BatchRecord>() : server::ParseBatchResult(line);
    if (!record || !lines.ended_by_break()) {
      return Fail(ErrorCode::kCorrupt,
                  fmt::format("line {} of '{}' is no result of a batch; give another name for the "
                              "results, this file stays as it is",
                              lines.number(), path_));
    }
    bytes_ += static_cast<std::int64_t>(line.size()) + 1;
    if (blank) continue;
    ++done_.results;
    if (record->answered) {
      done_.ids.insert(std::move(record->custom_id));
    } else {
      done_.failures.insert(record->line);
    }
  }
  if (done_.cut && ftruncate(descriptor_, bytes_) != 0) return Failure("cut", errno);
  if (lseek(descriptor_, bytes_, SEEK_SET) < 0) return Failure("written", errno);
  return {};
}

Result<void> BatchOutput::Append(std::string_view line) {
  if (descriptor_ < 0) {
    if (console_->out_is_terminal()) console_->EndProgress();
    if (console_->Write(line) && console_->Flush()) return {};
    // main() asks the console why, and ends quietly where the reader of a pipe has gone.
    return Fail(ErrorCode::kIo, "the results cannot be written");
  }
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = write(descriptor_, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      if (regular_ &&
          (ftruncate(descriptor_, bytes_) != 0 || lseek(descriptor_, bytes_, SEEK_SET) < 0)) {
        return Failure("written, nor its last line cut off", error);
      }
      return Fail(ErrorCode::kIo,
                  fmt::format("'{}' cannot be written: {}; the results in it are whole, and the "
                              "same command goes on from there",
                              path_, std::strerror(error)));
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  bytes_ += static_cast<std::int64_t>(line.size());
  return {};
}

Result<void> BatchOutput::Finish() {
  if (descriptor_ < 0) return {};
  if (regular_ && fsync(descriptor_) != 0) return Failure("written", errno);
  if (close(std::exchange(descriptor_, -1)) != 0) return Failure("written", errno);
  return {};
}

}  // namespace cairn::apps
