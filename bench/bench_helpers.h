// SPDX-License-Identifier: Apache-2.0
// What the micro benchmarks of kernels share. Threads: pure functions.
#pragma once

#include <time.h>

#include <cstddef>

#include "base/aligned_buffer.h"
#include "base/check.h"

namespace cairn::bench {

inline AlignedBuffer Aligned(std::size_t bytes) {
  auto buffer = AlignedBuffer::Allocate(bytes);
  CAIRN_CHECK(buffer.has_value());
  return std::move(*buffer);
}

// Processor time of this thread, as Google Benchmark counts it: another process that runs in
// between does not count.
inline double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace cairn::bench
