// SPDX-License-Identifier: Apache-2.0
#include "apps/console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "apps/json.h"

namespace cairn::apps {
namespace {

constexpr std::size_t kBufferBytes = 64 << 10;

// Writes all of `text`; errno of the failure, or 0.
int WriteAll(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(descriptor, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace

Console::~Console() { Flush(); }

bool Console::Write(std::string_view text) {
  if (closed_ || failed_ != 0) return false;
  buffer_ += text;
  return buffer_.size() < kBufferBytes || Flush();
}

bool Console::WriteJson(const boost::json::value& value) {
  return Write(ToJson(value)) && Write("\n");
}

bool Console::Flush() {
  if (closed_ || failed_ != 0) return false;
  const int error = WriteAll(out_, buffer_);
  buffer_.clear();
  closed_ = error == EPIPE;
  failed_ = closed_ ? 0 : error;
  return error == 0;
}

Result<void> Console::Finish() {
  Flush();
  if (failed_ == 0) return {};
  return Fail(ErrorCode::kIo, fmt::format("standard output cannot be written: {}; check the disk "
                                          "or the file it goes to",
                                          std::strerror(failed_)));
}

void Console::Note(std::string_view text) { WriteError(fmt::format("cairn: {}\n", text)); }

void Console::WriteError(std::string_view text) {
  EndProgress();
  Flush();  // keeps the order that a terminal shows
  WriteAll(err_, text);
}

void Console::Progress(std::string_view text) {
  if (!err_is_terminal()) return;
  const std::string_view shown = text.substr(0, static_cast<std::size_t>(columns() - 1));
  WriteAll(err_, fmt::format("\r{}\033[K", shown));
  progress_ = true;
}

void Console::EndProgress() {
  if (!progress_) return;
  WriteAll(err_, "\r\033[K");
  progress_ = false;
}

bool Console::out_is_terminal() const { return isatty(out_) != 0; }
bool Console::err_is_terminal() const { return isatty(err_) != 0; }

bool Console::takes_escapes() const {
  const char* term = std::getenv("TERM");
  return out_is_terminal() && term != nullptr && *term != '\0' && std::string_view(term) != "dumb";
}

int Console::columns() const {
  winsize size{};
  for (const int descriptor : {out_, err_}) {
    if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 1) return size.ws_col;
  }
  return 80;
}

int Console::rows() const {
  winsize size{};
  return ioctl(out_, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}

}  // namespace cairn::apps
