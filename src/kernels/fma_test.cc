// SPDX-License-Identifier: Apache-2.0
// The Fma of the portable lanes against std::fma, bit for bit. The kernels' own tests meet too few
// of the sums for which two roundings differ from one.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <random>

#define CAIRN_ISA portable_alone
#include "kernels/isa/lanes-inl.h"

namespace cairn::kernels {
namespace {

constexpr int kVectors = 400'000;

struct Factors {
  float a[portable_alone::kLanes];
  float b[portable_alone::kLanes];
  float c[portable_alone::kLanes];
};

// Compares one vector; counts the lanes in which rounding to double and then to float is wrong.
void Check(const Factors& x, int& differ) {
  using namespace portable_alone;
  float got[kLanes];
  Store(got, Fma(Load(x.a), Load(x.b), Load(x.c)));
  for (int i = 0; i < kLanes; ++i) {
    const float want = std::fma(x.a[i], x.b[i], x.c[i]);
    const auto twice = static_cast<float>(static_cast<double>(x.a[i]) * x.b[i] + x.c[i]);
    differ += !std::isnan(want) && twice != want;
    const bool same = std::isnan(want) ? std::isnan(got[i])
                                       : std::bit_cast<std::uint32_t>(got[i]) ==
                                             std::bit_cast<std::uint32_t>(want);
    ASSERT_TRUE(same) << std::hexfloat << x.a[i] << " * " << x.b[i] << " + " << x.c[i] << " is "
                      << want << ", not " << got[i];
  }
}

// Any bits: of all classes, and half of the time one of few exponents so that sums meet.
float AnyFloat(std::mt19937& random) {
  static constexpr std::uint32_t kSpecial[] = {0x00000000, 0x00000001, 0x007fffff, 0x00800000,
                                               0x3f800000, 0x7f7fffff, 0x7f800000, 0x7fc00000};
  std::uint32_t bits = random();
  switch (random() % 8) {
    case 0: bits = kSpecial[random() % 8] | (bits & 0x80000000u); break;
    case 1: bits &= 0x807fffffu; break;  // subnormal
    case 2:
    case 3:
    case 4: bits = (bits & 0x807fffffu) | ((120 + random() % 16) << 23); break;
    case 5: bits = (bits & 0x807fffffu) | ((40 + random() % 48) << 23); break;  // small products
    default: break;
  }
  return std::bit_cast<float>(bits);
}

TEST(PortableFmaTest, AnyBitsRoundOnce) {
  std::mt19937 random(1);
  int differ = 0;
  for (int v = 0; v < kVectors; ++v) {
    Factors x;
    for (float* of : {x.a, x.b, x.c}) {
      for (int i = 0; i < portable_alone::kLanes; ++i) of[i] = AnyFloat(random);
    }
    ASSERT_NO_FATAL_FAILURE(Check(x, differ));
  }
}

// c plus half of its last place, less or more 2^-46 of that: too little for a double to see. Normal
// and subnormal c; half of the cases have the tie itself. The other lanes are zero: a lane that
// needs care must be seen alone.
TEST(PortableFmaTest, SumsBesideATieRoundOnce) {
  std::mt19937 random(2);
  int differ = 0, small = 0;
  for (int v = 0; v < kVectors; ++v) {
    const int exponent = static_cast<int>(v % 3 == 0 ? 0 : random() % 254);
    const auto high = static_cast<std::uint32_t>(exponent) << 23;
    const float c =
        std::bit_cast<float>((static_cast<std::uint32_t>(random()) & 0x807fffffu) | high);
    const int half = (exponent == 0 ? 1 : exponent) - 127 - 24;
    const float little = v % 2 == 0 ? 0x1p-23f : 0.0f;
    const float a = std::ldexp(random() % 2 == 0 ? 1.0f + little : -1.0f - little, half / 2);
    const float b = std::ldexp(1.0f - little, half - half / 2);
    const int lane = static_cast<int>(random() % portable_alone::kLanes);
    Factors x = {};
    x.a[lane] = a;
    x.b[lane] = b;
    x.c[lane] = c;
    const int before = differ;
    ASSERT_NO_FATAL_FAILURE(Check(x, differ));
    if (exponent == 0) small += differ - before;
  }
  EXPECT_GT(differ, kVectors / 8) << "the cases do not need the care that is tested";
  EXPECT_GT(small, kVectors / 24) << "nor do the subnormal ones";
}

}  // namespace
}  // namespace cairn::kernels
