// SPDX-License-Identifier: Apache-2.0
// Lines of a file or a pipe, one after the other, without holding more than one of them.
//
// A pipe that has no line yet does not stop the caller, who may have better things to do.
// Threads: one thread. Owns: its descriptor; standard input is borrowed.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"

namespace cairn::apps {

class LineReader {
 public:
  enum class Got {
    kLine,
    kTooLong,  // a line of more than `most` bytes was left out
    kNotYet,   // nothing came in time
    kEnd,
  };

  // "-" is standard input. `most`: bytes of a line. Errors: kNotFound, kIo, kInvalidArgument (a
  // folder).
  [[nodiscard]] static Result<LineReader> Open(const std::string& path, std::size_t most);
  LineReader(LineReader&& other) noexcept;
  LineReader& operator=(LineReader&&) = delete;
  ~LineReader();

  // The next line, without its line break; a byte order mark before the first one is left out.
  // Waits so many milliseconds for bytes to come. Errors: kIo.
  [[nodiscard]] Result<Got> Next(std::string& line, int wait_ms);

  std::int64_t number() const { return number_; }          // of the line that came last, from 1
  bool ended_by_break() const { return ended_by_break_; }  // that line, not by the end of the file

  // Lines from here on that hold something; -1 for what is no regular file. Reads all of it.
  std::int64_t CountLines() const;

  // Whether the path names the same regular file.
  bool IsSameFile(const std::string& path) const;

 private:
  LineReader(int descriptor, std::string path, std::size_t most)
      : descriptor_(descriptor), path_(std::move(path)), most_(most) {}
  Got Take(std::size_t end, std::string& line);
  [[nodiscard]] Result<bool> Fill(int wait_ms);

  int descriptor_;
  std::string path_;
  std::size_t most_;
  std::string buffer_;
  std::size_t begin_ = 0;    // of the line that is being looked for
  std::size_t scanned_ = 0;  // no line break in [begin_, scanned_)
  bool dropping_ = false;    // the line is too long, its beginning is gone
  bool ended_ = false;
  bool ended_by_break_ = false;
  std::int64_t number_ = 0;
};

}  // namespace cairn::apps
