// SPDX-License-Identifier: Apache-2.0
#include "parallel/topology.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <set>
#include <string_view>
#include <thread>

namespace cairn::parallel {
namespace {

// The first line of a file; empty where there is none.
std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The numbers of "0-3,8": false where it is not such a list.
bool ParseList(std::string_view text, std::vector<int>& numbers) {
  constexpr int kMost = 1 << 16;
  while (!text.empty()) {
    int first = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), first);
    if (error != std::errc() || first < 0 || first > kMost) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    int last = first;
    if (text.starts_with('-')) {
      text.remove_prefix(1);
      const auto [rest, wrong] = std::from_chars(text.data(), text.data() + text.size(), last);
      if (wrong != std::errc() || last < first || last > kMost) return false;
      text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    }
    for (int n = first; n <= last; ++n) numbers.push_back(n);
    if (text.empty()) return true;
    if (!text.starts_with(',')) return false;
    text.remove_prefix(1);
  }
  return true;
}

// The lowest processor of the core that `cpu` belongs to.
int CoreOf(const std::string& root, int cpu) {
  const std::string folder =
      root + "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
  // The older name for the same list stands second.
  for (const char* name : {"core_cpus_list", "thread_siblings_list"}) {
    std::vector<int> siblings;
    if (ParseList(FirstLine(folder + name), siblings) && !siblings.empty()) {
      return *std::ranges::min_element(siblings);
    }
  }
  return cpu;
}

double Share(const std::string& quota, const std::string& period) {
  char* end = nullptr;
  const double microseconds = std::strtod(quota.c_str(), &end);
  if (end == quota.c_str()) return 0;  // "max", or nothing
  const double of = std::strtod(period.c_str(), &end);
  return microseconds > 0 && of > 0 ? microseconds / of : 0;
}

// Version 2: "200000 100000" or "max 100000" in one file.
double ShareOfUnified(const std::string& folder) {
  const std::string line = FirstLine(folder + "/cpu.max");
  const std::size_t space = line.find(' ');
  return space == std::string::npos ? 0 : Share(line.substr(0, space), line.substr(space + 1));
}
// Version 1: two files, a quota of -1 means none.
double ShareOfController(const std::string& folder) {
  return Share(FirstLine(folder + "/cpu.cfs_quota_us"), FirstLine(folder + "/cpu.cfs_period_us"));
}

// The smallest share of a group and those above it. In a container the path may be one of the host
// that is not there: then only the folders above it say something.
template <typename ShareOfFolder>
void LimitBy(const std::string& mount, std::string group, ShareOfFolder share_of, double& quota) {
  while (true) {
    while (group.ends_with('/')) group.pop_back();
    const double share = share_of(mount + group);
    if (share > 0 && (quota == 0 || share < quota)) quota = share;
    if (group.empty()) return;
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

bool NamesProcessorTime(std::string_view controllers) {
  while (!controllers.empty()) {
    const std::size_t comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == "cpu") return true;
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return false;
}

double Quota(const std::string& root) {
  const std::string mounts = root + "/sys/fs/cgroup";
  double quota = 0;
  std::ifstream file(root + "/proc/self/cgroup");
  // Lines are hierarchy:controllers:group; the unified hierarchy has no controllers.
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      LimitBy(mounts, group, ShareOfUnified, quota);
      LimitBy(mounts + "/unified", group, ShareOfUnified, quota);
    } else if (NamesProcessorTime(controllers)) {
      LimitBy(mounts + "/cpu", group, ShareOfController, quota);
      LimitBy(mounts + "/" + controllers, group, ShareOfController, quota);
    }
  }
  return quota;
}

}  // namespace

Topology ReadTopology(const std::string& root, const std::vector<int>& allowed) {
  Topology topology{.cores = {}, .quota = Quota(root)};
  std::set<int> seen;
  std::vector<int> cpus = allowed;
  std::ranges::sort(cpus);
  for (const int cpu : cpus) {
    if (seen.insert(CoreOf(root, cpu)).second) topology.cores.push_back(cpu);
  }
  return topology;
}

Topology UsableTopology() {
  std::vector<int> allowed;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(static_cast<std::size_t>(cpu), &set)) allowed.push_back(cpu);
    }
  }
  // More than CPU_SETSIZE processors: the mask does not fit, what the machine has must do.
  if (allowed.empty()) {
    const int all = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    for (int cpu = 0; cpu < all; ++cpu) allowed.push_back(cpu);
  }
  return ReadTopology("", allowed);
}

int UsableCores(const Topology& topology) {
  double cores = static_cast<double>(topology.cores.size());
  if (topology.quota > 0) cores = std::min(cores, std::ceil(topology.quota));
  return static_cast<int>(std::clamp(cores, 1.0, static_cast<double>(kMostWorkers)));
}

int UsableCores() { return UsableCores(UsableTopology()); }

}  // namespace cairn::parallel
