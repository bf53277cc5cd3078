// SPDX-License-Identifier: Apache-2.0
// Memory bound to the targets of an executor: pages that nobody has touched, and construction of
// elements by the workers that will read them.
//
// Construction always splits statically, one chunk per worker, as an algorithm with StaticChunk
// over the same executor does: element i is touched first by the worker that reads it. Any other
// chunker still reads on the target that touched. Pages cut by the border of two parts belong to
// either.
// Threads: as Executor::Bulk. The executor must outlive the allocator.
// Huge pages make the grain of placement 2 MB. Where all targets lie on one memory node that does
//   not matter, and every block that holds a huge page asks for them; across nodes a block does so
//   when its parts are so large that the borders are little of them.
// Errors: exceptions of constructors, see failures.h. Sheet: 07, section 3.
#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/checked.h"
#include "parallel/executor.h"
#include "parallel/page_block.h"

namespace cairn::parallel {

// Parts of at least this many huge pages: at most one in 32 bytes lies on a border's page.
inline constexpr std::size_t kLeastHugePagesPerPart = 32;

// What BlockAllocator asks the system for.
HugePages HugePagesFor(std::size_t bytes, const std::vector<Target>& targets);

template <typename T>
class BlockAllocator {
 public:
  using value_type = T;
  using pointer = T*;
  using Storage = PageBlock;
  // Moving a container moves the binding to the targets with the data.
  using propagate_on_container_move_assignment = std::true_type;

  explicit BlockAllocator(Executor& executor) : executor_(&executor) {}

  Executor& executor() const { return *executor_; }
  const std::vector<Target>& targets() const { return executor_->targets(); }

  // Untouched pages for n elements. Errors: kOutOfMemory.
  [[nodiscard]] Result<PageBlock> Allocate(std::size_t n) const {
    static_assert(alignof(T) <= 4096, "a block is aligned to a page");
    const auto bytes = CheckedMul(n, sizeof(T));
    if (!bytes || n > static_cast<std::size_t>(kMostElements)) {
      return Fail(ErrorCode::kOutOfMemory, "an array of so many elements fits no memory");
    }
    return PageBlock::Allocate(*bytes, HugePagesFor(*bytes, targets()));
  }

  // Where the elements of a storage begin.
  static T* PointerTo(const PageBlock& storage) { return reinterpret_cast<T*>(storage.data()); }

  // Constructs n elements from `args` (each from all of them), on the targets. When a constructor
  // throws, what was constructed is destroyed, each element once, and the exceptions leave.
  template <typename... Args>
  void BulkConstruct(T* elements, std::size_t n, const Args&... args) const;

  // Destroys n elements, on the targets.
  void BulkDestroy(T* elements, std::size_t n) const {
    if constexpr (!std::is_trivially_destructible_v<T>) {
      executor_->Bulk(static_cast<std::int64_t>(n), StaticChunk{},
                      [&](std::int64_t begin, std::int64_t end, int) {
                        std::destroy(elements + begin, elements + end);
                      });
    }
  }

 private:
  Executor* executor_;
};

template <typename T>
template <typename... Args>
void BlockAllocator<T>::BulkConstruct(T* elements, std::size_t n, const Args&... args) const {
  const auto count = static_cast<std::int64_t>(n);
  if constexpr (std::is_nothrow_constructible_v<T, const Args&...>) {
    executor_->Bulk(count, StaticChunk{}, [&](std::int64_t begin, std::int64_t end, int) {
      for (T* at = elements + begin; at != elements + end; ++at) std::construct_at(at, args...);
    });
  } else {
    std::atomic<bool> failed{false};
    // By worker: where its one chunk ends once it is whole. The split is the same both times.
    std::vector<std::int64_t> whole(static_cast<std::size_t>(executor_->workers()), -1);
    try {
      executor_->Bulk(count, StaticChunk{}, [&](std::int64_t begin, std::int64_t end, int worker) {
        std::int64_t at = begin;
        try {
          // Relaxed: a hint to stop.
          for (; at < end && !failed.load(std::memory_order_relaxed); ++at) {
            std::construct_at(elements + at, args...);
          }
        } catch (...) {
          failed.store(true, std::memory_order_relaxed);
          std::destroy(elements + begin, elements + at);
          throw;
        }
        if (at == end) {
          whole[static_cast<std::size_t>(worker)] = end;
        } else {
          std::destroy(elements + begin, elements + at);
        }
      });
    } catch (...) {
      executor_->Bulk(count, StaticChunk{}, [&](std::int64_t begin, std::int64_t end, int worker) {
        if (whole[static_cast<std::size_t>(worker)] == end) {
          std::destroy(elements + begin, elements + end);
        }
      });
      throw;
    }
  }
}

}  // namespace cairn::parallel
