// SPDX-License-Identifier: Apache-2.0
// What a machine is made of, for those who place work and data: processing units, the cores they
// share, the sockets and memory nodes they belong to.
//
// A Machine is a plain value. It is read from the system or made up, so that everything built on it
// (targets, executors, allocators) is tested for machines that nobody has at hand.
// Threads: free functions and values. Cost of reading: three small files per unit; do it once.
#pragma once

#include <string>
#include <vector>

namespace cairn::parallel {

// A processing unit: what the system calls a CPU and what one thread can be pinned to.
struct Unit {
  int cpu = 0;      // the system's number
  int core = 0;     // lowest cpu of the units that share this core's arithmetic (SMT siblings)
  int package = 0;  // socket
  int node = 0;     // memory node; the socket where the system knows no nodes

  bool operator==(const Unit&) const = default;
};

struct Machine {
  std::vector<Unit> units;  // ascending by cpu, each cpu once
};

// The machine described by /sys/devices/system under `root` ("" is the machine itself), as far as
// its units are among `allowed`. Units that no file describes are cores of their own on node 0.
Machine ReadMachine(const std::string& root, const std::vector<int>& allowed);

// The units of this machine that this process may run on, by its affinity mask. At least one.
std::vector<int> AllowedUnits();

// This machine, the units that this process may run on. At least one unit.
Machine ThisMachine();

// `nodes` sockets of one node each with `cores` cores of `threads` units. Numbered as Linux does on
// most machines: first the first thread of every core, node by node, then the second threads.
Machine MadeUpMachine(int nodes, int cores, int threads = 1);

// The numbers of a list as /sys writes it ("0-3,8"), ascending; empty where it is not such a list.
std::vector<int> ParseUnitList(const std::string& text);

}  // namespace cairn::parallel
