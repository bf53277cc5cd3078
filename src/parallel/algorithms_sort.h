// SPDX-License-Identifier: Apache-2.0
// A stable parallel merge sort.
//
// Runs of equal length are sorted by std::stable_sort, then merged pair by pair; every merge is cut
// into segments by a search along its diagonal (which elements are the first d of both runs), so
// that all workers merge until the end. What comes out is the one stable order, so it depends on no
// number of workers.
// Threads: as Executor::Bulk. Comparisons may throw (failures.h); then the range holds valid
//   elements of which some may be moved from.
// Where an executor has one worker, as a device has, one call sorts where the data is; with more,
//   the memory below is the process's.
// Cost: n log n comparisons, memory for n elements, log2(runs) passes over the data; the memory is
//   untouched before the first merge, so its pages are placed by the workers that merge.
#pragma once

#include <algorithm>
#include <functional>
#include <iterator>
#include <memory>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "parallel/page_block.h"
#include "parallel/policy.h"

namespace cairn::parallel {

// Below this many elements per worker a sort runs on the calling thread.
inline constexpr std::int64_t kLeastSortedRun = 2048;

namespace internal {

// How many of the first `d` elements of a stable merge of a and b come from a. 0 <= d <= na + nb.
template <typename It, typename Less>
std::int64_t CoRank(It a, std::int64_t na, It b, std::int64_t nb, std::int64_t d, Less& less) {
  std::int64_t low = std::max<std::int64_t>(0, d - nb), high = std::min(d, na);
  while (low < high) {
    const std::int64_t i = low + (high - low) / 2;
    // a[i] goes before b[d - i - 1] also where they are equal: then more than i come from a.
    if (!less(b[d - i - 1], a[i])) {
      low = i + 1;
    } else {
      high = i;
    }
  }
  return low;
}

// One stretch of one merge: [a, a_end) and [b, b_end) of the source go to `out` of the destination.
struct MergeSegment {
  std::int64_t a, a_end, b, b_end, out;
};

// The segments of merging runs of `width` of [0, n), about `wanted` of them. Reads `from` alone,
// and before anything is moved.
template <typename It, typename Less>
std::vector<MergeSegment> CutMerges(It from, std::int64_t n, std::int64_t width,
                                    std::int64_t wanted, Less& less) {
  std::vector<MergeSegment> segments;
  const std::int64_t each = std::max<std::int64_t>(1, DivideUp(n, wanted));
  for (std::int64_t begin = 0; begin < n; begin += 2 * width) {
    const std::int64_t middle = std::min(begin + width, n), end = std::min(begin + 2 * width, n);
    const std::int64_t na = middle - begin, nb = end - middle;
    std::int64_t i = 0;
    for (std::int64_t d = 0; d < na + nb; d += each) {
      const std::int64_t stop = std::min(d + each, na + nb);
      const std::int64_t next = CoRank(from + begin, na, from + middle, nb, stop, less);
      segments.push_back(
          {begin + i, begin + next, middle + d - i, middle + stop - next, begin + d});
      i = next;
    }
  }
  return segments;
}

// Merges runs of `width` from `from` to `to` by put(to + i, element&&).
template <typename Policy, typename From, typename To, typename Less, typename Put>
void MergePass(const Policy& policy, From from, To to, std::int64_t n, std::int64_t width,
               const Less& less, const Put& put) {
  std::vector<MergeSegment> segments;
  policy.Once([&] {
    auto before = less;
    segments = CutMerges(from, n, width, 4 * policy.workers(), before);
  });
  policy.Bulk(static_cast<std::int64_t>(segments.size()),
              [&](std::int64_t begin, std::int64_t end) {
                auto before = less;
                for (std::int64_t s = begin; s < end; ++s) {
                  auto [a, a_end, b, b_end, out] = segments[static_cast<std::size_t>(s)];
                  while (a < a_end && b < b_end) {
                    const std::int64_t i = before(from[b], from[a]) ? b++ : a++;
                    put(to + out++, std::move(from[i]));
                  }
                  while (a < a_end) put(to + out++, std::move(from[a++]));
                  while (b < b_end) put(to + out++, std::move(from[b++]));
                }
              });
}

}  // namespace internal

// Sorts [first, last), equal elements in their order. Errors: kOutOfMemory, nothing changed.
template <typename Policy, std::random_access_iterator It, typename Less = std::less<>>
[[nodiscard]] Result<void> Sort(const Policy& policy, It first, It last, const Less& less = {}) {
  using T = std::iter_value_t<It>;
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>,
                "a merge that breaks off in the middle of a move cannot be put right");
  const std::int64_t n = last - first;
  if (n < 2) return {};
  const auto all = policy.Local(first);
  const std::int64_t most = std::min<std::int64_t>(policy.workers(), n / kLeastSortedRun);
  if (most < 2) {
    policy.Once([all, n, less] { std::stable_sort(all, all + n, less); });
    return {};
  }
  std::int64_t runs = 2;
  while (runs < most) runs *= 2;
  const std::int64_t width = DivideUp(n, runs);
  PageBlock memory =
      OR_RETURN(PageBlock::Allocate(static_cast<std::size_t>(n) * sizeof(T), HugePages::kAdvise));
  T* const buffer = reinterpret_cast<T*>(memory.data());
  policy.Bulk(runs, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t run = begin; run < end; ++run) {
      std::stable_sort(all + std::min(run * width, n), all + std::min((run + 1) * width, n), less);
    }
  });
  // Every slot of the buffer gets its element before a comparison can throw, so that all are alive
  // until the end.
  policy.Bulk(n, [&](std::int64_t begin, std::int64_t end) {
    std::uninitialized_move(all + begin, all + end, buffer + begin);
  });
  const auto destroy = [&](T* elements) {
    if constexpr (!std::is_trivially_destructible_v<T>) {
      policy.Bulk(n, [&](std::int64_t begin, std::int64_t end) {
        std::destroy(elements + begin, elements + end);
      });
    }
  };
  const std::unique_ptr<T, decltype(destroy)> alive(buffer, destroy);
  const auto assign = [](auto to, T&& element) { *to = std::move(element); };
  bool in_buffer = true;
  for (std::int64_t w = width; w < n; w *= 2, in_buffer = !in_buffer) {
    if (in_buffer) {
      internal::MergePass(policy, buffer, all, n, w, less, assign);
    } else {
      internal::MergePass(policy, all, buffer, n, w, less, assign);
    }
  }
  if (in_buffer) {
    policy.Bulk(n, [&](std::int64_t begin, std::int64_t end) {
      std::move(buffer + begin, buffer + end, all + begin);
    });
  }
  return {};
}

}  // namespace cairn::parallel
