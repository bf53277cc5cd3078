// SPDX-License-Identifier: Apache-2.0
#include "parallel/machine.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "testing/temp_folder.h"

namespace cairn::parallel {
namespace {

// A folder that looks like the /sys of some machine.
class MadeUpSys {
 public:
  MadeUpSys& Put(const std::string& path, const std::string& text) {
    const std::string file = root() + "/sys/devices/system/" + path;
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    std::ofstream(file) << text << '\n';
    return *this;
  }
  MadeUpSys& PutUnit(int cpu, const std::string& siblings, int package) {
    const std::string folder = "cpu/cpu" + std::to_string(cpu) + "/topology/";
    return Put(folder + "core_cpus_list", siblings)
        .Put(folder + "physical_package_id", std::to_string(package));
  }
  std::string root() const { return folder_.path(); }

 private:
  testing::TempFolder folder_;
};

TEST(ParseUnitListTest, RangesAndNumbersAreRead) {
  EXPECT_EQ(ParseUnitList("0-3,8,6"), (std::vector<int>{0, 1, 2, 3, 6, 8}));
  EXPECT_EQ(ParseUnitList("5"), std::vector<int>{5});
}

TEST(ParseUnitListTest, WhatIsNoListIsEmpty) {
  for (const char* text : {"", "a", "3-1", "1-", "-1", "1 2", "1,,2", "0-99999999999", "0-65536"}) {
    EXPECT_TRUE(ParseUnitList(text).empty()) << text;
  }
}

TEST(ReadMachineTest, NodesCoresAndSiblingsAreRead) {
  MadeUpSys sys;
  sys.Put("node/online", "0-1").Put("node/node0/cpulist", "0,2").Put("node/node1/cpulist", "1,3");
  for (int cpu = 0; cpu < 4; ++cpu) sys.PutUnit(cpu, cpu % 2 == 0 ? "0,2" : "1,3", cpu % 2);
  const Machine machine = ReadMachine(sys.root(), {3, 2, 1, 0, 0});
  EXPECT_EQ(machine.units,
            (std::vector<Unit>{{0, 0, 0, 0}, {1, 1, 1, 1}, {2, 0, 0, 0}, {3, 1, 1, 1}}));
}

TEST(ReadMachineTest, UnitsThatAreNotAllowedAreLeftOut) {
  MadeUpSys sys;
  for (int cpu = 0; cpu < 4; ++cpu) sys.PutUnit(cpu, std::to_string(cpu), 0);
  EXPECT_EQ(ReadMachine(sys.root(), {2}).units, (std::vector<Unit>{{2, 2, 0, 0}}));
}

TEST(ReadMachineTest, WithoutNodesTheSocketIsTheNode) {
  MadeUpSys sys;
  sys.PutUnit(0, "0", 0).PutUnit(1, "1", 7);
  EXPECT_EQ(ReadMachine(sys.root(), {0, 1}).units, (std::vector<Unit>{{0, 0, 0, 0}, {1, 1, 7, 7}}));
}

TEST(ReadMachineTest, OlderNameOfTheSiblingListIsRead) {
  MadeUpSys sys;
  sys.Put("cpu/cpu5/topology/thread_siblings_list", "4-5");
  EXPECT_EQ(ReadMachine(sys.root(), {5}).units, (std::vector<Unit>{{5, 4, 0, 0}}));
}

TEST(ReadMachineTest, WithoutFilesEveryUnitIsACore) {
  MadeUpSys sys;
  EXPECT_EQ(ReadMachine(sys.root(), {0, 9}).units, (std::vector<Unit>{{0, 0, 0, 0}, {9, 9, 0, 0}}));
}

TEST(ThisMachineTest, HasAUnit) { EXPECT_FALSE(ThisMachine().units.empty()); }

TEST(MadeUpMachineTest, SecondThreadsComeAfterAllFirstOnes) {
  const Machine machine = MadeUpMachine(2, 2, 2);
  EXPECT_EQ(machine.units, (std::vector<Unit>{{0, 0, 0, 0},
                                              {1, 1, 0, 0},
                                              {2, 2, 1, 1},
                                              {3, 3, 1, 1},
                                              {4, 0, 0, 0},
                                              {5, 1, 0, 0},
                                              {6, 2, 1, 1},
                                              {7, 3, 1, 1}}));
}

}  // namespace
}  // namespace cairn::parallel
