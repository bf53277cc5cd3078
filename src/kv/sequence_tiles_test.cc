// SPDX-License-Identifier: Apache-2.0
#include "kv/sequence_tiles.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "base/virtual_range.h"
#include "kv/test_sequence.h"

namespace cairn::kv {
namespace {

TEST(SequenceTilesTest, GrowTakesATileWhereOneBegins) {
  const auto pool = MakePoolOf(TwoGroups(), 10);
  SequenceTiles tiles(*pool);
  const std::size_t both = pool->tile_bytes(0) + pool->tile_bytes(1);
  std::int64_t before = 0;
  for (const std::int64_t size : {std::int64_t{1}, kTile, kTile + 1, 5 * kTile}) {
    ASSERT_TRUE(tiles.Grow(before, size));
    EXPECT_EQ(tiles.tile_count(), (size + kTile - 1) / kTile);
    EXPECT_EQ(pool->use().used, static_cast<std::size_t>(tiles.tile_count()) * both) << size;
    before = size;
  }
  std::set<std::byte*> distinct;
  for (int group = 0; group < 2; ++group) {
    distinct.insert(tiles.tiles(group), tiles.tiles(group) + 5);
  }
  EXPECT_EQ(distinct.size(), 10u);
}

TEST(SequenceTilesTest, TilesThatShrinkGaveBackAreTakenAgain) {
  const auto pool = MakePoolOf(TwoGroups(), 10);
  SequenceTiles a(*pool);
  ASSERT_TRUE(a.Grow(0, 3 * kTile));
  std::byte* const kept = a.tiles(0)[0];
  a.Shrink(kTile);
  EXPECT_EQ(a.tiles(0)[0], kept);
  const std::size_t reserved = pool->use().reserved;
  {
    SequenceTiles b(*pool);
    ASSERT_TRUE(b.Grow(0, 2 * kTile));
    EXPECT_NE(b.tiles(0)[0], kept);
  }
  ASSERT_TRUE(a.Grow(kTile, 3 * kTile));
  EXPECT_EQ(pool->use().reserved, reserved);
}

TEST(SequenceTilesTest, GrowThatFailsReachesNoFurtherThanBefore) {
  // Room for three tiles of each group and one more of the second.
  const std::size_t budget = 3 * KvPool::LeastBudget(TwoGroups()) + VirtualRange::page_bytes();
  const auto pool = MakePool(TwoGroups(), budget);
  TestSequence sequence(*pool);
  ASSERT_TRUE(sequence.Append(Words(kTile + 5, 1)));
  const std::size_t used = pool->use().used;
  const auto grown = sequence.tiles().Grow(sequence.size(), 5 * kTile);
  ASSERT_FALSE(grown);
  EXPECT_EQ(grown.error().code, ErrorCode::kLimit);
  EXPECT_EQ(sequence.tiles().tile_count(), 2);
  EXPECT_EQ(pool->use().used, used);
  EXPECT_TRUE(sequence.Holds());
  EXPECT_TRUE(sequence.tiles().Grow(sequence.size(), 3 * kTile));
}

TEST(SequenceTilesTest, NoMemoryInOneGroupChangesNothing) {
  KvLayout layout = TwoGroups();
  layout.tile_bytes[1] = std::numeric_limits<std::size_t>::max() / 4;
  const auto pool = MakePool(layout, std::numeric_limits<std::size_t>::max());
  SequenceTiles tiles(*pool);
  const auto grown = tiles.Grow(0, 2 * kTile);
  ASSERT_FALSE(grown);
  EXPECT_EQ(grown.error().code, ErrorCode::kOutOfMemory);
  EXPECT_EQ(pool->use().used, 0u);
  EXPECT_EQ(tiles.tile_count(), 0);
}

TEST(SequenceTilesTest, AForkSharesUntilOneOfThemWrites) {
  const auto pool = MakePoolOf(TwoGroups(), 20);
  for (const std::int64_t at : {kTile - 1, kTile, kTile + 1, 2 * kTile + 30}) {
    TestSequence a(*pool), b(*pool);
    ASSERT_TRUE(a.Append(Words(2 * kTile + 30, 1)));
    const std::size_t alone = pool->use().used;
    b.ForkFrom(a, at);
    EXPECT_EQ(pool->use().used, alone);
    const std::size_t both = pool->tile_bytes(0) + pool->tile_bytes(1);
    EXPECT_EQ(pool->use().shared, static_cast<std::size_t>((at + kTile - 1) / kTile) * both) << at;
    ASSERT_TRUE(b.Append(Words(3, 2)));
    // The full tiles before stay shared.
    EXPECT_EQ(pool->use().shared, static_cast<std::size_t>(at / kTile) * both) << at;
    ASSERT_TRUE(a.Append(Words(7, 3)));
    EXPECT_TRUE(a.Holds()) << at;
    EXPECT_TRUE(b.Holds()) << at;
  }
  EXPECT_EQ(pool->use().used, 0u);
}

TEST(SequenceTilesTest, ForksOfForksKeepTheirOwnEnds) {
  const auto pool = MakePoolOf(TwoGroups(), 40);
  std::vector<TestSequence> family;
  family.emplace_back(*pool);
  ASSERT_TRUE(family[0].Append(Words(100, 1)));
  for (std::uint32_t i = 1; i < 12; ++i) {
    TestSequence child(*pool);
    child.ForkFrom(family[i / 2], family[i / 2].size() - i);
    ASSERT_TRUE(child.Append(Words(i + 3, i)));
    family.push_back(std::move(child));
  }
  for (const TestSequence& sequence : family) EXPECT_TRUE(sequence.Holds());
}

TEST(SequenceTilesTest, RollingBackAndRewritingDoesNotTouchAPublishedTile) {
  const auto pool = MakePoolOf(TwoGroups(), 20);
  TestSequence a(*pool);
  ASSERT_TRUE(a.Append(Words(2 * kTile, 1)));
  // What the prefix cache does: holds a tile and says that it is published.
  TileRef kept = a.tiles().tile(0, 1);
  kept.set_published(true);
  const std::vector<std::byte> before(kept.data(), kept.data() + pool->layout().tile_bytes[0]);
  for (const std::int64_t back : {2 * kTile - 1, kTile + 10, kTile}) {
    a.Truncate(back);
    ASSERT_TRUE(a.Append(Words(2 * kTile - back, 9)));
    EXPECT_TRUE(a.Holds());
    EXPECT_NE(a.tiles().tiles(0)[1], kept.data());
    EXPECT_EQ(std::memcmp(before.data(), kept.data(), before.size()), 0) << back;
    a.tiles().SetTile(0, 1, kept);
    std::vector<std::int32_t> text = Words(2 * kTile, 1);
    a.Truncate(kTile);
    ASSERT_TRUE(a.Append(std::span(text).subspan(kTile)));
    a.tiles().SetTile(0, 1, kept);
    ASSERT_TRUE(a.Holds());
  }
}

TEST(SequenceTilesTest, ATileThatIsMineAloneIsNotCopied) {
  const auto pool = MakePoolOf(TwoGroups(), 20);
  TestSequence a(*pool);
  ASSERT_TRUE(a.Append(Words(10, 1)));
  std::byte* const data = a.tiles().tiles(0)[0];
  ASSERT_TRUE(a.Append(Words(10, 2)));
  EXPECT_EQ(a.tiles().tiles(0)[0], data);
}

// Beside a recount by positions: a tile goes when no position of it is seen from `next` on.
TEST(SequenceTilesTest, ReleaseGivesBackExactlyWhatNoLaterPositionSees) {
  for (const int window : {1, 2, 63, 64, 65, 100, 128, 129, 300}) {
    const auto pool = MakePoolOf(TwoGroups(window), 20);
    for (std::int64_t next = 0; next <= 6 * kTile; next += next % 61 == 0 ? 1 : 7) {
      TestSequence a(*pool);
      ASSERT_TRUE(a.Append(Words(6 * kTile, 1)));
      a.tiles().Release(next);
      for (std::int64_t tile = 0; tile < 6; ++tile) {
        bool seen = false;
        for (std::int64_t p = tile * kTile; p < (tile + 1) * kTile; ++p) {
          seen = seen || p >= next || next - p < window;
        }
        EXPECT_EQ(a.tiles().tiles(1)[tile] != nullptr, seen)
            << "window " << window << " next " << next << " tile " << tile;
        EXPECT_NE(a.tiles().tiles(0)[tile], nullptr);
      }
      // The sizes from which it can go on.
      for (std::int64_t size = 1; size <= 6 * kTile; size += 13) {
        bool usable = size % kTile == 0 || a.tiles().tiles(1)[size / kTile] != nullptr;
        for (std::int64_t p = std::max<std::int64_t>(0, size - window + 1); p < size; ++p) {
          usable = usable && a.tiles().tiles(1)[p / kTile] != nullptr;
        }
        EXPECT_EQ(a.tiles().UsableSize(size), usable ? size : 0)
            << "window " << window << " next " << next << " size " << size;
      }
      EXPECT_EQ(a.tiles().UsableSize(0), 0);
    }
  }
}

TEST(SequenceTilesTest, ASequenceGoesOnAfterReleaseAndRoundTheWindow) {
  const auto pool = MakePoolOf(TwoGroups(), 9);
  TestSequence a(*pool);
  // Far more positions than tiles of the windowed group could hold at once.
  std::size_t most = 0;
  while (a.size() < 8 * kTile) {
    ASSERT_TRUE(a.Append(Words(17, static_cast<std::uint32_t>(a.size()))));
    a.tiles().Release(a.size());
    ASSERT_TRUE(a.Holds()) << a.size();
    most = std::max(most, pool->use().used - static_cast<std::size_t>(a.tiles().tile_count()) *
                                                 pool->tile_bytes(0));
  }
  EXPECT_LE(most, 4 * pool->tile_bytes(1));
  // A fork of it begins with the same hole; beginning anew is always possible.
  TestSequence b(*pool);
  b.ForkFrom(a, a.size() - 1);
  EXPECT_TRUE(b.Holds());
  EXPECT_EQ(b.tiles().UsableSize(kTile), 0);
  b.Truncate(0);
  ASSERT_TRUE(b.Append(Words(10, 4)));
  EXPECT_TRUE(b.Holds());
}

TEST(SequenceTilesTest, AMovedSequenceKeepsItsTiles) {
  const auto pool = MakePoolOf(TwoGroups(), 6);
  TestSequence a(*pool);
  ASSERT_TRUE(a.Append(Words(100, 1)));
  TestSequence b = std::move(a);
  EXPECT_TRUE(b.Holds());
  const std::size_t used = pool->use().used;
  b = TestSequence(*pool);
  EXPECT_EQ(pool->use().used, 0u);
  EXPECT_GT(used, 0u);
}

}  // namespace
}  // namespace cairn::kv
