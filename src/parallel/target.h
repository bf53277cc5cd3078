// SPDX-License-Identifier: Apache-2.0
// A target: one place where data can live and code can run, a set of processing units.
//
// An ordered list of targets is what an executor (executor.h) and an allocator (block_allocator.h)
// are built from. Both give target i of k the elements [i * n / k, (i + 1) * n / k) of n, so that
// an element is worked on where its page lies. SplitPoint is that rule, and its only copy. Threads:
// values. Sheet: 07.
#pragma once

#include <cstdint>
#include <vector>

#include "base/check.h"
#include "base/error.h"
#include "parallel/machine.h"

namespace cairn::parallel {

// Elements of one operation. Such a count times a count of workers fits 64 bits.
inline constexpr std::int64_t kMostElements = std::int64_t{1} << 53;
inline constexpr std::int64_t kMostParts = 512;

// Where part `i` of `parts` begins when `n` elements are split evenly; part `parts` begins at n.
// The product comes before the division, so no remainder is lost and parts differ by at most one.
// Requires 0 <= n <= kMostElements, 0 <= i <= parts, 1 <= parts <= kMostParts.
constexpr std::int64_t SplitPoint(std::int64_t n, std::int64_t parts, std::int64_t i) {
  return i * n / parts;
}

class Target {
 public:
  // The units of `machine` with these numbers. Errors: kInvalidArgument for no unit at all, a unit
  // that the machine does not have, and a unit named twice.
  [[nodiscard]] static Result<Target> Create(const Machine& machine, std::vector<int> cpus);

  const std::vector<int>& cpus() const { return cpus_; }  // in the order given
  int size() const { return static_cast<int>(cpus_.size()); }
  // The memory node that all units belong to, or -1.
  int node() const { return node_; }

  // The same units, in whatever order.
  bool operator==(const Target& other) const;

 private:
  Target(std::vector<int> cpus, int node) : cpus_(std::move(cpus)), node_(node) {}
  friend std::vector<Target> NumaDomains(const Machine&);
  friend std::vector<Target> EachUnit(const Machine&);
  friend std::vector<Target> WholeMachine(const Machine&);

  std::vector<int> cpus_;
  int node_ = -1;
};

// One target per memory node, ascending; nodes without units are no targets. Second threads of a
// core come after the first threads of all, so that few workers get a core each.
std::vector<Target> NumaDomains(const Machine& machine);
// One target per unit, ascending.
std::vector<Target> EachUnit(const Machine& machine);
// One target of all units; none for a machine without units.
std::vector<Target> WholeMachine(const Machine& machine);

}  // namespace cairn::parallel
