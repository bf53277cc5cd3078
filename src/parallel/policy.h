// SPDX-License-Identifier: Apache-2.0
// How an algorithm (algorithms*.h) is to run: kSeq, or kPar.On(executor).With(chunker).
//
//   ForEach(kPar.On(executor), values.begin(), values.end(), f);
//   Transform(kPar.On(executor).With(GuidedChunk{64}), a, a + n, out, f);
//
// An executor is anything with the Bulk, Once, Local and workers of executor.h: what works on the
// processor (Executor) or on a device (loopback_executor.h). Algorithms know executors through a
// policy alone, which has
//   Bulk(n, body)  body(begin, end) for disjoint chunks that cover [0, n); done when it returns.
//   Once(f)        f() once, where the executor's data can be reached; done when it returns.
//   Local(it)      what a body uses in place of the iterator `it`. Taken before the body begins,
//                  which then holds values only: a device has no use for the caller's frame.
//   Transfer(first, last, out)  only where the executor has it: a copy that is no loop.
// Threads: values that refer to an executor, which must outlive them; used as Executor::Bulk.
#pragma once

#include <utility>

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
  template <typename F>
  void Once(const F& f) const {
    Bulk(1, [&](std::int64_t, std::int64_t) { f(); });
  }
  // Elements on a device are reached one by one, by transfers (device_pointer.h): slow, but right.
  template <typename It>
  static It Local(It it) {
    return it;
  }
};

template <typename Chunker, typename ExecutorType = Executor>
class Parallel {
 public:
  Parallel(ExecutorType& executor, const Chunker& chunker)
      : executor_(&executor), chunker_(chunker) {}

  template <typename Other>
  Parallel<Other, ExecutorType> With(const Other& chunker) const {
    return {*executor_, chunker};
  }

  int workers() const { return executor_->workers(); }
  template <typename Body>
  void Bulk(std::int64_t n, const Body& body) const {
    executor_->Bulk(n, chunker_,
                    [body](std::int64_t begin, std::int64_t end, int) { body(begin, end); });
  }
  template <typename F>
  void Once(const F& f) const {
    executor_->Once(f);
  }
  template <typename It>
  auto Local(It it) const {
    return executor_->Local(it);
  }
  template <typename In, typename Out>
  void Transfer(In first, In last, Out out) const requires requires(ExecutorType& executor) {
    executor.Transfer(first, last, out);
  }
  { executor_->Transfer(first, last, out); }

 private:
  ExecutorType* executor_;
  Chunker chunker_;
};

// Without With: StaticChunk, which keeps every element with its worker.
struct ParallelTag {
  template <typename ExecutorType>
  Parallel<StaticChunk, ExecutorType> On(ExecutorType& executor) const {
    return {executor, StaticChunk{}};
  }
};

inline constexpr Sequential kSeq;
inline constexpr ParallelTag kPar;

}  // namespace cairn::parallel
