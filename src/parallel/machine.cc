// SPDX-License-Identifier: Apache-2.0
#include "parallel/machine.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <string_view>
#include <thread>

namespace cairn::parallel {
namespace {

constexpr int kMostUnits = 1 << 16;  // a list that names more is broken

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The number that `text` begins with, which is cut off; -1 where there is none.
int TakeNumber(std::string_view& text) {
  int number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number >= kMostUnits) return -1;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

int ReadNumber(const std::string& path, int otherwise) {
  const std::string line = FirstLine(path);
  std::string_view text = line;
  const int number = TakeNumber(text);
  return number < 0 ? otherwise : number;
}

// The memory node of every unit that a node's list names. Nodes without units (memory only) add
// nothing.
std::map<int, int> NodesOf(const std::string& system) {
  std::map<int, int> nodes;
  for (const int node : ParseUnitList(FirstLine(system + "/node/online"))) {
    const auto list = FirstLine(fmt::format("{}/node/node{}/cpulist", system, node));
    for (const int cpu : ParseUnitList(list)) nodes.emplace(cpu, node);
  }
  return nodes;
}

}  // namespace

std::vector<int> ParseUnitList(const std::string& text) {
  std::vector<int> numbers;
  std::string_view rest = text;
  while (!rest.empty()) {
    const int first = TakeNumber(rest);
    int last = first;
    if (rest.starts_with('-')) {
      rest.remove_prefix(1);
      last = TakeNumber(rest);
    }
    if (first < 0 || last < first || (!rest.empty() && !rest.starts_with(','))) return {};
    if (!rest.empty()) rest.remove_prefix(1);
    for (int n = first; n <= last; ++n) numbers.push_back(n);
  }
  std::ranges::sort(numbers);
  numbers.erase(std::ranges::unique(numbers).begin(), numbers.end());
  return numbers;
}

Machine ReadMachine(const std::string& root, const std::vector<int>& allowed) {
  const std::string system = root + "/sys/devices/system";
  const std::map<int, int> nodes = NodesOf(system);
  std::vector<int> cpus = allowed;
  std::ranges::sort(cpus);
  cpus.erase(std::ranges::unique(cpus).begin(), cpus.end());
  Machine machine;
  for (const int cpu : cpus) {
    const std::string folder = fmt::format("{}/cpu/cpu{}/topology/", system, cpu);
    // The older name for the same list stands second.
    std::vector<int> siblings = ParseUnitList(FirstLine(folder + "core_cpus_list"));
    if (siblings.empty()) siblings = ParseUnitList(FirstLine(folder + "thread_siblings_list"));
    Unit unit{.cpu = cpu, .core = siblings.empty() ? cpu : siblings.front()};
    unit.package = ReadNumber(folder + "physical_package_id", 0);
    const auto node = nodes.find(cpu);
    unit.node = node != nodes.end() ? node->second : nodes.empty() ? unit.package : 0;
    machine.units.push_back(unit);
  }
  return machine;
}

std::vector<int> AllowedUnits() {
  std::vector<int> allowed;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) allowed.push_back(cpu);
    }
  }
  // A machine of more than CPU_SETSIZE units does not fit the mask: what it has must do.
  if (allowed.empty()) {
    const int all = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    for (int cpu = 0; cpu < all; ++cpu) allowed.push_back(cpu);
  }
  return allowed;
}

Machine ThisMachine() { return ReadMachine("", AllowedUnits()); }

Machine MadeUpMachine(int nodes, int cores, int threads) {
  Machine machine;
  for (int thread = 0; thread < threads; ++thread) {
    for (int node = 0; node < nodes; ++node) {
      for (int core = 0; core < cores; ++core) {
        const int first = node * cores + core;
        machine.units.push_back(
            {.cpu = thread * nodes * cores + first, .core = first, .package = node, .node = node});
      }
    }
  }
  return machine;
}

}  // namespace cairn::parallel
