// SPDX-License-Identifier: Apache-2.0
// The results of a batch: a file that grows line by line and is gone on with after a break.
//
// Every line is written whole by one call and stands in the file when the call returns: a kill
// loses only what has no line yet. A line that could be written in part only (a full disk, a kill
// in the middle of the call) is cut off, at once or when the file is opened again.
// Threads: one thread. Owns: the descriptor and a lock on the file; borrows the console.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>

#include "apps/console.h"
#include "base/error.h"

namespace cairn::apps {

// What the file said when it was opened.
struct BatchDone {
  std::int64_t results = 0;
  std::unordered_set<std::string> ids;        // custom_ids that have a response
  std::unordered_set<std::int64_t> failures;  // lines of the input that have none
  bool cut = false;                           // its last line was not whole
};

class BatchOutput {
 public:
  // "-" is standard output; a device or a pipe is written as it is. Errors: kInvalidArgument (a
  // folder), kCorrupt (a file that holds something else, which stays as it is), kNotFound, kIo
  // (another process writes it, among others).
  [[nodiscard]] static Result<BatchOutput> Open(const std::string& path, Console& console);
  BatchOutput(BatchOutput&& other) noexcept;
  BatchOutput& operator=(BatchOutput&&) = delete;
  // A file that was made by Open and got no line goes again.
  ~BatchOutput();

  const BatchDone& done() const { return done_; }

  // `line` with its line break. Errors: kIo; the file then holds the lines before.
  [[nodiscard]] Result<void> Append(std::string_view line);
  // Returns when what was written would survive a loss of power. Errors: kIo.
  [[nodiscard]] Result<void> Finish();

 private:
  BatchOutput(std::string path, Console& console) : path_(std::move(path)), console_(&console) {}
  [[nodiscard]] Result<void> OpenFile();
  [[nodiscard]] Result<void> ReadDone();
  std::unexpected<Error> Failure(const char* what, int error) const;

  std::string path_;
  Console* console_;
  int descriptor_ = -1;  // -1: the console's standard output
  bool regular_ = false;
  bool made_ = false;       // by Open
  std::int64_t bytes_ = 0;  // of whole lines
  BatchDone done_;
};

}  // namespace cairn::apps
