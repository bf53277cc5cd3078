// SPDX-License-Identifier: Apache-2.0
// Keys and values that are stored, against attend_ref.h, bit for bit.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "kernels/attend_scene.h"

namespace cairn::kernels {
namespace {

void CheckStores(KvFormat format) {
  for (const int head_dim : {16, 64, 80, 512}) {
    for (const std::int64_t first : {0, 1, 15, 16, 37, 63, 64, 100, 127}) {
      for (const int rows : {1, 2, 15, 16, 17, 33, 64, 65, 130}) {
        SCOPED_TRACE(testing::Message() << head_dim << " first " << first << " rows " << rows);
        const int heads = 2, width = heads * head_dim + 3;  // rows that are not aligned
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        std::vector<float> k(rows * width), v(rows * width);
        for (std::vector<float>* values : {&k, &v}) {
          for (float& x : *values)
            x = std::ldexp(normal(random), static_cast<int>(random() % 60) - 32);
          (*values)[2] = -0.0f;
          (*values)[3] = 65519.0f;                // would round to 65504 anyway
          (*values)[4] = 65520.0f;                // would round to infinity
          if (format == KvFormat::kQ8) continue;  // not finite: its bytes are not defined
          (*values)[0] = std::numeric_limits<float>::infinity();
          (*values)[1] = -1e30f;
          (*values)[5] = -std::numeric_limits<float>::infinity();
        }
        const std::size_t bytes = kOffset + KvLayerBytes(format, head_dim, heads);
        const int tile_count = static_cast<int>((first + rows + 63) / 64);
        const auto store = [&](auto&& function) {
          std::vector<std::vector<std::uint16_t>> tiles(
              tile_count, std::vector<std::uint16_t>(bytes / 2, kPoison));
          std::vector<std::byte*> pointers;
          for (auto& t : tiles) pointers.push_back(reinterpret_cast<std::byte*>(t.data()));
          const KvView kv{pointers.data(), kOffset, head_dim, heads, format};
          function(kv, 1, ConstRowsView(k.data(), width), ConstRowsView(v.data(), width), first,
                   rows);
          return tiles;
        };
        const auto want = store(ref::StoreKv);
        for (const Isa isa : AvailableIsas()) {
          ASSERT_TRUE(store(KernelsFor(isa).store_kv) == want) << IsaName(isa);
        }
      }
    }
  }
}

TEST(StoreKvTest, AnyRangeOfPositionsEqualsTheReferenceAndTouchesNothingElse) {
  for (const KvFormat format : kKvFormats) {
    SCOPED_TRACE(static_cast<int>(format));
    CheckStores(format);
    if (HasFatalFailure()) return;
  }
}

TEST(StoreKvTest, NotANumberStaysNotANumber) {
  for (const KvFormat format : kKvFormats) {
    for (const Isa isa : AvailableIsas()) {
      std::vector<float> row(16, 1.0f);
      row[7] = std::numeric_limits<float>::quiet_NaN();
      AlignedBuffer tile = Aligned(KvLayerBytes(format, 16, 1));
      std::byte* tiles[] = {tile.data()};
      const KvView kv{tiles, 0, 16, 1, format};
      KernelsFor(isa).store_kv(kv, 0, {row.data(), 16}, {row.data(), 16}, 5, 1);
      ASSERT_TRUE(std::isnan(ref::Key(kv, 0, 5, 7))) << IsaName(isa);
      ASSERT_TRUE(std::isnan(ref::Value(kv, 0, 5, 7))) << IsaName(isa);
    }
  }
}

}  // namespace
}  // namespace cairn::kernels
