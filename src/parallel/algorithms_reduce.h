// SPDX-License-Identifier: Apache-2.0
// Parallel reductions and scans whose result depends on the elements and their number alone.
//
// Elements are folded in leaves, leaves are combined; where a leaf begins follows from n, never
// from the number of workers, the chunker or the policy. So sums of floats are the same bits on
// every machine. The operation must be associative (up to rounding); it need not be commutative.
// Functions may throw (failures.h).
// Threads: as Executor::Bulk. Cost: one bulk operation over leaves (two for a scan) and a list of
//   at most kMostLeaves values (std::bad_alloc where it cannot be had); the list is memory of the
//   process that every executor must reach, as devices reach mapped memory of their host. A leaf is
//   worked on where most of its elements lie: shares are cut at leaves and not at elements.
#pragma once

#include <algorithm>
#include <functional>
#include <iterator>
#include <optional>
#include <vector>

#include "parallel/policy.h"

namespace cairn::parallel {

inline constexpr std::int64_t kLeafElements = 4096;  // of 8 bytes: fits a first-level cache
inline constexpr std::int64_t kMostLeaves = 512;     // = kMostParts: 2 for each of 256 workers

// How many leaves n elements are cut into; leaf i begins at SplitPoint(n, leaves, i).
constexpr std::int64_t LeavesOf(std::int64_t n) {
  return std::clamp<std::int64_t>(DivideUp(n, kLeafElements), 1, kMostLeaves);
}
static_assert(kMostLeaves <= kMostParts);

namespace internal {

// op over get(begin) ... get(end - 1), begin < end. Four runs side by side, each in order: four
// additions are under way at once and the order of the elements is kept.
template <typename T, typename Op, typename Get>
T FoldLeaf(std::int64_t begin, std::int64_t end, Op& op, Get& get) {
  const std::int64_t n = end - begin;
  if (n < 8) {
    T sum = get(begin);
    for (std::int64_t i = begin + 1; i < end; ++i) sum = op(std::move(sum), get(i));
    return sum;
  }
  const std::int64_t run = n / 4;
  T a = get(begin), b = get(begin + run), c = get(begin + 2 * run), d = get(begin + 3 * run);
  for (std::int64_t i = begin + 1; i < begin + run; ++i) {
    a = op(std::move(a), get(i));
    b = op(std::move(b), get(i + run));
    c = op(std::move(c), get(i + 2 * run));
    d = op(std::move(d), get(i + 3 * run));
  }
  for (std::int64_t i = begin + 4 * run; i < end; ++i) d = op(std::move(d), get(i));
  return op(op(std::move(a), std::move(b)), op(std::move(c), std::move(d)));
}

// The leaves' folds, by leaf. n > 0.
template <typename T, typename Policy, typename Op, typename Get>
std::vector<std::optional<T>> FoldLeaves(const Policy& policy, std::int64_t n, const Op& op,
                                         const Get& get) {
  const std::int64_t leaves = LeavesOf(n);
  std::vector<std::optional<T>> folds(static_cast<std::size_t>(leaves));
  policy.Bulk(leaves, [=, to = folds.data()](std::int64_t begin, std::int64_t end) {
    auto operation = op;
    auto element = get;
    for (std::int64_t leaf = begin; leaf < end; ++leaf) {
      to[leaf].emplace(FoldLeaf<T>(SplitPoint(n, leaves, leaf), SplitPoint(n, leaves, leaf + 1),
                                   operation, element));
    }
  });
  return folds;
}

template <typename T, typename Policy, typename Op, typename Get>
T ReduceIndices(const Policy& policy, std::int64_t n, T init, const Op& op, const Get& get) {
  if (n == 0) return init;
  auto folds = FoldLeaves<T>(policy, n, op, get);
  T result = std::move(init);
  kSeq.Bulk(1, [&](std::int64_t, std::int64_t) {
    auto operation = op;
    // A balanced tree, in order: errors of float sums grow with its depth and not with n.
    for (std::size_t step = 1; step < folds.size(); step *= 2) {
      for (std::size_t i = 0; i + step < folds.size(); i += 2 * step) {
        folds[i].emplace(operation(std::move(*folds[i]), std::move(*folds[i + step])));
      }
    }
    result = operation(std::move(result), std::move(*folds[0]));
  });
  return result;
}

}  // namespace internal

// init op element op element ...
template <typename Policy, std::random_access_iterator It, typename T, typename Op = std::plus<>>
T Reduce(const Policy& policy, It first, It last, T init, const Op& op = {}) {
  return internal::ReduceIndices(
      policy, last - first, std::move(init), op,
      [all = policy.Local(first)](std::int64_t i) -> T { return all[i]; });
}

// init op f(element) op f(element) ...
template <typename Policy, std::random_access_iterator It, typename T, typename Op, typename F>
T TransformReduce(const Policy& policy, It first, It last, T init, const Op& op, const F& f) {
  return internal::ReduceIndices(
      policy, last - first, std::move(init), op,
      [all = policy.Local(first), f](std::int64_t i) -> T { return f(all[i]); });
}

// init op f(a, b) op f(a, b) ... over two ranges of the same length.
template <typename Policy, std::random_access_iterator It1, std::random_access_iterator It2,
          typename T, typename Op, typename F>
T TransformReduce(const Policy& policy, It1 first, It1 last, It2 second, T init, const Op& op,
                  const F& f) {
  return internal::ReduceIndices(policy, last - first, std::move(init), op,
                                 [a = policy.Local(first), b = policy.Local(second),
                                  f](std::int64_t i) -> T { return f(a[i], b[i]); });
}

namespace internal {

// Turns the leaves' folds into what stands before each leaf; leaf 0 has `init` before it, if any.
template <typename T, typename Op>
void ScanFolds(std::vector<std::optional<T>>& folds, std::optional<T> init, const Op& op) {
  kSeq.Bulk(1, [&](std::int64_t, std::int64_t) {
    auto operation = op;
    std::optional<T> before = std::move(init);
    for (std::optional<T>& fold : folds) {
      std::optional<T> after =
          before ? std::optional<T>(operation(*before, std::move(*fold))) : std::move(fold);
      fold = std::exchange(before, std::move(after));
    }
  });
}

}  // namespace internal

// out[i] = init op element 0 op ... op element i - 1. `out` may be `first`.
template <typename Policy, std::random_access_iterator In, std::random_access_iterator Out,
          typename T, typename Op = std::plus<>>
void ExclusiveScan(const Policy& policy, In first, In last, Out out, T init, const Op& op = {}) {
  const std::int64_t n = last - first;
  if (n == 0) return;
  const auto in = policy.Local(first);
  auto before = internal::FoldLeaves<T>(policy, n, op, [in](std::int64_t i) -> T { return in[i]; });
  internal::ScanFolds<T>(before, std::move(init), op);
  const auto leaves = static_cast<std::int64_t>(before.size());
  policy.Bulk(leaves, [=, start = before.data(), to = policy.Local(out)](std::int64_t begin,
                                                                         std::int64_t end) {
    auto operation = op;
    for (std::int64_t leaf = begin; leaf < end; ++leaf) {
      T sum = std::move(*start[leaf]);
      for (std::int64_t i = SplitPoint(n, leaves, leaf); i < SplitPoint(n, leaves, leaf + 1); ++i) {
        T next = operation(sum, in[i]);
        to[i] = std::move(sum);
        sum = std::move(next);
      }
    }
  });
}

// out[i] = element 0 op ... op element i. `out` may be `first`.
template <typename Policy, std::random_access_iterator In, std::random_access_iterator Out,
          typename Op = std::plus<>>
void InclusiveScan(const Policy& policy, In first, In last, Out out, const Op& op = {}) {
  using T = std::iter_value_t<In>;
  const std::int64_t n = last - first;
  if (n == 0) return;
  const auto in = policy.Local(first);
  auto before = internal::FoldLeaves<T>(policy, n, op, [in](std::int64_t i) -> T { return in[i]; });
  internal::ScanFolds<T>(before, std::nullopt, op);
  const auto leaves = static_cast<std::int64_t>(before.size());
  policy.Bulk(leaves, [=, start = before.data(), to = policy.Local(out)](std::int64_t begin,
                                                                         std::int64_t end) {
    auto operation = op;
    for (std::int64_t leaf = begin; leaf < end; ++leaf) {
      std::optional<T> sum = std::move(start[leaf]);
      for (std::int64_t i = SplitPoint(n, leaves, leaf); i < SplitPoint(n, leaves, leaf + 1); ++i) {
        sum = sum ? operation(std::move(*sum), in[i]) : T(in[i]);
        to[i] = *sum;
      }
    }
  });
}

}  // namespace cairn::parallel
