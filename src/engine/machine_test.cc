// SPDX-License-Identifier: Apache-2.0
#include "engine/machine.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "testing/temp_folder.h"

namespace cairn::engine {
namespace {

class MachineTest : public ::testing::Test {
 protected:
  MachineTest() {
    std::filesystem::create_directories(root() + "/proc");
    std::filesystem::create_directories(root() + "/sys/fs/cgroup");
    Write("/proc/meminfo", "MemTotal: 9000 kB\nMemAvailable: 5000 kB\n");
  }
  std::string root() const { return folder_.File("root"); }
  void Write(const std::string& path, const char* text) { std::ofstream(root() + path) << text; }

  testing::TempFolder folder_;
};

TEST_F(MachineTest, WithoutAGroupTheSystemsEstimateHolds) {
  EXPECT_EQ(AvailableMemoryBytes(root()), 5000u * 1024);
  Write("/sys/fs/cgroup/memory.max", "max\n");
  Write("/sys/fs/cgroup/memory.current", "1000\n");
  EXPECT_EQ(AvailableMemoryBytes(root()), 5000u * 1024);
}

TEST_F(MachineTest, CacheThatNobodyUsesDoesNotFillTheGroup) {
  Write("/sys/fs/cgroup/memory.max", "1000000\n");
  Write("/sys/fs/cgroup/memory.current", "990000\n");
  EXPECT_EQ(AvailableMemoryBytes(root()), 10000u);
  Write("/sys/fs/cgroup/memory.stat", "anon 90000\ninactive_file 900000\nactive_file 0\n");
  EXPECT_EQ(AvailableMemoryBytes(root()), 910000u);
}

TEST_F(MachineTest, AGroupOverItsLimitHasNothingLeft) {
  Write("/sys/fs/cgroup/memory.max", "1000\n");
  Write("/sys/fs/cgroup/memory.current", "2000\n");
  EXPECT_EQ(AvailableMemoryBytes(root()), 0u);
}

TEST_F(MachineTest, ASystemThatSaysNothingGivesZero) {
  EXPECT_EQ(AvailableMemoryBytes(folder_.File("nowhere")), 0u);
}

TEST(ProcessTest, TheProcessHasPagesAndNeverMoreThanAtItsPeak) {
  const ProcessMemory memory = MemoryOfProcess();
  EXPECT_GT(memory.resident_bytes, 1u << 20);
  EXPECT_GE(memory.peak_bytes, memory.resident_bytes);
}

}  // namespace
}  // namespace cairn::engine
