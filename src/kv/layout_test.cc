// SPDX-License-Identifier: Apache-2.0
#include "kv/layout.h"

#include <gtest/gtest.h>

#include "kv/test_sequence.h"

namespace cairn::kv {
namespace {

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

}  // namespace
}  // namespace cairn::kv
