// SPDX-License-Identifier: Apache-2.0
#include "testing/allocation_meter.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CAIRN_COUNT_ALLOCATIONS 0
#else
#define CAIRN_COUNT_ALLOCATIONS 1
#endif

namespace cairn::testing {
namespace {

thread_local std::size_t total = 0;
thread_local std::size_t largest = 0;

}  // namespace

#if CAIRN_COUNT_ALLOCATIONS
namespace internal {
void* CountedAllocation(std::size_t bytes) {
  total += bytes;
  largest = std::max(largest, bytes);
  void* memory = std::malloc(std::max<std::size_t>(bytes, 1));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace internal
#endif

bool AllocationMeter::Counts() { return CAIRN_COUNT_ALLOCATIONS; }

AllocationMeter::AllocationMeter() : total_at_start_(total) { largest = 0; }

std::size_t AllocationMeter::total_bytes() const { return total - total_at_start_; }
std::size_t AllocationMeter::largest_bytes() const { return largest; }

}  // namespace cairn::testing

#if CAIRN_COUNT_ALLOCATIONS
// The array, nothrow and sized forms of the library call these.
void* operator new(std::size_t bytes) { return cairn::testing::internal::CountedAllocation(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif
