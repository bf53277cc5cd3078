// SPDX-License-Identifier: Apache-2.0
// Standard output and standard error of the program.
//
// Answers go to standard output and nothing else does; notes, progress and errors go to standard
// error. A reader that closes the pipe (`| head -1`) ends the program quietly: Write returns false
// and the command stops; main() turns that into exit code 0. Any other failed write (a full disk)
// is an error.
// Threads: one thread at a time.
// Owns: its buffer; borrows the two descriptors.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>
#include <string_view>

#include "base/error.h"

namespace cairn::apps {

class Console {
 public:
  Console(int out, int err) : out_(out), err_(err) {}
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;
  // Writes what is left, without a word about failure: call Finish() before.
  ~Console();

  // Appends to standard output's buffer. False once output is closed or has failed.
  bool Write(std::string_view text);
  // One JSON value on a line of its own.
  bool WriteJson(const boost::json::value& value);
  // Hands the buffer to the system: after every piece of an answer that streams.
  bool Flush();
  // The reader of standard output has gone.
  bool closed() const { return closed_; }
  // Nothing that is written arrives any more.
  bool broken() const { return closed_ || failed_ != 0; }
  // Flushes; kIo where standard output could not be written (not for a closed pipe).
  [[nodiscard]] Result<void> Finish();

  // "cairn: text" on a line of standard error.
  void Note(std::string_view text);
  // `text` as it is on standard error.
  void WriteError(std::string_view text);
  // A line of standard error that the next call replaces; nothing where that is no terminal.
  void Progress(std::string_view text);
  // Takes the progress line away.
  void EndProgress();

  bool out_is_terminal() const;
  bool err_is_terminal() const;
  // Standard output is a terminal on which the cursor can be moved.
  bool takes_escapes() const;
  // Size of the terminal on standard output; 80 and 24 where there is none.
  int columns() const;
  int rows() const;

 private:
  int out_;
  int err_;
  std::string buffer_;
  bool closed_ = false;
  int failed_ = 0;  // errno of the first failed write
  bool progress_ = false;
};

}  // namespace cairn::apps
