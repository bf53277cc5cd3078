// SPDX-License-Identifier: Apache-2.0
// The choice of experts: against the reference in double precision, equal bytes on all instruction
// sets, ties, and values that are not numbers.
#include "kernels/route.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "testing/reference_math.h"

namespace cairn::kernels {
namespace {

const Routing kRoutings[] = {
    {.experts = 8, .used = 2, .normalise = true},
    {.experts = 60, .used = 4},
    {.experts = 128, .used = 8, .normalise = true},
    {.scoring = Scoring::kSigmoid, .experts = 16, .used = 1},
    {.experts = 160, .used = 6, .groups = 8, .groups_used = 3, .scale = 16},
    {.scoring = Scoring::kSigmoid,
     .experts = 256,
     .used = 8,
     .groups = 8,
     .groups_used = 4,
     .group_largest = 2,
     .normalise = true,
     .scale = 2.5f},
    {.experts = 1, .used = 1, .normalise = true},
    {.experts = 5, .used = 5},
    {.scoring = Scoring::kNearest, .experts = 16, .used = 2},
    {.scoring = Scoring::kNearest, .experts = 200, .used = 3},
};

std::vector<float> Normal(int count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& x : values) x = normal(random);
  return values;
}

TEST(RouteTest, IsTheReferenceAndTheSameOnEveryInstructionSet) {
  unsigned seed = 0;
  for (const Routing& r : kRoutings) {
    for (const bool biased : {false, true}) {
      if (biased && r.scoring == Scoring::kNearest) continue;  // no model has both
      const auto logits = Normal(r.experts, ++seed);
      const auto bias = biased ? Normal(r.experts, ++seed + 1000) : std::vector<float>();
      const std::vector<double> exact(logits.begin(), logits.end());
      std::vector<double> expected(static_cast<std::size_t>(2 * r.used));
      testing::RouteRow(r, exact, bias, expected.data());
      std::vector<float> first;
      for (const Isa isa : AvailableIsas()) {
        std::vector<float> got(expected.size());
        Route(KernelsFor(isa), r, logits.data(), biased ? bias.data() : nullptr, got.data());
        for (std::size_t i = 0; i < got.size(); ++i) {
          const double error = i < got.size() / 2 ? 0 : 1e-5 * std::abs(expected[i]) + 1e-12;
          EXPECT_NEAR(got[i], expected[i], error) << r.experts << " experts, value " << i;
        }
        if (first.empty()) first = got;
        EXPECT_EQ(got, first) << IsaName(isa);
      }
    }
  }
}

TEST(RouteTest, OfEqualLogitsTheLowerIndexWins) {
  const std::vector<float> logits = {1, 3, 2, 3, 3, 0};
  float out[6];
  for (const Isa isa : AvailableIsas()) {
    Route(KernelsFor(isa), {.experts = 6, .used = 3, .normalise = true}, logits.data(), nullptr,
          out);
    EXPECT_EQ(std::vector<float>(out, out + 3), (std::vector<float>{1, 3, 4}));
    EXPECT_EQ(out[3], out[4]);
    EXPECT_NEAR(out[3] + out[4] + out[5], 1, 1e-6);
  }
}

TEST(RouteTest, ExpertsOutsideTheBestGroupsAreNotChosen) {
  // Group 1 has the largest expert, groups 0 and 2 the largest sums of two.
  const std::vector<float> logits = {2, 2, 5, -9, 3, 1, 0, 0};
  const Routing r{.experts = 8, .used = 2, .groups = 4, .groups_used = 2, .group_largest = 2};
  float out[4];
  Route(KernelsFor(Isa::kPortable), r, logits.data(), nullptr, out);
  EXPECT_EQ(out[0], 4);
  EXPECT_EQ(out[1], 0);
}

TEST(RouteTest, WhateverTheLogitsAreTheIndicesAreThoseOfExperts) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::mt19937 random(7);
  for (const Routing& r : kRoutings) {
    for (int round = 0; round < 50; ++round) {
      std::vector<float> logits = Normal(r.experts, static_cast<unsigned>(round));
      for (float& x : logits) {
        const auto kind = random() % 5;
        if (round == 0 || kind == 0) x = kNan;
        if (round > 0 && kind == 1) x = -kInfinity;
        if (round > 0 && kind == 2) x = kInfinity;
      }
      std::vector<float> out(static_cast<std::size_t>(2 * r.used), -1.0f);
      for (const Isa isa : AvailableIsas()) {
        Route(KernelsFor(isa), r, logits.data(), nullptr, out.data());
        for (int j = 0; j < r.used; ++j) {
          const float index = out[static_cast<std::size_t>(j)];
          ASSERT_TRUE(index >= 0 && index < static_cast<float>(r.experts)) << index;
        }
      }
    }
  }
}

}  // namespace
}  // namespace cairn::kernels
