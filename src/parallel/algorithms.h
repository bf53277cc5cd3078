// SPDX-License-Identifier: Apache-2.0
// Parallel algorithms over random-access ranges: fill, copy, for each, transform.
//
// Each takes a policy (policy.h) first. Ranges that are written must not overlap others of the
// call, except that Transform may write onto a range that it reads, element for element. Functions
// are copied into every chunk, called from all workers at once, and may throw (failures.h). Ranges
// and functions must be reachable from where the policy's executor works: on a device its own
// memory, through values.
// Threads: as Executor::Bulk. Cost: one bulk operation each, no memory.
#pragma once

#include <cstring>
#include <iterator>
#include <type_traits>

#include "parallel/policy.h"

namespace cairn::parallel {

// body(begin, end) for chunks of [0, n): for loops that want the chunk and not the element.
template <typename Policy, typename Body>
void ForEachChunk(const Policy& policy, std::int64_t n, const Body& body) {
  policy.Bulk(n, body);
}

// f(i) for i in [0, n).
template <typename Policy, typename F>
void ForEachIndex(const Policy& policy, std::int64_t n, const F& f) {
  policy.Bulk(n, [f](std::int64_t begin, std::int64_t end) {
    // Copies: a store through an iterator cannot be a store into the function or the bounds, so
    // that the loop vectorises. The same in the loops below.
    auto function = f;
    for (std::int64_t i = begin; i < end; ++i) function(i);
  });
}

// f(element) for each.
template <typename Policy, std::random_access_iterator It, typename F>
void ForEach(const Policy& policy, It first, It last, const F& f) {
  policy.Bulk(last - first, [f, all = policy.Local(first)](std::int64_t begin, std::int64_t end) {
    auto function = f;
    for (auto at = all + begin, stop = all + end; at != stop; ++at) function(*at);
  });
}

template <typename Policy, std::random_access_iterator It, typename T>
void Fill(const Policy& policy, It first, It last, const T& value) {
  policy.Bulk(last - first,
              [value, all = policy.Local(first)](std::int64_t begin, std::int64_t end) {
                std::fill(all + begin, all + end, value);
              });
}

// Copies elements one by one, by ordinary stores: the line written to is read first.
template <typename Policy, std::random_access_iterator In, std::random_access_iterator Out,
          typename F>
void Transform(const Policy& policy, In first, In last, Out out, const F& f) {
  policy.Bulk(last - first, [f, from = policy.Local(first), all = policy.Local(out)](
                                std::int64_t begin, std::int64_t end) {
    auto function = f;
    auto in = from + begin;
    auto to = all + begin;
    for (std::int64_t left = end - begin; left > 0; --left, ++in, ++to) *to = function(*in);
  });
}

template <typename Policy, std::random_access_iterator In1, std::random_access_iterator In2,
          std::random_access_iterator Out, typename F>
void Transform(const Policy& policy, In1 first, In1 last, In2 second, Out out, const F& f) {
  policy.Bulk(last - first, [f, from = policy.Local(first), beside = policy.Local(second),
                             all = policy.Local(out)](std::int64_t begin, std::int64_t end) {
    auto function = f;
    auto a = from + begin;
    auto b = beside + begin;
    auto to = all + begin;
    for (std::int64_t left = end - begin; left > 0; --left, ++a, ++b, ++to) *to = function(*a, *b);
  });
}

namespace internal {

template <typename Policy, typename In, typename Out>
void CopyByElements(const Policy& policy, std::int64_t n, In from, Out all) {
  using From = std::iter_value_t<In>;
  policy.Bulk(n, [from, all](std::int64_t begin, std::int64_t end) {
    if constexpr (std::contiguous_iterator<In> && std::contiguous_iterator<Out> &&
                  std::is_same_v<From, std::iter_value_t<Out>> &&
                  std::is_trivially_copyable_v<From>) {
      std::memmove(std::to_address(all + begin), std::to_address(from + begin),
                   static_cast<std::size_t>(end - begin) * sizeof(From));
    } else {
      In in = from + begin;
      Out to = all + begin;
      for (std::int64_t left = end - begin; left > 0; --left, ++in, ++to) *to = *in;
    }
  });
}

}  // namespace internal

// Copies [first, last) to `out`. Trivially copyable elements in contiguous memory go by one memmove
// per chunk; the C library streams past the caches where that chunk is large (beyond some MB),
// which spares reading the lines written to. To compare with a loop of ordinary stores, use
// Transform with an identity that the compiler cannot turn into a memmove, or say which one was
// measured. Between a device and the process, and inside a device, it is one transfer.
template <typename Policy, std::random_access_iterator In, std::random_access_iterator Out>
void Copy(const Policy& policy, In first, In last, Out out) {
  if constexpr (requires { policy.Transfer(first, last, out); }) {
    policy.Transfer(first, last, out);
  } else {
    internal::CopyByElements(policy, last - first, policy.Local(first), policy.Local(out));
  }
}

}  // namespace cairn::parallel
