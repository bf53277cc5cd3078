// SPDX-License-Identifier: Apache-2.0
// Formats of keys and values without kernels: names, and positions that are cleared.
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/kernels.h"

namespace cairn::kernels {
namespace {

constexpr KvFormat kFormats[] = {KvFormat::kF32, KvFormat::kF16, KvFormat::kQ8};

TEST(KvFormatTest, EveryNameIsReadBack) {
  for (const KvFormat format : kFormats) EXPECT_EQ(KvFormatOfName(KvFormatName(format)), format);
  EXPECT_FALSE(KvFormatOfName("q4"));
}

// A layer behind another thing in a tile, with `rows` positions stored by the portable kernel.
std::vector<std::byte> Stored(KvFormat format, int head_dim, int heads, int rows,
                              const std::vector<float>& values) {
  constexpr std::size_t kOffset = 192;
  const std::size_t bytes = kOffset + KvLayerBytes(format, head_dim, heads);
  auto tile = AlignedBuffer::Allocate(bytes);
  EXPECT_TRUE(tile);
  std::fill_n(tile->data(), bytes, std::byte{0});
  std::byte* tiles[] = {tile->data()};
  const KvView kv{tiles, kOffset, head_dim, heads, format};
  const ConstRowsView rows_of(values.data(), heads * head_dim);
  for (int h = 0; h < heads; ++h) {
    KernelsFor(Isa::kPortable).store_kv(kv, h, rows_of, rows_of, 0, rows);
  }
  return {tile->data() + kOffset, tile->data() + bytes};
}

TEST(KvFormatTest, ClearedPositionsAreAsIfNothingHadBeenStoredThere) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (const KvFormat format : kFormats) {
    for (const int head_dim : {16, 64, 80}) {
      std::vector<float> values(static_cast<std::size_t>(kTilePositions * 2 * head_dim));
      for (float& x : values) x = normal(random);
      const auto full = Stored(format, head_dim, 2, kTilePositions, values);
      for (const int first : {0, 1, 3, 4, 31, 62, 63, 64}) {
        auto cleared = full;
        ClearPositions(format, head_dim, 2, first, cleared.data());
        EXPECT_TRUE(cleared == Stored(format, head_dim, 2, first, values))
            << KvFormatName(format) << ", heads of " << head_dim << ", from " << first;
      }
    }
  }
}

}  // namespace
}  // namespace cairn::kernels
