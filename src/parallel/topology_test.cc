// SPDX-License-Identifier: Apache-2.0
#include "parallel/topology.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "testing/temp_folder.h"

namespace cairn::parallel {
namespace {

// A machine made of files.
class TopologyTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) {
    const std::filesystem::path path = folder_.path() + name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text << '\n';
  }
  void Siblings(int cpu, const std::string& list, const char* file = "core_cpus_list") {
    Write("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/" + file, list);
  }
  Topology Read(const std::vector<int>& allowed) { return ReadTopology(folder_.path(), allowed); }

  testing::TempFolder folder_;
};

using Cores = std::vector<int>;

TEST_F(TopologyTest, SiblingsCountOnce) {
  for (int cpu = 0; cpu < 8; ++cpu) {
    Siblings(cpu, std::to_string(cpu % 4) + "," + std::to_string(cpu % 4 + 4));
  }
  EXPECT_EQ(Read({0, 1, 2, 3, 4, 5, 6, 7}).cores, (Cores{0, 1, 2, 3}));
}

TEST_F(TopologyTest, SiblingsInARangeUnderTheOlderNameCountOnce) {
  for (int cpu = 0; cpu < 4; ++cpu) {
    Siblings(cpu, cpu < 2 ? "0-1" : "2-3", "thread_siblings_list");
  }
  EXPECT_EQ(Read({0, 1, 2, 3}).cores, (Cores{0, 2}));
}

TEST_F(TopologyTest, CoreWhoseFirstThreadIsForbiddenStillCounts) {
  for (int cpu = 0; cpu < 4; ++cpu) Siblings(cpu, cpu < 2 ? "0-1" : "2-3");
  EXPECT_EQ(Read({1, 2, 3}).cores, (Cores{1, 2}));
}

TEST_F(TopologyTest, UnreadableTopologyCountsEveryProcessor) {
  Siblings(0, "nonsense");
  Siblings(1, "");
  Siblings(2, "7-3");
  EXPECT_EQ(Read({0, 1, 2, 3}).cores, (Cores{0, 1, 2, 3}));
}

TEST_F(TopologyTest, UnifiedQuotaIsReadFromTheGroupOfTheProcess) {
  Write("/proc/self/cgroup", "0::/user/app");
  Write("/sys/fs/cgroup/user/app/cpu.max", "150000 100000");
  const Topology topology = Read({0, 1, 2, 3});
  EXPECT_EQ(topology.quota, 1.5);
  EXPECT_EQ(UsableCores(topology), 2);
}

TEST_F(TopologyTest, SmallestQuotaOfAllGroupsAboveWins) {
  Write("/proc/self/cgroup", "0::/user/app");
  Write("/sys/fs/cgroup/user/app/cpu.max", "max 100000");
  Write("/sys/fs/cgroup/user/cpu.max", "100000 100000");
  Write("/sys/fs/cgroup/cpu.max", "300000 100000");
  EXPECT_EQ(Read({0, 1, 2, 3}).quota, 1);
}

TEST_F(TopologyTest, GroupOfTheHostFallsBackToTheContainersRoot) {
  Write("/proc/self/cgroup", "0::/docker/0123");
  Write("/sys/fs/cgroup/cpu.max", "200000 100000");
  EXPECT_EQ(Read({0, 1, 2, 3}).quota, 2);
}

TEST_F(TopologyTest, QuotaOfVersionOneIsRead) {
  Write("/proc/self/cgroup", "4:memory:/m\n3:cpuset:/wrong\n2:cpu,cpuacct:/app\n0::/");
  Write("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", "50000");
  Write("/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us", "100000");
  Write("/sys/fs/cgroup/cpu/wrong/cpu.cfs_quota_us", "10000");
  Write("/sys/fs/cgroup/cpu/wrong/cpu.cfs_period_us", "100000");
  const Topology topology = Read({0, 1});
  EXPECT_EQ(topology.quota, 0.5);
  EXPECT_EQ(UsableCores(topology), 1);
}

TEST_F(TopologyTest, QuotaOfMinusOneIsNone) {
  Write("/proc/self/cgroup", "2:cpu:/");
  Write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1");
  Write("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
  EXPECT_EQ(Read({0, 1}).quota, 0);
}

TEST_F(TopologyTest, NonsenseInGroupFilesIsNoQuota) {
  Write("/proc/self/cgroup", "nonsense\n0::");
  Write("/sys/fs/cgroup/cpu.max", "lots 0");
  EXPECT_EQ(Read({0, 1}).quota, 0);
}

TEST(UsableCoresTest, CoresAreTheLimitWithoutQuota) {
  EXPECT_EQ(UsableCores({.cores = {0, 1, 2}}), 3);
  EXPECT_EQ(UsableCores({.cores = {0, 1, 2}, .quota = 64}), 3);
}

TEST(UsableCoresTest, IsAtLeastOneAndAtMostTheMostWorkers) {
  EXPECT_EQ(UsableCores(Topology{}), 1);
  EXPECT_EQ(UsableCores({.cores = Cores(1000)}), kMostWorkers);
  EXPECT_GE(UsableCores(), 1);
}

}  // namespace
}  // namespace cairn::parallel
