// SPDX-License-Identifier: Apache-2.0
// Finds stop strings in a stream of text, over the borders of its pieces.
// Threads: one stream, one thread. Owns: the stop strings and the text held back, less than the
//   longest of them. Cost: a search of what is held and new for each of them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cairn::engine {

class StopStrings {
 public:
  // Empty strings are ignored.
  explicit StopStrings(std::vector<std::string> stops);

  // The text that is certain not to belong to a stop string. Once one is found, what comes before
  // the earliest match, and then nothing.
  std::string Push(std::string_view text);
  // The stream ends: what was held back. Nothing after a match.
  std::string Finish();
  bool found() const { return found_; }
  // The one that was found: of those that begin at the same place the first of the list.
  const std::string& match() const { return match_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;  // a suffix of the text that may begin a stop string
  bool found_ = false;
  std::string match_;
};

}  // namespace cairn::engine
