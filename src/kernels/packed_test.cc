// SPDX-License-Identifier: Apache-2.0
#include "kernels/packed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "tensor/dequantise.h"
#include "testing/random_blocks.h"

namespace cairn::kernels {
namespace {

using tensor::Format;

class PackedTest : public ::testing::TestWithParam<tensor::FormatTraits> {
 protected:
  const Format format = GetParam().format;
  const int cols = std::max(96, 2 * GetParam().block_values);
  const std::size_t group_bytes = PackedGroupBytes(format, cols);

  std::vector<std::byte> Stored(int rows) const {
    return testing::RandomBlocks(format, static_cast<std::size_t>(rows) * cols, 21);
  }
  std::vector<std::byte> Pack(std::span<const std::byte> stored, int groups) const {
    std::vector<std::byte> packed(groups * group_bytes, std::byte{0xff});
    EXPECT_TRUE(PackGroups(format, cols, stored, groups, packed).has_value());
    return packed;
  }
};

TEST_P(PackedTest, SlicesEqualTheWhole) {
  constexpr int kRows = 16 * 4 + 5, kGroups = 5;
  const std::vector<std::byte> stored = Stored(kRows);
  const std::vector<std::byte> whole = Pack(stored, kGroups);
  const std::size_t row = tensor::RowBytes(format, cols);
  for (int step = 1; step < kGroups; ++step) {
    for (int begin = 0; begin < kGroups; begin += step) {
      const int end = std::min(kGroups, begin + step);
      const int rows = std::min(kRows, end * 16) - begin * 16;
      const std::vector<std::byte> part =
          Pack(std::span(stored).subspan(begin * 16 * row, rows * row), end - begin);
      EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + begin * group_bytes))
          << "groups " << begin << " to " << end;
    }
  }
}

TEST_P(PackedTest, RowReadBackEqualsDequantise) {
  constexpr int kRows = 35;
  const std::vector<std::byte> stored = Stored(kRows);
  const std::vector<std::byte> packed = Pack(stored, 3);
  const PackedMatrix matrix{format, kRows, cols, 3, group_bytes, packed.data()};
  std::vector<float> want(static_cast<std::size_t>(kRows) * cols), got(cols);
  ASSERT_TRUE(tensor::Dequantise(format, stored, want).has_value());
  for (const float scale : {1.0f, 25.298221588134766f, -3.0f}) {
    for (int row = 0; row < kRows; ++row) {
      UnpackRow(matrix, row, scale, got.data());
      for (int k = 0; k < cols; ++k) {
        const float expected = want[static_cast<std::size_t>(row) * cols + k] * scale;
        ASSERT_EQ(std::bit_cast<std::uint32_t>(got[k]), std::bit_cast<std::uint32_t>(expected))
            << "row " << row << " value " << k << " times " << scale;
      }
    }
  }
}

// Packed bytes by stored ones, at most. Where indices into a grid become codes and where digits of
// base 3 become bits it costs memory (docs/decisions/0005-packed-grids.md); nowhere else.
double MostGrowth(Format format) {
  switch (format) {
    case Format::kTQ1_0: return 66.0 / 54;
    case Format::kIQ1_S: return 74.0 / 50;
    case Format::kIQ1_M: return 82.0 / 56;
    case Format::kIQ2_XXS: return 106.0 / 66;
    case Format::kIQ2_XS: return 106.0 / 74;
    case Format::kIQ2_S: return 106.0 / 82;
    case Format::kIQ3_XXS: return 138.0 / 98;
    case Format::kIQ3_S: return 138.0 / 110;
    default: return 1.051;
  }
}

TEST_P(PackedTest, PackedBytesAreAtMostThoseOfTheDecision) {
  for (const int values : {cols, 576, 2048}) {
    if (values % GetParam().block_values != 0) continue;
    const double stored = 16.0 * tensor::RowBytes(format, values);
    EXPECT_LE(PackedGroupBytes(format, values), MostGrowth(format) * stored + 64) << values;
    EXPECT_EQ(PackedGroupBytes(format, values) % 64, 0u);
  }
}

TEST_P(PackedTest, SizesThatDoNotFitAreErrors) {
  std::vector<std::byte> packed(group_bytes);
  const std::vector<std::byte> stored = Stored(1);
  const auto error = [&](int columns, std::span<const std::byte> rows) {
    const Result<void> result = PackGroups(format, columns, rows, 1, packed);
    return result.has_value() ? ErrorCode::kUnsupported : result.error().code;
  };
  EXPECT_EQ(error(0, stored), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error(-cols, stored), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error(cols, std::span(stored).first(stored.size() - 1)), ErrorCode::kInvalidArgument);
  if (GetParam().block_values > 1) {
    EXPECT_EQ(error(cols + 1, stored), ErrorCode::kInvalidArgument);
  }
}

std::vector<tensor::FormatTraits> Multiplied() {
  std::vector<tensor::FormatTraits> all;
  std::ranges::copy_if(tensor::kFormats, std::back_inserter(all),
                       &tensor::FormatTraits::has_matmul);
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, PackedTest, ::testing::ValuesIn(Multiplied()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(PackGroupsTest, FormatWithoutMatmulIsUnsupported) {
  for (const tensor::FormatTraits& traits : tensor::kFormats) {
    if (traits.has_matmul) continue;
    std::vector<std::byte> stored(32 * traits.block_bytes);
    const Result<void> result = PackGroups(traits.format, 32, stored, 1, {});
    ASSERT_FALSE(result.has_value()) << traits.name;
    EXPECT_EQ(result.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(result.error().message.find(traits.name), std::string::npos);
  }
}

TEST(PackedRowsTest, BytesGrowByWholeTiles) {
  for (const ActivationKind kind : {ActivationKind::kInt8, ActivationKind::kFloat}) {
    const std::size_t tile = PackedTileBytes(kind, 96);
    EXPECT_EQ(tile % 64, 0u);
    EXPECT_EQ(PackedRowsBytes(kind, 1, 96), tile);
    EXPECT_EQ(PackedRowsBytes(kind, kTileRows, 96), tile);
    EXPECT_EQ(PackedRowsBytes(kind, kTileRows + 1, 96), 2 * tile);
  }
}

}  // namespace
}  // namespace cairn::kernels
