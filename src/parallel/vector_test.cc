// SPDX-License-Identifier: Apache-2.0
#include "parallel/vector.h"

#include <gtest/gtest.h>

#include <set>
#include <stdexcept>
#include <string>
#include <thread>

namespace cairn::parallel {
namespace {

std::unique_ptr<Executor> MadeUp(int nodes, int units) {
  return std::move(*Executor::Create(NumaDomains(MadeUpMachine(nodes, units)), {.pin = false}));
}

// Counts lives by address; throws when element `fatal` of the block is constructed.
struct Census {
  std::atomic<int> constructed{0}, destroyed{0};
  std::atomic<int> wrong{0};  // lives begun twice or ended twice
  std::vector<std::atomic<int>> alive = std::vector<std::atomic<int>>(10'000);
  std::set<int> fatal;
};
Census* census = nullptr;

struct Life {
  explicit Life(const Life* first) : index(this - first) {
    if (census->fatal.contains(static_cast<int>(index))) throw std::runtime_error("fatal");
    ++census->constructed;
    if (census->alive[static_cast<std::size_t>(index)]++ != 0) ++census->wrong;
  }
  ~Life() {
    ++census->destroyed;
    if (census->alive[static_cast<std::size_t>(index)]-- != 1) ++census->wrong;
  }
  std::ptrdiff_t index;
};

class LifetimeTest : public ::testing::Test {
 protected:
  LifetimeTest() { census = &census_; }
  Census census_;
};

// A destruction that rounds the number of its tasks down forgets the tail.
TEST_F(LifetimeTest, EveryElementIsConstructedAndDestroyedOnce) {
  const auto executor = MadeUp(2, 2);
  const BlockAllocator<Life> allocator(*executor);
  for (const std::size_t n : {0, 1, 3, 4, 5, 97, 1000, 1023, 1025}) {
    Census fresh;
    census = &fresh;
    auto block = allocator.Allocate(n);
    ASSERT_TRUE(block.has_value());
    auto* lives = reinterpret_cast<Life*>(block->data());
    allocator.BulkConstruct(lives, n, static_cast<const Life*>(lives));
    EXPECT_EQ(fresh.constructed, static_cast<int>(n));
    EXPECT_EQ(fresh.destroyed, 0);
    allocator.BulkDestroy(lives, n);
    EXPECT_EQ(fresh.destroyed, static_cast<int>(n));
    EXPECT_EQ(fresh.wrong, 0);
  }
}

class ThrowingConstructorTest : public LifetimeTest,
                                public ::testing::WithParamInterface<std::vector<int>> {};

TEST_P(ThrowingConstructorTest, WhatWasConstructedIsDestroyedOnce) {
  for (const int workers : {1, 2, 4}) {
    Census fresh;
    fresh.fatal.insert(GetParam().begin(), GetParam().end());
    census = &fresh;
    const auto executor = MadeUp(1, workers);
    const BlockAllocator<Life> allocator(*executor);
    auto block = allocator.Allocate(1000);
    ASSERT_TRUE(block.has_value());
    auto* lives = reinterpret_cast<Life*>(block->data());
    EXPECT_THROW(allocator.BulkConstruct(lives, 1000, static_cast<const Life*>(lives)),
                 ExceptionList);
    EXPECT_EQ(fresh.constructed, fresh.destroyed);
    EXPECT_EQ(fresh.wrong, 0);
    for (const auto& life : fresh.alive) EXPECT_EQ(life, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Where, ThrowingConstructorTest,
                         ::testing::Values(std::vector<int>{0}, std::vector<int>{999},
                                           std::vector<int>{500}, std::vector<int>{249, 250},
                                           std::vector<int>{10, 300, 600, 900}));

TEST(VectorTest, ElementsAreConstructedFromTheArguments) {
  const auto executor = MadeUp(2, 1);
  const auto vector = Vector<std::string>::Create(BlockAllocator<std::string>(*executor), 301,
                                                  std::size_t{40}, 'x');
  ASSERT_TRUE(vector.has_value());
  ASSERT_EQ(vector->size(), 301u);
  for (const std::string& text : *vector) EXPECT_EQ(text, std::string(40, 'x'));
}

TEST(VectorTest, WithoutArgumentsElementsAreValueInitialised) {
  const auto executor = MadeUp(2, 1);
  const auto vector = Vector<double>::Create(BlockAllocator<double>(*executor), 1000);
  ASSERT_TRUE(vector.has_value());
  for (const double value : *vector) EXPECT_EQ(value, 0);
}

TEST(VectorTest, EmptyVectorHasNoElements) {
  const auto executor = MadeUp(2, 1);
  const auto vector = Vector<std::string>::Create(BlockAllocator<std::string>(*executor), 0);
  ASSERT_TRUE(vector.has_value());
  EXPECT_TRUE(vector->empty());
  EXPECT_EQ(vector->begin(), vector->end());
}

TEST(VectorTest, OneElementOnMoreTargetsThanThat) {
  const auto executor = MadeUp(4, 2);
  const auto vector = Vector<std::string>::Create(BlockAllocator<std::string>(*executor), 1, "one");
  ASSERT_TRUE(vector.has_value());
  EXPECT_EQ((*vector)[0], "one");
}

TEST(VectorTest, SizeThatFitsNoMachineIsAnError) {
  const auto executor = MadeUp(1, 2);
  for (const std::size_t n : {~std::size_t{0}, ~std::size_t{0} / 8, std::size_t{1} << 60}) {
    const auto vector = Vector<double>::Untouched(BlockAllocator<double>(*executor), n);
    ASSERT_FALSE(vector.has_value());
    EXPECT_EQ(vector.error().code, ErrorCode::kOutOfMemory);
  }
}

TEST(VectorTest, MovingTakesElementsAndBindingAlong) {
  const auto executor = MadeUp(2, 1);
  const auto other = MadeUp(1, 3);
  auto a = *Vector<std::string>::Create(BlockAllocator<std::string>(*executor), 10, "a");
  const std::string* data = a.data();
  Vector<std::string> b(std::move(a));
  EXPECT_EQ(b.data(), data);
  EXPECT_TRUE(a.empty());  // NOLINT(bugprone-use-after-move): promised
  auto c = *Vector<std::string>::Create(BlockAllocator<std::string>(*other), 3, "c");
  c = std::move(b);
  EXPECT_EQ(c.data(), data);
  EXPECT_EQ(&c.allocator().executor(), executor.get());
  EXPECT_EQ(c.allocator().targets().size(), 2u);
}

TEST(VectorTest, CreatedInsideARegionIsWhole) {
  const auto executor = MadeUp(1, 2);
  std::atomic<int> right{0};
  executor->Bulk(2, StaticChunk{}, [&](std::int64_t, std::int64_t, int) {
    const auto vector =
        Vector<std::string>::Create(BlockAllocator<std::string>(*executor), 100, "in");
    if (vector && (*vector)[99] == "in") ++right;
  });
  EXPECT_EQ(right, 2);
}

}  // namespace
}  // namespace cairn::parallel
