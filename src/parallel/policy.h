// SPDX-License-Identifier: Apache-2.0
// How an algorithm (algorithms*.h) is to run: kSeq, or kPar.On(executor).With(chunker).
//
//   ForEach(kPar.On(executor), values.begin(), values.end(), f);
//   Transform(kPar.On(executor).With(GuidedChunk{64}), a, a + n, out, f);
//
// Threads: values that refer to an executor, which must outlive them; used as Executor::Bulk.
#pragma once

#include "parallel/executor.h"

namespace cairn::parallel {

// On the calling thread, in order. Exceptions leave as in parallel (failures.h).
class Sequential {
 public:
  int workers() const { return 1; }
  // Calls body(begin, end) once for [0, n), if n > 0.
  template <typename Body>
  void Bulk(std::int64_t n, Body&& body) const {
    if (n == 0) return;
    Failures failures;
    failures.Guard(0, [&] { body(std::int64_t{0}, n); });
    failures.Throw();
  }
};

template <typename Chunker>
class Parallel {
 public:
  Parallel(Executor& executor, const Chunker& chunker) : executor_(&executor), chunker_(chunker) {}

  template <typename Other>
  Parallel<Other> With(const Other& chunker) const {
    return {*executor_, chunker};
  }

  int workers() const { return executor_->workers(); }
  // Calls body(begin, end) for disjoint chunks that cover [0, n).
  template <typename Body>
  void Bulk(std::int64_t n, Body&& body) const {
    executor_->Bulk(n, chunker_,
                    [&](std::int64_t begin, std::int64_t end, int) { body(begin, end); });
  }

 private:
  Executor* executor_;
  Chunker chunker_;
};

// Without With: StaticChunk, which keeps every element with its worker.
struct ParallelTag {
  Parallel<StaticChunk> On(Executor& executor) const { return {executor, StaticChunk{}}; }
};

inline constexpr Sequential kSeq;
inline constexpr ParallelTag kPar;

}  // namespace cairn::parallel
