// SPDX-License-Identifier: Apache-2.0
#include "kernels/angle.h"

#include <gtest/gtest.h>

#include <cmath>

namespace cairn::kernels {
namespace {

TEST(AngleTest, LogAndExpAgreeWithTheLibrary) {
  for (double x = 1e-3; x < 1e8; x *= 1.37) {
    EXPECT_NEAR(LogOf(x), std::log(x), 4e-15 * (1 + std::abs(std::log(x)))) << x;
  }
  for (double x = -20; x < 20; x += 0.037) {
    EXPECT_NEAR(ExpOf(x) / std::exp(x), 1, 2e-15) << x;
  }
}

TEST(AngleTest, SineAndCosineAreWithinTheStatedError) {
  double worst = 0;
  for (double x = 0; x < 4.2e6; x += 1.0 + x * 1e-3) {
    const SineCosine angle = SineCosineOf(x);
    const auto wide = static_cast<long double>(x);
    worst = std::max(worst, static_cast<double>(std::abs(angle.sine - std::sin(wide))));
    worst = std::max(worst, static_cast<double>(std::abs(angle.cosine - std::cos(wide))));
  }
  EXPECT_LT(worst, 0x1p-48);
}

TEST(AngleTest, PositionZeroRotatesNothing) {
  const RotaryAngles angles(10000, 64, 1);
  float cos[32], sin[32];
  angles.Fill(0, cos, sin);
  for (int i = 0; i < 32; ++i) {
    EXPECT_EQ(cos[i], 1.0f);
    EXPECT_EQ(sin[i], 0.0f);
  }
}

TEST(AngleTest, PositionScaleDividesPositions) {
  const RotaryAngles plain(10000, 64, 1), scaled(10000, 64, 0.125);
  float cos[2][32], sin[2][32];
  plain.Fill(3, cos[0], sin[0]);
  scaled.Fill(24, cos[1], sin[1]);
  for (int i = 0; i < 32; ++i) EXPECT_EQ(cos[0][i], cos[1][i]);
}

}  // namespace
}  // namespace cairn::kernels
