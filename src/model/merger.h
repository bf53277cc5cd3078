// SPDX-License-Identifier: Apache-2.0
// The merging of byte-pair encoding: of all adjacent pairs that may merge, the best is merged
// first, the leftmost on ties, until none is left.
//
// Short words are scanned; long ones keep their pairs in buckets by priority. A bucket is a queue
// while positions arrive in order (a run of one letter: linear), a heap from the first that does
// not (never worse than n log n).
// Threads: a Merger is used by one thread; rules may be shared.
// Owns: its scratch, given back after a very long word: 8 bytes per symbol of a long word, and
// about as many for
//   the pairs that wait.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <vector>

namespace cairn::model {

// What a pair becomes. Smaller priority merges first.
struct Merge {
  std::int64_t priority = 0;
  std::int32_t token = -1;  // -1: does not merge
};

class MergeRules {
 public:
  virtual ~MergeRules() = default;
  // The same answer for the same pair, as long as a word is merged.
  virtual Merge Find(std::int32_t left, std::int32_t right) const = 0;
};

class Merger {
 public:
  explicit Merger(const MergeRules& rules) : rules_(rules) {}
  // Merges the symbols of one word and appends what is left to `out`.
  void Run(std::span<const std::int32_t> symbols, std::vector<std::int32_t>& out);

 private:
  // The word as a row of spans, each one token over `length` symbols. The first symbol of a span
  // holds its token, first and last its length: so either neighbour is found without links.
  struct Symbol {
    std::int32_t token;  // -1: not the first of a span
    std::int32_t length;
  };
  class Bucket {
   public:
    void Push(std::int32_t position);
    std::int32_t Pop();
    bool empty() const { return positions_.empty(); }

   private:
    std::deque<std::int32_t> positions_;  // gives memory back while it is used up
    bool heap_ = false;
  };

  void ScanShort(std::span<const std::int32_t> symbols, std::vector<std::int32_t>& out);
  // The span behind the one at `position`; -1: none.
  std::int32_t Next(std::int32_t position) const;
  // What the span at `position` and the next become.
  Merge MergeAt(std::int32_t position) const;
  void Consider(std::int32_t position);
  void Join(std::int32_t position, std::int32_t token);

  const MergeRules& rules_;
  std::vector<Symbol> symbols_;
  std::map<std::int64_t, Bucket> buckets_;
};

}  // namespace cairn::model
