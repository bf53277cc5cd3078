// SPDX-License-Identifier: Apache-2.0
#include "parallel/topology.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <string_view>

#include "parallel/machine.h"

namespace cairn::parallel {
namespace {

// The first line of a file; empty where there is none.
std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
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
  for (const Unit& unit : ReadMachine(root, allowed).units) {
    if (seen.insert(unit.core).second) topology.cores.push_back(unit.cpu);
  }
  return topology;
}

Topology UsableTopology() { return ReadTopology("", AllowedUnits()); }

int UsableCores(const Topology& topology) {
  double cores = static_cast<double>(topology.cores.size());
  if (topology.quota > 0) cores = std::min(cores, std::ceil(topology.quota));
  return static_cast<int>(std::clamp(cores, 1.0, static_cast<double>(kMostWorkers)));
}

int UsableCores() { return UsableCores(UsableTopology()); }

}  // namespace cairn::parallel
