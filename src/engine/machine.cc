// SPDX-License-Identifier: Apache-2.0
#include "engine/machine.h"

#include <algorithm>
#include <ctime>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace cairn::engine {
namespace {

std::optional<std::size_t> ReadNumber(const std::string& path) {
  std::ifstream file(path);
  std::size_t value = 0;
  if (file >> value) return value;
  return std::nullopt;  // absent, or "max"
}

// Calls take(key, number) for each line "key number ..." of a file of the kernel's.
void ReadTable(const std::string& path, const auto& take) {
  std::ifstream file(path);
  std::string line, key;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::size_t number = 0;
    if (words >> key >> number) take(key, number);
  }
}

constexpr std::size_t kKilobyte = 1024;  // what /proc means by kB

}  // namespace

std::size_t AvailableMemoryBytes(const std::string& root) {
  std::size_t available = 0;
  ReadTable(root + "/proc/meminfo", [&](const std::string& key, std::size_t kilobytes) {
    if (key == "MemAvailable:") available = kilobytes * kKilobyte;
  });
  const std::string group = root + "/sys/fs/cgroup/memory.";
  const auto limit = ReadNumber(group + "max");
  const auto used = ReadNumber(group + "current");
  if (!limit || !used) return available;
  // A model that was just fetched or mapped fills the group with pages that can go at any time.
  std::size_t idle_cache = 0;
  ReadTable(group + "stat", [&](const std::string& key, std::size_t bytes) {
    if (key == "inactive_file") idle_cache = bytes;
  });
  const std::size_t taken = *used - std::min(*used, idle_cache);
  return std::min(available, *limit - std::min(*limit, taken));
}

ProcessMemory MemoryOfProcess() {
  ProcessMemory memory;
  ReadTable("/proc/self/status", [&](const std::string& key, std::size_t kilobytes) {
    if (key == "VmRSS:") memory.resident_bytes = kilobytes * kKilobyte;
    if (key == "VmHWM:") memory.peak_bytes = kilobytes * kKilobyte;
  });
  return memory;
}

double ProcessorSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace cairn::engine
