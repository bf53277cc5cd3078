// SPDX-License-Identifier: Apache-2.0
// How far a batch is: a bar on a terminal, a note now and then elsewhere, a summary at the end.
// All of it goes to standard error.
// Threads: one thread. Borrows the console and the clock.
#pragma once

#include <cstdint>
#include <string>

#include "apps/console.h"
#include "base/clock.h"

namespace cairn::apps {

struct BatchCounts {
  std::int64_t total = -1;    // lines of the input; -1: not known
  std::int64_t skipped = 0;   // stood in the output already
  std::int64_t answered = 0;  // by this run
  std::int64_t failed = 0;    // by this run: errors, broken lines
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;  // of them
  std::int64_t answer_tokens = 0;  // of whole answers
  std::int64_t live_tokens = 0;    // of all answers, about
};

// "12 s", "3 min 05 s", "2 h 07 min".
std::string HumanSeconds(double seconds);

class BatchProgress {
 public:
  BatchProgress(Console& console, const Clock& clock)
      : console_(console), clock_(clock), started_ns_(clock.NowNs()), shown_ns_(started_ns_) {}

  // Shows them where it is time to.
  void Show(const BatchCounts& counts);
  // "100 lines: 98 answered, 2 failed; ...". Takes the bar away.
  void Summarise(const BatchCounts& counts);

 private:
  std::string Text(const BatchCounts& counts, double seconds) const;

  Console& console_;
  const Clock& clock_;
  std::int64_t started_ns_;
  std::int64_t shown_ns_;
};

}  // namespace cairn::apps
