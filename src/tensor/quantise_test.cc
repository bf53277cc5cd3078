// SPDX-License-Identifier: Apache-2.0
#include "tensor/quantise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <typeinfo>
#include <vector>

#include "tensor/coded_blocks.h"
#include "tensor/dequantise.h"
#include "tensor/pack_codes.h"
#include "testing/random_blocks.h"

namespace cairn::tensor {
namespace {

constexpr std::size_t kValues = 4096;

std::vector<Format> Quantised() {
  std::vector<Format> formats;
  for (const FormatTraits& traits : kFormats) {
    if (CanQuantise(traits.format) && traits.block_values > 1) formats.push_back(traits.format);
  }
  return formats;
}

std::vector<std::byte> Stored(Format format, const std::vector<float>& values,
                              const std::vector<float>& importance = {}) {
  std::vector<std::byte> out(RowBytes(format, values.size()));
  const auto done = Quantise(format, values, importance, out);
  EXPECT_TRUE(done) << done.error().message;
  return out;
}
std::vector<float> Read(Format format, std::span<const std::byte> stored, std::size_t count) {
  std::vector<float> values(count);
  EXPECT_TRUE(Dequantise(format, stored, values));
  return values;
}
double Error(const std::vector<float>& a, const std::vector<float>& b,
             const std::vector<float>& importance = {}) {
  double error = 0, squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double w = importance.empty() ? 1 : importance[i], rest = double{a[i]} - b[i];
    error += w * rest * rest;
    squares += w * double{a[i]} * a[i];
  }
  return std::sqrt(error / squares);
}
double RoundTrip(Format format, const std::vector<float>& values) {
  return Error(values, Read(format, Stored(format, values), values.size()));
}

// Like weights: blocks of different size, some outliers.
std::vector<float> Weights(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(kValues);
  for (std::size_t i = 0; i < kValues; ++i) {
    values[i] = 0.02f * normal(random) * (1 + 0.3f * static_cast<float>(i / 32 % 5));
    if (random() % 100 == 0) values[i] *= 4;
  }
  return values;
}

// What a quantiser makes that only rounds: the largest magnitude (or both ends) of 32 values on the
// outermost codes, with scales that cost nothing.
double PlainError(const std::vector<float>& values, int levels, bool affine) {
  std::vector<float> rounded(values.size());
  for (std::size_t at = 0; at < values.size(); at += 32) {
    const auto [low, high] = std::minmax_element(&values[at], &values[at] + 32);
    const float most = std::max(std::fabs(*low), std::fabs(*high));
    const float offset = affine ? *low : 0;
    const float scale = affine ? (*high - *low) / static_cast<float>(levels - 1)
                               : most / static_cast<float>(levels / 2 - 1);
    for (std::size_t i = at; i < at + 32; ++i) {
      rounded[i] = scale > 0 ? std::nearbyint((values[i] - offset) / scale) * scale + offset : 0;
    }
  }
  return Error(values, rounded);
}

TEST(QuantiseTest, ErrorsAreBelowThoseOfPlainRounding) {
  struct Plain {
    Format format;
    int levels;
    bool affine;
  };
  for (const auto& [format, levels, affine] :
       {Plain{Format::kQ4_0, 16, false}, Plain{Format::kQ4_1, 16, true},
        Plain{Format::kQ5_0, 32, false}, Plain{Format::kQ5_1, 32, true},
        Plain{Format::kQ8_0, 256, false}, Plain{Format::kQ4_K, 16, true},
        Plain{Format::kQ5_K, 32, true}, Plain{Format::kIQ4_NL, 16, false}}) {
    for (const std::uint64_t seed : {1, 2, 3}) {
      const auto values = Weights(seed);
      EXPECT_LT(RoundTrip(format, values), PlainError(values, levels, affine))
          << Traits(format).name;
    }
  }
}

TEST(QuantiseTest, MoreBitsHaveLessError) {
  const auto values = Weights(4);
  double before = 1;
  for (const Format format : {Format::kQ2_K, Format::kQ3_K, Format::kQ4_K, Format::kQ5_K,
                              Format::kQ6_K, Format::kQ8_0, Format::kBF16, Format::kF16}) {
    const double error = RoundTrip(format, values);
    EXPECT_LT(error, before) << Traits(format).name;
    before = error;
  }
  EXPECT_EQ(RoundTrip(Format::kF32, values), 0);
}

// What a format can hold without loss comes back almost without: where no code is outermost, other
// scales are as good.
TEST(QuantiseTest, ValuesOfTheFormatComeBack) {
  for (const Format format : Quantised()) {
    const auto stored = testing::RandomBlocks(format, kValues, 5);
    const auto values = Read(format, stored, kValues);
    const bool scaled = Traits(format).block_values == 256;
    EXPECT_LT(RoundTrip(format, values), scaled ? 0.05 : 0.02) << Traits(format).name;
  }
}

TEST(QuantiseTest, ImportantColumnsHaveLessError) {
  std::mt19937_64 random(6);
  std::vector<float> importance(kValues);
  for (float& w : importance) w = random() % 8 == 0 ? 50.0f : 1.0f;
  const auto values = Weights(7);
  for (const Format format : Quantised()) {
    const auto plain = Read(format, Stored(format, values), kValues);
    const auto weighed = Read(format, Stored(format, values, importance), kValues);
    EXPECT_LT(Error(values, weighed, importance), Error(values, plain, importance))
        << Traits(format).name;
    EXPECT_LE(Error(values, plain), Error(values, weighed) * 1.001) << Traits(format).name;
  }
}

TEST(QuantiseTest, OddRowsAreWrittenAndRead) {
  const std::vector<std::vector<float>> rows = {
      std::vector<float>(256, 0.0f),  std::vector<float>(256, 3.0f),
      std::vector<float>(256, -2.5f), std::vector<float>(256, 1e-30f),
      std::vector<float>(256, -1e9f), std::vector<float>(256, std::numeric_limits<float>::max())};
  for (const Format format : Quantised()) {
    for (const auto& row : rows) {
      const auto read = Read(format, Stored(format, row), 256);
      for (const float value : read) ASSERT_TRUE(std::isfinite(value)) << Traits(format).name;
      if (std::fabs(row[0]) > 1e-3f && std::fabs(row[0]) < 1e3f) {
        EXPECT_LT(Error(row, read), 0.01) << Traits(format).name << " of " << row[0];
      } else if (std::fabs(row[0]) < 1e-3f) {
        EXPECT_LT(std::fabs(read[0]), 1e-6f) << Traits(format).name;
      }
    }
    std::vector<float> one(256, 0.0f);
    one[100] = 1.0f;
    // Codes of IQ4_NL have no zero.
    EXPECT_LT(RoundTrip(format, one), format == Format::kIQ4_NL ? 0.05 : 0.01)
        << Traits(format).name;
    // A column that is never used keeps about its value.
    std::vector<float> importance(256, 1.0f), row = Weights(8);
    row.resize(256);
    std::fill_n(importance.begin(), 32, 0.0f);
    const auto read = Read(format, Stored(format, row, importance), 256);
    EXPECT_LT(Error({row.begin(), row.begin() + 32}, {read.begin(), read.begin() + 32}), 0.7)
        << Traits(format).name;
  }
}

TEST(QuantiseTest, WhatIsNoNumberOrDoesNotFitIsAnError) {
  std::vector<float> row(256, 1.0f), weights(256, 1.0f);
  std::vector<std::byte> out(RowBytes(Format::kQ4_K, 256));
  row[9] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(Quantise(Format::kQ4_K, row, {}, out).error().code, ErrorCode::kNumeric);
  row[9] = 1;
  weights[3] = -1;
  EXPECT_EQ(Quantise(Format::kQ4_K, row, weights, out).error().code, ErrorCode::kNumeric);
  weights.pop_back();
  EXPECT_EQ(Quantise(Format::kQ4_K, row, weights, out).error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(Quantise(Format::kQ4_K, std::span(row).first(255), {}, out));
  EXPECT_FALSE(Quantise(Format::kQ4_K, row, {}, std::span(out).first(143)));
  out.resize(RowBytes(Format::kIQ2_S, 256));
  EXPECT_EQ(Quantise(Format::kIQ2_S, row, {}, out).error().code, ErrorCode::kUnsupported);
}

template <typename Block, int kCount>
void ExpectCodesComeBack(int most) {
  std::mt19937 random(9);
  std::uint8_t q[kCount], read[kCount];
  for (std::uint8_t& code : q) code = static_cast<std::uint8_t>(random() % (most + 1));
  Block block{};
  PackCodes(q, block);
  IntegersOf(block, read);
  EXPECT_TRUE(std::equal(q, q + kCount, read)) << typeid(Block).name();
}

TEST(PackCodesTest, WhatIsPackedIsReadBack) {
  ExpectCodesComeBack<BlockQ4_0, 32>(15);
  ExpectCodesComeBack<BlockQ4_1, 32>(15);
  ExpectCodesComeBack<BlockQ5_0, 32>(31);
  ExpectCodesComeBack<BlockQ5_1, 32>(31);
  ExpectCodesComeBack<BlockIQ4_NL, 32>(15);
  ExpectCodesComeBack<BlockQ2_K, 256>(3);
  ExpectCodesComeBack<BlockQ3_K, 256>(7);
  ExpectCodesComeBack<BlockQ4_K, 256>(15);
  ExpectCodesComeBack<BlockQ5_K, 256>(31);
  ExpectCodesComeBack<BlockQ6_K, 256>(63);
  std::mt19937 random(10);
  int scale[8], minimum[8], signed_scale[16];
  for (int j = 0; j < 8; ++j) {
    scale[j] = static_cast<int>(random() % 64);
    minimum[j] = static_cast<int>(random() % 64);
  }
  for (int& s : signed_scale) s = static_cast<int>(random() % 64) - 32;
  BlockQ4_K q4{};
  PackScales(scale, minimum, q4.scales);
  BlockQ3_K q3{};
  PackScales(signed_scale, q3.scales);
  for (int j = 0; j < 8; ++j) {
    EXPECT_EQ(SubScaleOf(q4.scales, j).scale, scale[j]);
    EXPECT_EQ(SubScaleOf(q4.scales, j).minimum, minimum[j]);
  }
  for (int j = 0; j < 16; ++j) EXPECT_EQ(SubScaleOf(q3, j), signed_scale[j]);
}

}  // namespace
}  // namespace cairn::tensor
