// SPDX-License-Identifier: Apache-2.0
#include "engine/machine.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace cairn::engine {
namespace {

std::optional<std::size_t> ReadNumber(const char* path) {
  std::ifstream file(path);
  std::size_t value = 0;
  if (file >> value) return value;
  return std::nullopt;  // absent, or "max"
}

// Calls take(key, bytes) for each line "key: number kB" of a file in /proc.
void ReadKilobytes(const char* path, const auto& take) {
  std::ifstream file(path);
  std::string line, key;
  while (std::getline(file, line)) {
    std::istringstream words(line);
    std::size_t kilobytes = 0;
    if (words >> key >> kilobytes) take(key, kilobytes * 1024);
  }
}

}  // namespace

std::size_t AvailableMemoryBytes() {
  std::size_t available = 0;
  ReadKilobytes("/proc/meminfo", [&](const std::string& key, std::size_t bytes) {
    if (key == "MemAvailable:") available = bytes;
  });
  const auto limit = ReadNumber("/sys/fs/cgroup/memory.max");
  const auto used = ReadNumber("/sys/fs/cgroup/memory.current");
  if (limit && used) available = std::min(available, *limit > *used ? *limit - *used : 0);
  return available;
}

ProcessMemory MemoryOfProcess() {
  ProcessMemory memory;
  ReadKilobytes("/proc/self/status", [&](const std::string& key, std::size_t bytes) {
    if (key == "VmRSS:") memory.resident_bytes = bytes;
    if (key == "VmHWM:") memory.peak_bytes = bytes;
  });
  return memory;
}

}  // namespace cairn::engine
