// SPDX-License-Identifier: Apache-2.0
// What this machine has left for us.
// Threads: free functions.
#pragma once

#include <cstddef>

namespace cairn::engine {

// Memory that can be had without swapping: the system's estimate, limited by the cgroup. 0 where
// neither can be read.
std::size_t AvailableMemoryBytes();

}  // namespace cairn::engine
