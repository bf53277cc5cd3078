// SPDX-License-Identifier: Apache-2.0
// Counts what the calling thread asks operator new for, so that a test can say that an input does
// not make the program allocate. A test program that uses it gets counting versions of operator new
// and delete; under a sanitizer, which brings its own, nothing is counted.
// Threads: counts per thread; a meter belongs to the thread that made it.
#pragma once

#include <cstddef>

namespace cairn::testing {

class AllocationMeter {
 public:
  // Whether this build counts.
  static bool Counts();

  AllocationMeter();

  // Since construction: the sum of all requests (freed or not) and the largest one, in bytes.
  std::size_t total_bytes() const;
  std::size_t largest_bytes() const;

 private:
  std::size_t total_at_start_;
};

}  // namespace cairn::testing
