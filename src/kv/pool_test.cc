// SPDX-License-Identifier: Apache-2.0
#include "kv/pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <random>

#include "base/virtual_range.h"
#include "kv/test_sequence.h"

namespace cairn::kv {
namespace {

TEST(KvPoolTest, ABudgetBelowOneTileOfEachGroupIsAnErrorThatNamesBoth) {
  const std::size_t least = KvPool::LeastBudget(TwoGroups());
  const auto pool = KvPool::Create(TwoGroups(), {.budget_bytes = least - 1});
  ASSERT_FALSE(pool);
  EXPECT_EQ(pool.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(pool.error().message.find(std::to_string(least - 1)), std::string::npos);
  EXPECT_NE(pool.error().message.find(std::to_string(least)), std::string::npos);
  EXPECT_TRUE(KvPool::Create(TwoGroups(), {.budget_bytes = least}));
}

TEST(KvPoolTest, AFreedTileKeepsItsMemoryForTheNextTaker) {
  const auto pool = MakePool(TwoGroups(), 100 * KvPool::LeastBudget(TwoGroups()));
  TileRef tile = *pool->Take(0);
  std::byte* const data = tile.data();
  tile = TileRef();
  EXPECT_EQ(pool->use().used, 0u);
  EXPECT_EQ(pool->use().kept, pool->tile_bytes(0));
  EXPECT_EQ(pool->Take(0)->data(), data);
  EXPECT_EQ(pool->use().reserved, pool->tile_bytes(0));
  EXPECT_EQ(pool->use().most_used, pool->tile_bytes(0));
}

TEST(KvPoolTest, AFullPoolIsALimitThatNamesTheBudgetAndTheWayOut) {
  const auto pool = MakePool(TwoGroups(), KvPool::LeastBudget(TwoGroups()));
  const TileRef a = *pool->Take(0), b = *pool->Take(1);
  for (const int group : {0, 1}) {
    EXPECT_EQ(pool->available(group), 0u);
    const auto refused = pool->Take(group);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kLimit);
    EXPECT_NE(refused.error().message.find("--kv-memory"), std::string::npos);
  }
  EXPECT_EQ(pool->use().used, pool->use().budget);
}

TEST(KvPoolTest, FreeTilesOfAnotherGroupGiveTheirMemoryUp) {
  const auto pool = MakePool(TwoGroups(), KvPool::LeastBudget(TwoGroups()));
  { const TileRef a = *pool->Take(0), b = *pool->Take(1); }
  ASSERT_EQ(pool->use().kept, pool->use().budget);
  ASSERT_GT(pool->tile_bytes(0), pool->tile_bytes(1));
  // The larger tile gives way to several of the smaller ones.
  std::vector<TileRef> small;
  while (pool->available(1) > 0) {
    small.push_back(*pool->Take(1));
    std::memset(small.back().data(), 1, pool->tile_bytes(1));
  }
  EXPECT_EQ(small.size(), pool->use().budget / pool->tile_bytes(1));
  EXPECT_LE(pool->use().reserved, pool->use().budget);
  EXPECT_EQ(pool->Take(0).error().code, ErrorCode::kLimit);
  small.clear();
  // And comes back at its old place with fresh memory.
  const TileRef again = *pool->Take(0);
  std::memset(again.data(), 2, pool->tile_bytes(0));
}

TEST(KvPoolTest, NoMemoryIsAnErrorAndChangesNothing) {
  KvLayout layout = TwoGroups();
  layout.tile_bytes[1] = std::numeric_limits<std::size_t>::max() / 4;
  const auto pool = MakePool(layout, std::numeric_limits<std::size_t>::max());
  const auto refused = pool->Take(1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOutOfMemory);
  EXPECT_EQ(pool->use().reserved, 0u);
  EXPECT_TRUE(pool->Take(0));
}

TEST(KvPoolTest, TheReclaimerIsAskedUntilItHasNothingToGive) {
  const auto pool = MakePool(TwoGroups(), 3 * KvPool::LeastBudget(TwoGroups()));
  std::vector<TileRef> held;
  while (pool->available(1) > 0) held.push_back(*pool->Take(1));
  // A tile of group 0 takes several of group 1.
  int asked = 0;
  pool->SetReclaimer([&](int group) {
    EXPECT_EQ(group, 0);
    ++asked;
    if (held.empty()) return false;
    held.pop_back();
    return true;
  });
  ASSERT_TRUE(pool->Take(0));
  const std::size_t free_before =
      pool->use().budget - pool->use().budget / pool->tile_bytes(1) * pool->tile_bytes(1);
  const std::size_t expected =
      (pool->tile_bytes(0) - free_before + pool->tile_bytes(1) - 1) / pool->tile_bytes(1);
  EXPECT_EQ(static_cast<std::size_t>(asked), expected);
}

TEST(KvPoolTest, AReclaimerThatFreesNothingEndsInALimit) {
  const auto pool = MakePool(TwoGroups(), KvPool::LeastBudget(TwoGroups()));
  const TileRef a = *pool->Take(0), b = *pool->Take(1);
  pool->SetReclaimer([](int) { return true; });  // says so, and does not
  EXPECT_EQ(pool->Take(0).error().code, ErrorCode::kLimit);
  pool->SetReclaimer({});
}

TEST(KvPoolTest, HoldersDecideWhatIsSharedAndWritable) {
  const auto pool = MakePool(TwoGroups(), 100 * KvPool::LeastBudget(TwoGroups()));
  TileRef a = *pool->Take(0);
  EXPECT_TRUE(a.writable());
  TileRef b = a, c = b;
  EXPECT_FALSE(a.writable());
  EXPECT_TRUE(c.shared());
  EXPECT_EQ(pool->use().shared, pool->tile_bytes(0));
  EXPECT_EQ(pool->use().used, pool->tile_bytes(0));
  b = TileRef();
  EXPECT_EQ(pool->use().shared, pool->tile_bytes(0));
  c = std::move(a);
  EXPECT_EQ(pool->use().shared, 0u);
  EXPECT_TRUE(c.writable());
  c.set_published(true);
  EXPECT_FALSE(c.writable());
  c = TileRef();
  EXPECT_TRUE(pool->Take(0)->writable());  // the next taker of the same tile
}

std::size_t ResidentBytes() {
  std::size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * VirtualRange::page_bytes();
}

// What the system counts, not what the pool says.
TEST(KvPoolTest, ResidentMemoryFollowsTheBudgetWhicheverGroupHasIt) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "a sanitizer's own memory is resident too";
#endif
  KvLayout layout = TwoGroups();
  layout.tile_bytes = {(std::size_t{1} << 20) + 4096, std::size_t{300} << 10};
  for (const std::size_t budget : {std::size_t{48} << 20, std::size_t{220} << 20}) {
    const auto pool = MakePool(layout, budget);
    const std::size_t before = ResidentBytes();
    for (const int group : {0, 1, 0, 1}) {
      std::vector<TileRef> held;
      while (pool->available(group) > 0) {
        held.push_back(*pool->Take(group));
        std::memset(held.back().data(), 3, pool->tile_bytes(group));
      }
      const auto grown = static_cast<double>(ResidentBytes() - before);
      EXPECT_LE(grown, 1.02 * static_cast<double>(budget)) << "group " << group;
      EXPECT_GE(grown, 0.95 * static_cast<double>(budget)) << "group " << group;
    }
  }
}

// Random takes, copies and drops beside a plain recount of everything.
TEST(KvPoolTest, CountsFollowARecountAndNeverExceedTheBudget) {
  for (std::uint32_t seed = 1; seed <= 4; ++seed) {
    std::mt19937 random(seed);
    const std::size_t budget = KvPool::LeastBudget(TwoGroups()) * (3 + 7 * seed) + seed;
    const auto pool = MakePool(TwoGroups(), budget);
    std::vector<TileRef> held;
    std::vector<int> group_of;
    std::size_t most = 0;
    int refused = 0;
    for (int step = 0; step < 4000; ++step) {
      const bool growing = step / 500 % 2 == 0;
      if (held.empty() || random() % 10 < (growing ? 7 : 3)) {
        if (!held.empty() && random() % 4 == 0) {
          const std::size_t from = random() % held.size();
          held.push_back(held[from]);
          group_of.push_back(group_of[from]);
        } else {
          const int group = static_cast<int>(random() % 2);
          const std::size_t can = pool->available(group);
          auto tile = pool->Take(group);
          ASSERT_EQ(tile.has_value(), can > 0) << "seed " << seed << " step " << step;
          if (!tile) {
            ++refused;
            continue;
          }
          std::memset(tile->data(), 7, pool->tile_bytes(group));
          held.push_back(std::move(*tile));
          group_of.push_back(group);
        }
      } else {
        const std::size_t at = random() % held.size();
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(at));
        group_of.erase(group_of.begin() + static_cast<std::ptrdiff_t>(at));
      }
      std::map<std::byte*, std::pair<int, int>> holders;  // group and count by tile
      for (std::size_t i = 0; i < held.size(); ++i) {
        holders[held[i].data()].first = group_of[i];
        ++holders[held[i].data()].second;
      }
      std::size_t used = 0, shared = 0;
      for (const auto& [data, tile] : holders) {
        used += pool->tile_bytes(tile.first);
        if (tile.second > 1) shared += pool->tile_bytes(tile.first);
      }
      most = std::max(most, used);
      const KvUse use = pool->use();
      ASSERT_EQ(use.used, used) << "seed " << seed << " step " << step;
      ASSERT_EQ(use.shared, shared) << "seed " << seed << " step " << step;
      ASSERT_EQ(use.used + use.kept, use.reserved);
      ASSERT_LE(use.reserved, budget);
      ASSERT_EQ(use.most_used, most);
    }
    EXPECT_GT(refused, 0) << seed;
  }
}

}  // namespace
}  // namespace cairn::kv
