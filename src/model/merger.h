// SPDX-License-Identifier: Apache-2.0
// The merging of byte-pair encoding: of all adjacent pairs that may merge, the best is merged
// first, the leftmost on ties, until none is left.
//
// Short words are scanned; long ones keep their pairs in buckets by priority. A bucket is a queue
// while positions arrive in order (a run of one letter: linear), a heap from the first that does
// not (never worse than n log n).
// Threads: a Merger is used by one thread; rules may be shared.
#pragma once

#include <cstdint>
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
  virtual Merge Find(std::int32_t left, std::int32_t right) const = 0;
};

class Merger {
 public:
  explicit Merger(const MergeRules& rules) : rules_(rules) {}
  // Merges the symbols of one word and appends what is left to `out`.
  void Run(std::span<const std::int32_t> symbols, std::vector<std::int32_t>& out);

 private:
  struct Node {
    std::int32_t token;
    std::int32_t previous, next;  // -1: none
    std::int32_t merged;          // what this and the next become; -1: nothing
    std::int64_t priority;
  };
  struct Bucket {
    std::vector<std::int32_t> positions;
    std::size_t head = 0;
    bool heap = false;
    void Push(std::int32_t position);
    std::int32_t Pop();
    bool empty() const { return heap ? positions.empty() : head == positions.size(); }
  };

  void ScanShort(std::span<const std::int32_t> symbols, std::vector<std::int32_t>& out);
  void Consider(std::int32_t position);

  const MergeRules& rules_;
  std::vector<Node> nodes_;
  std::map<std::int64_t, Bucket> buckets_;
};

}  // namespace cairn::model
