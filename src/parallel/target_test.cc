// SPDX-License-Identifier: Apache-2.0
#include "parallel/target.h"

#include <gtest/gtest.h>

namespace cairn::parallel {
namespace {

// A split that drops the remainder, or one that hands it all to the last part, fails here.
TEST(SplitPointTest, CoversEveryElementEvenly) {
  for (const std::int64_t k : {1, 2, 3, 4, 7, 32, 512}) {
    for (const std::int64_t n : {std::int64_t{0}, std::int64_t{1}, k - 1, k, k + 1, 2 * k - 1,
                                 std::int64_t{97}, std::int64_t{7919}, kMostElements}) {
      EXPECT_EQ(SplitPoint(n, k, 0), 0);
      EXPECT_EQ(SplitPoint(n, k, k), n) << n << " over " << k;
      for (std::int64_t i = 0; i < k; ++i) {
        const std::int64_t size = SplitPoint(n, k, i + 1) - SplitPoint(n, k, i);
        EXPECT_GE(size, n / k) << n << " over " << k << ", part " << i;
        EXPECT_LE(size, n / k + 1) << n << " over " << k << ", part " << i;
      }
    }
  }
}

TEST(TargetTest, WithoutUnitsIsAnError) {
  const auto target = Target::Create(MadeUpMachine(1, 2), {});
  ASSERT_FALSE(target.has_value());
  EXPECT_EQ(target.error().code, ErrorCode::kInvalidArgument);
}

TEST(TargetTest, UnitThatTheMachineLacksIsAnErrorThatNamesIt) {
  const auto target = Target::Create(MadeUpMachine(1, 2), {1, 17});
  ASSERT_FALSE(target.has_value());
  EXPECT_NE(target.error().message.find("17"), std::string::npos) << target.error().message;
}

TEST(TargetTest, UnitNamedTwiceIsAnError) {
  EXPECT_FALSE(Target::Create(MadeUpMachine(1, 2), {1, 1}).has_value());
}

TEST(TargetTest, EqualityIsOfSets) {
  const Machine machine = MadeUpMachine(1, 4);
  EXPECT_EQ(*Target::Create(machine, {0, 2}), *Target::Create(machine, {2, 0}));
  EXPECT_FALSE(*Target::Create(machine, {0, 2}) == *Target::Create(machine, {0, 1}));
  EXPECT_FALSE(*Target::Create(machine, {0, 2}) == *Target::Create(machine, {0}));
}

TEST(TargetTest, NodeIsKnownWhereAllUnitsShareIt) {
  const Machine machine = MadeUpMachine(2, 2);
  EXPECT_EQ(Target::Create(machine, {2, 3})->node(), 1);
  EXPECT_EQ(Target::Create(machine, {1, 2})->node(), -1);
}

TEST(NumaDomainsTest, FourNodesOfEightUnitsAreFourTargets) {
  const Machine machine = MadeUpMachine(4, 8);
  const std::vector<Target> targets = NumaDomains(machine);
  ASSERT_EQ(targets.size(), 4u);
  for (int node = 0; node < 4; ++node) {
    const Target& target = targets[static_cast<std::size_t>(node)];
    EXPECT_EQ(target.node(), node);
    std::vector<int> expected;
    for (int i = 0; i < 8; ++i) expected.push_back(8 * node + i);
    EXPECT_EQ(target.cpus(), expected);
  }
}

TEST(NumaDomainsTest, NodesWithoutUsableUnitsAreNoTargets) {
  Machine machine = MadeUpMachine(4, 2);
  std::erase_if(machine.units, [](const Unit& unit) { return unit.node == 2; });
  const std::vector<Target> targets = NumaDomains(machine);
  ASSERT_EQ(targets.size(), 3u);
  EXPECT_EQ(targets[2].node(), 3);
}

TEST(NumaDomainsTest, SecondThreadsOfACoreComeLast) {
  Machine machine;
  // Siblings side by side: 0 and 1 share a core, 2 and 3 do.
  for (int cpu = 0; cpu < 4; ++cpu) machine.units.push_back({.cpu = cpu, .core = cpu / 2 * 2});
  EXPECT_EQ(NumaDomains(machine)[0].cpus(), (std::vector<int>{0, 2, 1, 3}));
}

TEST(TargetsOfMachineTest, EachUnitAndWholeMachineNameEveryUnit) {
  const Machine machine = MadeUpMachine(2, 3);
  EXPECT_EQ(EachUnit(machine).size(), 6u);
  EXPECT_EQ(EachUnit(machine)[4].cpus(), std::vector<int>{4});
  EXPECT_EQ(EachUnit(machine)[4].node(), 1);
  ASSERT_EQ(WholeMachine(machine).size(), 1u);
  EXPECT_EQ(WholeMachine(machine)[0].size(), 6);
  EXPECT_EQ(WholeMachine(machine)[0].node(), -1);
}

TEST(TargetsOfMachineTest, MachineWithoutUnitsHasNoTargets) {
  EXPECT_TRUE(NumaDomains({}).empty());
  EXPECT_TRUE(EachUnit({}).empty());
  EXPECT_TRUE(WholeMachine({}).empty());
}

}  // namespace
}  // namespace cairn::parallel
