// SPDX-License-Identifier: Apache-2.0
#include "kernels/angle.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <vector>

namespace cairn::kernels {
namespace {

constexpr double kBound = 0x1p-45;

struct Golden {
  int base, n_rot, pair, position;
  double cos, sin;
};
// cos and sin of position * base^(-2 pair / n_rot), computed by mpmath 1.3 with 60 digits:
//   mp.dps = 60; a = p * power(mpf(b), -mpf(2 * i) / n); float(cos(a)).hex(), float(sin(a)).hex()
constexpr Golden kGoldens[] = {
    {10000, 64, 0, 4194303, 0x1.e16e2d72bcae5p-1, 0x1.5c886960b0385p-2},
    {10000, 64, 1, 4194303, -0x1.c30316510fdb4p-1, 0x1.e4b1b894ccc5ap-2},
    {10000, 64, 1, 1, 0x1.76a95fe716d1fp-1, 0x1.5cf59bfbfca96p-1},
    {10000, 64, 31, 4194303, 0x1.fc922312e0760p-1, 0x1.d943ff83824e6p-4},
    {100000, 64, 7, 2999999, 0x1.7ad5017debb1ep-1, 0x1.586d6dfc35b9fp-1},
    {1000000, 256, 3, 4194301, 0x1.7804bcec69cfap-5, 0x1.ff75d9e1f5417p-1},
    {1000000, 256, 127, 4000000, -0x1.03c7689add29dp-2, -0x1.ef400aca8dd68p-1},
    {10000, 256, 1, 8191, 0x1.6059fe82204bdp-1, 0x1.73792868e050ap-1},
    {10000000, 128, 5, 4194304, 0x1.c5a2017cbcff0p-2, 0x1.cb04d3edb1c2ep-1},
    {500000, 128, 17, 131071, 0x1.e25e7d50e1290p-1, 0x1.574d4a7b714f5p-2},
    {10000, 80, 13, 65535, -0x1.2c66532231edap-8, -0x1.fffe9f7f8ae92p-1},
    {100000, 64, 15, 700001, 0x1.4010a20ca5cddp-1, -0x1.8fa0ba59440adp-1},
};

TEST(AngleTest, LargePositionsMatchAnotherImplementation) {
  for (const Golden& g : kGoldens) {
    const RotaryAngles angles(g.base, g.n_rot, 1);
    const RotaryAngles::CosSin got = angles.Exact(g.position, g.pair);
    SCOPED_TRACE(testing::Message()
                 << g.base << " " << g.pair << "/" << g.n_rot << " at " << g.position);
    EXPECT_NEAR(got.cos, g.cos, kBound);
    EXPECT_NEAR(got.sin, g.sin, kBound);
  }
}

// long double carries a relative error of some 2^-62 in the frequency: positions below 2^15 keep
// the reference well inside the bound.
TEST(AngleTest, DenseSweepStaysWithinTheBoundOfLongDouble) {
  static_assert(sizeof(long double) > sizeof(double), "the reference needs the longer format");
  for (const double base : {1e4, 1e5, 5e5, 1e6, 1e7}) {
    for (const int n_rot : {2, 16, 64, 80, 256}) {
      const RotaryAngles angles(base, n_rot, 1);
      for (std::int64_t p = 0; p < 32768; p = p < 64 ? p + 1 : p + 1 + p / 5) {
        for (int i = 0; i < n_rot / 2; ++i) {
          const long double angle =
              p * std::exp(std::log(static_cast<long double>(base)) * (-2.0L * i / n_rot));
          const RotaryAngles::CosSin got = angles.Exact(p, i);
          ASSERT_LT(std::abs(got.cos - std::cos(angle)), kBound) << base << " " << i << " " << p;
          ASSERT_LT(std::abs(got.sin - std::sin(angle)), kBound) << base << " " << i << " " << p;
        }
      }
    }
  }
}

TEST(AngleTest, PositionZeroIsExactlyOneAndZero) {
  const RotaryAngles angles(10000, 64, 1);
  std::vector<float> cos(32), sin(32);
  angles.Fill(0, cos.data(), sin.data());
  for (int i = 0; i < 32; ++i) {
    EXPECT_EQ(cos[i], 1.0f);
    EXPECT_EQ(sin[i], 0.0f);
  }
}

TEST(AngleTest, FillRoundsTheExactValuesOnce) {
  const RotaryAngles angles(1e6, 96, 1);
  std::vector<float> cos(48), sin(48);
  angles.Fill(12345, cos.data(), sin.data());
  for (int i = 0; i < 48; ++i) {
    EXPECT_EQ(cos[i], static_cast<float>(angles.Exact(12345, i).cos));
    EXPECT_EQ(sin[i], static_cast<float>(angles.Exact(12345, i).sin));
  }
}

TEST(AngleTest, PositionScaleMultipliesThePosition) {
  const RotaryAngles scaled(1e6, 64, 0.125), plain(1e6, 64, 1);
  for (int i = 0; i < 32; ++i) {
    EXPECT_EQ(scaled.Exact(8 * 777, i).cos, plain.Exact(777, i).cos);
    EXPECT_NEAR(scaled.Exact(5, i).sin, std::sin(0.625 * std::pow(1e6, -i / 32.0)), 1e-15);
  }
}

TEST(AngleTest, FactorsMultiplyFrequenciesAndTheMagnitudeWhatIsFilled) {
  const RotaryAngles plain(10000, 8, 1);
  const std::vector<double> factors = {1, 0.5, 0.125, 3};
  const RotaryAngles scaled(10000, 8, 1, factors, 1.25);
  for (int i = 0; i < 4; ++i) {
    // 24 p is divisible by all of them.
    const auto position = static_cast<std::int64_t>(24 * factors[static_cast<std::size_t>(i)]);
    EXPECT_NEAR(scaled.Exact(24, i).cos, plain.Exact(position, i).cos, kBound);
    EXPECT_NEAR(scaled.Exact(24, i).sin, plain.Exact(position, i).sin, kBound);
  }
  float cos[4], sin[4];
  scaled.Fill(24, cos, sin);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(cos[i], static_cast<float>(scaled.Exact(24, i).cos * 1.25));
    EXPECT_EQ(sin[i], static_cast<float>(scaled.Exact(24, i).sin * 1.25));
  }
}

TEST(AngleTest, TheLogarithmIsThatOfTheLibrary) {
  for (const double x : {0x1p-40, 0.001, 0.5, 1.0, 1.5, 8.0, 10000.0, 131072.0, 0x1p80}) {
    EXPECT_NEAR(NaturalLogarithm(x), std::log(x), std::abs(std::log(x)) * 0x1p-50) << x;
  }
}

}  // namespace
}  // namespace cairn::kernels
