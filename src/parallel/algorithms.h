// SPDX-License-Identifier: Apache-2.0
// Parallel algorithms over random-access ranges: fill, copy, for each, transform.
//
// Each takes a policy (policy.h) first. Ranges that are written must not overlap others of the
// call, except that Transform may write onto a range that it reads, element for element. Functions
// are copied into every chunk, called from all workers at once, and may throw (failures.h).
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
  policy.Bulk(n, [&](std::int64_t begin, std::int64_t end) {
    // Copies: a store through an iterator cannot be a store into the function or the bounds, so
    // that the loop vectorises. The same in the loops below.
    auto function = f;
    for (std::int64_t i = begin; i < end; ++i) function(i);
  });
}

// f(element) for each.
template <typename Policy, std::random_access_iterator It, typename F>
void ForEach(const Policy& policy, It first, It last, const F& f) {
  policy.Bulk(last - first, [&](std::int64_t begin, std::int64_t end) {
    auto function = f;
    for (It at = first + begin, stop = first + end; at != stop; ++at) function(*at);
  });
}

template <typename Policy, std::random_access_iterator It, typename T>
void Fill(const Policy& policy, It first, It last, const T& value) {
  policy.Bulk(last - first, [&](std::int64_t begin, std::int64_t end) {
    std::fill(first + begin, first + end, value);
  });
}

// Copies elements one by one, by ordinary stores: the line written to is read first.
template <typename Policy, std::random_access_iterator In, std::random_access_iterator Out,
          typename F>
void Transform(const Policy& policy, In first, In last, Out out, const F& f) {
  policy.Bulk(last - first, [&](std::int64_t begin, std::int64_t end) {
    auto function = f;
    In in = first + begin;
    Out to = out + begin;
    for (std::int64_t left = end - begin; left > 0; --left, ++in, ++to) *to = function(*in);
  });
}

template <typename Policy, std::random_access_iterator In1, std::random_access_iterator In2,
          std::random_access_iterator Out, typename F>
void Transform(const Policy& policy, In1 first, In1 last, In2 second, Out out, const F& f) {
  policy.Bulk(last - first, [&](std::int64_t begin, std::int64_t end) {
    auto function = f;
    In1 a = first + begin;
    In2 b = second + begin;
    Out to = out + begin;
    for (std::int64_t left = end - begin; left > 0; --left, ++a, ++b, ++to) *to = function(*a, *b);
  });
}

// Copies [first, last) to `out`. Trivially copyable elements in contiguous memory go by one memmove
// per chunk; the C library streams past the caches where that chunk is large (beyond some MB),
// which spares reading the lines written to. To compare with a loop of ordinary stores, use
// Transform with an identity that the compiler cannot turn into a memmove, or say which one was
// measured.
template <typename Policy, std::random_access_iterator In, std::random_access_iterator Out>
void Copy(const Policy& policy, In first, In last, Out out) {
  using From = std::iter_value_t<In>;
  policy.Bulk(last - first, [&](std::int64_t begin, std::int64_t end) {
    if constexpr (std::contiguous_iterator<In> && std::contiguous_iterator<Out> &&
                  std::is_same_v<From, std::iter_value_t<Out>> &&
                  std::is_trivially_copyable_v<From>) {
      std::memmove(std::to_address(out + begin), std::to_address(first + begin),
                   static_cast<std::size_t>(end - begin) * sizeof(From));
    } else {
      In in = first + begin;
      Out to = out + begin;
      for (std::int64_t left = end - begin; left > 0; --left, ++in, ++to) *to = *in;
    }
  });
}

}  // namespace cairn::parallel
