// SPDX-License-Identifier: Apache-2.0
#include "tensor/format.h"

#include <gtest/gtest.h>

#include <set>

#include "tensor/blocks.h"
#include "tensor/coded_blocks.h"
#include "tensor/grid_blocks.h"

namespace cairn::tensor {
namespace {

// The layout beyond what blocks.h asserts beside each struct: alignment, and every field's offset.
static_assert(alignof(BlockQ4_0) == 2 && alignof(BlockQ4_1) == 2 && alignof(BlockQ5_0) == 2 &&
              alignof(BlockQ5_1) == 2 && alignof(BlockQ8_0) == 2 && alignof(BlockQ4_K) == 2 &&
              alignof(BlockQ5_K) == 2 && alignof(BlockQ6_K) == 2);
static_assert(offsetof(BlockQ4_0, d) == 0 && offsetof(BlockQ4_1, m) == 2 &&
              offsetof(BlockQ5_0, qh) == 2 && offsetof(BlockQ5_1, m) == 2 &&
              offsetof(BlockQ5_1, qh) == 4 && offsetof(BlockQ8_0, d) == 0);
static_assert(offsetof(BlockQ4_K, dmin) == 2 && offsetof(BlockQ4_K, scales) == 4 &&
              offsetof(BlockQ5_K, dmin) == 2 && offsetof(BlockQ5_K, scales) == 4 &&
              offsetof(BlockQ5_K, qh) == 16);
static_assert(offsetof(BlockQ6_K, ql) == 0 && offsetof(BlockQ6_K, qh) == 128 &&
              offsetof(BlockQ6_K, scales) == 192);

TEST(FormatTest, EveryEnumeratorHasItsOwnEntryInOrder) {
  std::set<std::string_view> names;
  std::set<std::uint32_t> types;
  for (std::size_t i = 0; i < kFormats.size(); ++i) {
    EXPECT_EQ(static_cast<std::size_t>(kFormats[i].format), i);
    EXPECT_EQ(&Traits(kFormats[i].format), &kFormats[i]);
    EXPECT_TRUE(names.insert(kFormats[i].name).second) << kFormats[i].name;
    EXPECT_TRUE(types.insert(kFormats[i].gguf_type).second) << kFormats[i].name;
  }
  EXPECT_EQ(kFormats.back().format, Format::kF64);  // the last enumerator
}

TEST(FormatTest, BlockBytesAreThoseOfTheStructs) {
  const auto bytes = [](Format format) {
    return static_cast<std::size_t>(Traits(format).block_bytes);
  };
  EXPECT_EQ(bytes(Format::kQ4_0), sizeof(BlockQ4_0));
  EXPECT_EQ(bytes(Format::kQ4_1), sizeof(BlockQ4_1));
  EXPECT_EQ(bytes(Format::kQ5_0), sizeof(BlockQ5_0));
  EXPECT_EQ(bytes(Format::kQ5_1), sizeof(BlockQ5_1));
  EXPECT_EQ(bytes(Format::kQ8_0), sizeof(BlockQ8_0));
  EXPECT_EQ(bytes(Format::kQ4_K), sizeof(BlockQ4_K));
  EXPECT_EQ(bytes(Format::kQ5_K), sizeof(BlockQ5_K));
  EXPECT_EQ(bytes(Format::kQ6_K), sizeof(BlockQ6_K));
  EXPECT_EQ(bytes(Format::kQ2_K), sizeof(BlockQ2_K));
  EXPECT_EQ(bytes(Format::kQ3_K), sizeof(BlockQ3_K));
  EXPECT_EQ(bytes(Format::kIQ4_NL), sizeof(BlockIQ4_NL));
  EXPECT_EQ(bytes(Format::kIQ4_XS), sizeof(BlockIQ4_XS));
  EXPECT_EQ(bytes(Format::kMXFP4), sizeof(BlockMXFP4));
  EXPECT_EQ(bytes(Format::kNVFP4), sizeof(BlockNVFP4));
  EXPECT_EQ(bytes(Format::kTQ1_0), sizeof(BlockTQ1_0));
  EXPECT_EQ(bytes(Format::kTQ2_0), sizeof(BlockTQ2_0));
  EXPECT_EQ(bytes(Format::kIQ1_S), sizeof(BlockIQ1_S));
  EXPECT_EQ(bytes(Format::kIQ1_M), sizeof(BlockIQ1_M));
  EXPECT_EQ(bytes(Format::kIQ2_XXS), sizeof(BlockIQ2_XXS));
  EXPECT_EQ(bytes(Format::kIQ2_XS), sizeof(BlockIQ2_XS));
  EXPECT_EQ(bytes(Format::kIQ2_S), sizeof(BlockIQ2_S));
  EXPECT_EQ(bytes(Format::kIQ3_XXS), sizeof(BlockIQ3_XXS));
  EXPECT_EQ(bytes(Format::kIQ3_S), sizeof(BlockIQ3_S));
}

TEST(FormatTest, GgufTypeNumberGivesTheFormatBack) {
  for (const FormatTraits& traits : kFormats) {
    const auto format = FormatOfGgufType(traits.gguf_type);
    ASSERT_TRUE(format.has_value()) << traits.name;
    EXPECT_EQ(*format, traits.format);
  }
}

TEST(FormatTest, TypeOfGgmlThatNothingReadsIsUnsupportedByName) {
  const auto format = FormatOfGgufType(15);
  ASSERT_FALSE(format.has_value());
  EXPECT_EQ(format.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(format.error().message.find("Q8_K"), std::string::npos) << format.error().message;
  EXPECT_NE(format.error().message.find("15"), std::string::npos) << format.error().message;
}

TEST(FormatTest, UnknownTypeIsUnsupportedByNumber) {
  for (const std::uint32_t type : {4u, 5u, 31u, 999u, 0xffffffffu}) {
    const auto format = FormatOfGgufType(type);
    ASSERT_FALSE(format.has_value()) << type;
    EXPECT_EQ(format.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(format.error().message.find(std::to_string(type)), std::string::npos);
  }
}

TEST(FormatTest, RowBytesCountsWholeBlocks) {
  EXPECT_EQ(RowBytes(Format::kF32, 7), 28u);
  EXPECT_EQ(RowBytes(Format::kQ4_1, 576), 360u);
  EXPECT_EQ(RowBytes(Format::kQ6_K, 512), 420u);
}

}  // namespace
}  // namespace cairn::tensor
