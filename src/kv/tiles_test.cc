// SPDX-License-Identifier: Apache-2.0
#include "kv/tiles.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "kernels/kernels.h"

namespace cairn::kv {
namespace {

constexpr int kTile = kernels::kTilePositions;

// A layer that sees everything, one with a window, and one more of the first kind.
KvLayout TwoGroups() {
  return LayOut({{.heads = 2, .head_dim = 16, .window = 0},
                 {.heads = 1, .head_dim = 32, .window = 100},
                 {.heads = 3, .head_dim = 16, .window = 0}},
                kernels::KvFormat::kF16);
}

TEST(KvLayoutTest, LayersOfOneWindowShareATileOneAfterTheOther) {
  const KvLayout layout = TwoGroups();
  ASSERT_EQ(layout.groups(), 2);
  EXPECT_EQ(layout.windows, (std::vector<int>{0, 100}));
  EXPECT_EQ(layout.layers[0].group, 0);
  EXPECT_EQ(layout.layers[1].group, 1);
  EXPECT_EQ(layout.layers[2].group, 0);
  // A position of a head: a key and a value of f16.
  EXPECT_EQ(layout.layers[2].offset, 2u * kTile * 16 * 2 * 2);
  EXPECT_EQ(layout.tile_bytes[0], 5u * kTile * 16 * 2 * 2);
  EXPECT_EQ(layout.tile_bytes[1], 1u * kTile * 32 * 2 * 2);
  EXPECT_EQ(layout.bytes_per_token(), (5u * 16 + 32) * 2 * 2);
}

TEST(SequenceTilesTest, GrowTakesATileWhereOneBegins) {
  KvMemory memory(TwoGroups());
  SequenceTiles tiles(memory);
  const std::size_t both = memory.layout().tile_bytes[0] + memory.layout().tile_bytes[1];
  for (const auto& [size, count] : {std::pair(1, 1), {kTile, 1}, {kTile + 1, 2}, {5 * kTile, 5}}) {
    ASSERT_TRUE(tiles.Grow(size));
    EXPECT_EQ(memory.reserved_bytes(), static_cast<std::size_t>(count) * both) << size;
  }
  std::set<std::byte*> distinct;
  for (int group = 0; group < 2; ++group)
    distinct.insert(tiles.tiles(group), tiles.tiles(group) + 5);
  EXPECT_EQ(distinct.size(), 10u);
}

TEST(SequenceTilesTest, TilesThatShrinkGaveBackAreTakenAgain) {
  KvMemory memory(TwoGroups());
  SequenceTiles a(memory);
  ASSERT_TRUE(a.Grow(3 * kTile));
  std::byte* const kept = a.tiles(0)[0];
  a.Shrink(kTile);
  EXPECT_EQ(a.tiles(0)[0], kept);
  const std::size_t reserved = memory.reserved_bytes();
  {
    SequenceTiles b(memory);
    ASSERT_TRUE(b.Grow(2 * kTile));
    EXPECT_NE(b.tiles(0)[0], kept);
  }
  ASSERT_TRUE(a.Grow(3 * kTile));
  EXPECT_EQ(memory.reserved_bytes(), reserved);
}

TEST(SequenceTilesTest, GrowThatFailsInOneGroupChangesNothing) {
  KvLayout layout = TwoGroups();
  layout.tile_bytes[1] = std::numeric_limits<std::size_t>::max() / 4;
  KvMemory memory(layout);
  SequenceTiles tiles(memory);
  const auto grown = tiles.Grow(2 * kTile);
  ASSERT_FALSE(grown);
  EXPECT_EQ(grown.error().code, ErrorCode::kOutOfMemory);
  // Both tiles of the first group are free again: taking two makes no third.
  ASSERT_TRUE(memory.pool(0).Take());
  ASSERT_TRUE(memory.pool(0).Take());
  EXPECT_EQ(memory.pool(0).reserved_bytes(), 2 * layout.tile_bytes[0]);
}

}  // namespace
}  // namespace cairn::kv
