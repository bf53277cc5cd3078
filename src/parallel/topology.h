// SPDX-License-Identifier: Apache-2.0
// Which cores this process may use.
//
// Two hardware threads of a core share its arithmetic units, so cores are counted, not threads:
// /sys/devices/system/cpu says who shares. Affinity (taskset, cpusets) and the cgroup's processor
// quota, version 1 and 2, limit them.
// Threads: free functions. Cost: some files per processor; call it once.
#pragma once

#include <string>
#include <vector>

namespace cairn::parallel {

inline constexpr int kMostWorkers = 256;

struct Topology {
  std::vector<int> cores;  // one processor number per usable physical core, ascending
  double quota = 0;        // cores' worth of time that the cgroup grants; 0: no limit
};

// From /sys and /proc under `root` ("" is the machine itself) for the processors in `allowed`.
// What cannot be read counts as absent: a processor without topology is a core of its own.
Topology ReadTopology(const std::string& root, const std::vector<int>& allowed);

// Of this process, by its affinity mask.
Topology UsableTopology();

// Workers that a topology is good for: its cores, at most the quota rounded up. 1 to kMostWorkers.
int UsableCores(const Topology& topology);
int UsableCores();

}  // namespace cairn::parallel
