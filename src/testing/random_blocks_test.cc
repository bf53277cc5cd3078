// SPDX-License-Identifier: Apache-2.0
#include "testing/random_blocks.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tensor/dequantise.h"

namespace cairn::testing {
namespace {

TEST(RandomBlocksTest, ValuesOfEveryFormatHaveTheSpreadAskedFor) {
  for (const tensor::FormatTraits& traits : tensor::kFormats) {
    if (!traits.has_matmul) continue;
    for (const double spread : {0.02, 1.0}) {
      const auto stored = RandomBlocks(traits.format, 8192, 5, spread);
      std::vector<float> values(8192);
      ASSERT_TRUE(tensor::Dequantise(traits.format, stored, values));
      double sum = 0, squares = 0;
      for (const float value : values) {
        ASSERT_TRUE(std::isfinite(value)) << traits.name;
        sum += value;
        squares += static_cast<double>(value) * value;
      }
      EXPECT_NEAR(sum / 8192, 0, 0.15 * spread) << traits.name;
      EXPECT_NEAR(std::sqrt(squares / 8192) / spread, 1.0, 0.25) << traits.name;
    }
  }
}

TEST(RandomBlocksTest, EqualSeedsGiveEqualBytesAndOthersDoNot) {
  for (const tensor::FormatTraits& traits : tensor::kFormats) {
    if (!traits.has_matmul) continue;
    const auto a = RandomBlocks(traits.format, 256, 1);
    EXPECT_EQ(a, RandomBlocks(traits.format, 256, 1));
    EXPECT_NE(a, RandomBlocks(traits.format, 256, 2));
    EXPECT_EQ(a.size(), tensor::RowBytes(traits.format, 256));
  }
}

TEST(RandomBlocksTest, StoredFloatsComeBackRounded) {
  const float values[] = {1.0f, -2.5f, 1e-3f};
  for (const auto format : {tensor::Format::kF32, tensor::Format::kF16, tensor::Format::kBF16}) {
    std::vector<float> back(3);
    ASSERT_TRUE(tensor::Dequantise(format, StoreFloats(format, values), back));
    EXPECT_EQ(back[0], 1.0f);
    EXPECT_EQ(back[1], -2.5f);
    EXPECT_NEAR(back[2], 1e-3f, 1e-5f);
  }
}

}  // namespace
}  // namespace cairn::testing
