// SPDX-License-Identifier: Apache-2.0
// What this machine has left for us, and what we hold of it.
// Threads: free functions.
#pragma once

#include <cstddef>
#include <string>

namespace cairn::engine {

// Memory that can be had without swapping: the system's estimate, limited by the cgroup, whose
// cache of files that nobody uses counts as free. 0 where the system does not say. `root` goes
// before /proc and /sys, for tests.
std::size_t AvailableMemoryBytes(const std::string& root = "");

// Memory of this process: pages in RAM now and at most since it began, mapped files included. 0
// where the system does not say.
struct ProcessMemory {
  std::size_t resident_bytes = 0;
  std::size_t peak_bytes = 0;
};
ProcessMemory MemoryOfProcess();

// Processor time of this process, of all its threads.
double ProcessorSeconds();

}  // namespace cairn::engine
