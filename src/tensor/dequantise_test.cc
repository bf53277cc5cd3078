// SPDX-License-Identifier: Apache-2.0
// Against the gguf Python package's own dequantisation, bit for bit: tests/golden/formats/, made by
// scripts/make_format_fixtures.py.
#include "tensor/dequantise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

namespace cairn::tensor {
namespace {

std::vector<char> ReadGolden(const std::string& name) {
  std::ifstream file(std::string(CAIRN_SOURCE_DIR "/tests/golden/formats/") + name,
                     std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::uint32_t BitsOf(float value) { return std::bit_cast<std::uint32_t>(value); }

class DequantiseGoldenTest : public testing::TestWithParam<Format> {};

TEST_P(DequantiseGoldenTest, EqualsTheGgufPackageBitForBit) {
  const FormatTraits& traits = Traits(GetParam());
  const std::vector<char> stored = ReadGolden(std::string(traits.name) + ".blocks");
  const std::vector<char> golden = ReadGolden(std::string(traits.name) + ".f32");
  ASSERT_FALSE(stored.empty());
  std::vector<float> expected(golden.size() / sizeof(float)), values(expected.size());
  std::memcpy(expected.data(), golden.data(), golden.size());
  const auto done = Dequantise(traits.format, std::as_bytes(std::span(stored)), values);
  ASSERT_TRUE(done.has_value()) << done.error().message;
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(BitsOf(values[i]), BitsOf(expected[i]))
        << "value " << i << ": " << values[i] << " instead of " << expected[i];
  }
}

std::vector<Format> FormatsWithFixtures() {
  std::vector<Format> all;
  for (const FormatTraits& traits : kFormats) {
    const bool tested_below = traits.format == Format::kF32 || traits.format == Format::kF16;
    const bool weights = traits.format < Format::kI8;
    if (weights && !tested_below) all.push_back(traits.format);
  }
  return all;
}
INSTANTIATE_TEST_SUITE_P(Formats, DequantiseGoldenTest, testing::ValuesIn(FormatsWithFixtures()),
                         [](const auto& info) { return std::string(Traits(info.param).name); });

TEST(DequantiseTest, F32AndF16AreTakenAsTheyAre) {
  const float floats[] = {1.5f, -0.0f, INFINITY, 1e-40f};
  std::vector<float> values(4);
  ASSERT_TRUE(Dequantise(Format::kF32, std::as_bytes(std::span(floats)), values));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(BitsOf(values[i]), BitsOf(floats[i]));

  const std::uint16_t halves[] = {0x3e00, 0x8000, 0x7c00, 0x0001};
  ASSERT_TRUE(Dequantise(Format::kF16, std::as_bytes(std::span(halves)), values));
  EXPECT_EQ(values[0], 1.5f);
  EXPECT_EQ(BitsOf(values[1]), 0x80000000u);
  EXPECT_EQ(values[2], INFINITY);
  EXPECT_EQ(values[3], 0x1p-24f);
}

TEST(DequantiseTest, StoredBytesMayBeUnaligned) {
  const std::vector<char> stored = ReadGolden("Q6_K.blocks");
  std::vector<char> shifted(stored);
  shifted.insert(shifted.begin(), 0);
  std::vector<float> a(stored.size() / 210 * 256), b(a.size());
  ASSERT_TRUE(Dequantise(Format::kQ6_K, std::as_bytes(std::span(stored)), a));
  ASSERT_TRUE(Dequantise(Format::kQ6_K, std::as_bytes(std::span(shifted)).subspan(1), b));
  EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
}

TEST(DequantiseTest, SizesThatDoNotFitAreAnError) {
  std::vector<std::byte> stored(36);
  std::vector<float> values(64);
  EXPECT_TRUE(Dequantise(Format::kQ4_0, stored, values));
  const auto cut = Dequantise(Format::kQ4_0, std::span(stored).first(35), values);
  ASSERT_FALSE(cut.has_value());
  EXPECT_EQ(cut.error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(Dequantise(Format::kQ4_0, stored, std::span(values).first(63)));
  EXPECT_FALSE(Dequantise(Format::kQ4_0, std::span(stored).first(18), values));
  EXPECT_TRUE(Dequantise(Format::kQ4_0, {}, {}));
}

TEST(DequantiseTest, FormatWithoutMatmulIsUnsupported) {
  std::vector<std::byte> stored(8);
  std::vector<float> values(2);
  const auto done = Dequantise(Format::kI32, stored, values);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace cairn::tensor
