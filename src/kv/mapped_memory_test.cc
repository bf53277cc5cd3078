// SPDX-License-Identifier: Apache-2.0
#include "kv/mapped_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "base/virtual_range.h"
#include "kv/test_sequence.h"

namespace cairn::kv {
namespace {

std::unique_ptr<KvPool> MakeMapped(std::size_t tiles) {
  return MakePoolOf(TwoGroups(), tiles, KvBackend::kMapped);
}

TEST(MappedMemoryTest, TilesOfASequenceLieOneAfterTheOther) {
  const auto pool = MakeMapped(40);
  TestSequence a(*pool), b(*pool);
  // Taken in turns, so that in an arena they would not.
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(a.Append(Words(kTile, static_cast<std::uint32_t>(i))));
    ASSERT_TRUE(b.Append(Words(kTile, static_cast<std::uint32_t>(i + 50))));
  }
  for (TestSequence* sequence : {&a, &b}) {
    EXPECT_TRUE(sequence->Holds());
    for (int g = 0; g < 2; ++g) {
      std::byte* const* tiles = sequence->tiles().tiles(g);
      for (int i = 1; i < 5; ++i) EXPECT_EQ(tiles[i], tiles[0] + i * pool->tile_bytes(g));
    }
  }
}

TEST(MappedMemoryTest, AForkSeesTheSameBytesAtItsOwnAddressesUntilItWrites) {
  const auto pool = MakeMapped(40);
  TestSequence a(*pool), b(*pool);
  ASSERT_TRUE(a.Append(Words(100, 1)));
  const std::size_t used = pool->use().used;
  b.ForkFrom(a, 90);
  EXPECT_EQ(pool->use().used, used);
  EXPECT_NE(a.tiles().tiles(0)[0], b.tiles().tiles(0)[0]);
  EXPECT_TRUE(b.Holds());
  ASSERT_TRUE(b.Append(Words(20, 2)));
  ASSERT_TRUE(a.Append(Words(20, 3)));
  EXPECT_TRUE(a.Holds());
  EXPECT_TRUE(b.Holds());
}

TEST(MappedMemoryTest, TheNextSequenceFindsItsTilesMapped) {
  const auto pool = MakeMapped(40);
  {
    TestSequence a(*pool);
    ASSERT_TRUE(a.Append(Words(4 * kTile, 1)));
  }
  const MappingCounts before = pool->mapped()->counts();
  TestSequence b(*pool);
  ASSERT_TRUE(b.Append(Words(kTile, 2)));  // the first tile of each group tells which slot it is
  ASSERT_TRUE(b.Append(Words(3 * kTile, 3)));
  EXPECT_TRUE(b.Holds());
  const MappingCounts after = pool->mapped()->counts();
  EXPECT_EQ(after.slots, 1);
  EXPECT_GE(after.found - before.found, 6);
  EXPECT_LE(after.maps - before.maps, 2);
}

TEST(MappedMemoryTest, TheTileThatIsNeededNextIsMappedWhileAStepRuns) {
  const auto pool = MakeMapped(200);
  TestSequence a(*pool);
  ASSERT_TRUE(a.Append(Words(10, 1)));
  const MappingCounts before = pool->mapped()->counts();
  while (a.size() < 10 * kTile) {
    ASSERT_TRUE(a.Append(Words(1, static_cast<std::uint32_t>(a.size()))));
  }
  EXPECT_TRUE(a.Holds());
  const MappingCounts after = pool->mapped()->counts();
  EXPECT_EQ(after.maps, before.maps);
  EXPECT_GE(after.maps_ahead - before.maps_ahead, 2 * 9);
}

TEST(MappedMemoryTest, ASequenceBeyondItsRangeIsALimit) {
  const auto pool = MakeMapped(200);  // ranges of 4,096 positions
  TestSequence a(*pool);
  ASSERT_TRUE(a.Append(Words(4096, 1)));
  const auto grown = a.Append(Words(1, 2));
  ASSERT_FALSE(grown);
  EXPECT_EQ(grown.error().code, ErrorCode::kLimit);
  EXPECT_EQ(a.tiles().tile_count(), 64);
  EXPECT_TRUE(a.Holds());
}

std::size_t SharedResidentBytes() {
  std::size_t total = 0, resident = 0, shared = 0;
  std::ifstream("/proc/self/statm") >> total >> resident >> shared;
  return shared * VirtualRange::page_bytes();
}

TEST(MappedMemoryTest, MemoryThatIsGivenUpGoesBackToTheSystem) {
  KvLayout layout = TwoGroups();
  layout.tile_bytes = {std::size_t{1} << 20, std::size_t{256} << 10};
  const std::size_t budget = std::size_t{24} << 20;
  const auto pool = MakePool(layout, budget, KvBackend::kMapped);
  const std::size_t before = SharedResidentBytes();
  for (const int group : {0, 1, 0}) {
    const std::size_t count = pool->available(group);
    SequenceTiles tiles(*pool);
    for (std::size_t i = 0; i < count && i < 64; ++i) {
      const int other = 1 - group;
      tiles.SetTile(other, static_cast<std::int64_t>(i), TileRef());
      tiles.SetTile(group, static_cast<std::int64_t>(i), *pool->Take(group));
      std::memset(tiles.tiles(group)[i], 5, pool->tile_bytes(group));
    }
    EXPECT_LE(static_cast<double>(SharedResidentBytes() - before),
              1.02 * static_cast<double>(budget));
    EXPECT_LE(pool->use().reserved, budget);
  }
}

}  // namespace
}  // namespace cairn::kv
