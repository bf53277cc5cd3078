// SPDX-License-Identifier: Apache-2.0
#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/random.h"

namespace cairn::engine {
namespace {

// What docs/canonical.md, section 10, says, without any care for speed: probability by token, in
// double precision.
std::map<int, double> PlainDistribution(std::vector<double> logits, const SamplingOptions& o,
                                        const std::vector<std::int32_t>& history) {
  std::map<int, int> counts;
  const std::size_t window = std::min(history.size(), static_cast<std::size_t>(o.repeat_window));
  for (std::size_t i = history.size() - window; i < history.size(); ++i) ++counts[history[i]];
  for (const auto& [token, count] : counts) {
    double& l = logits[static_cast<std::size_t>(token)];
    l = l > 0 ? l / o.repeat_penalty : l * o.repeat_penalty;
    l -= o.presence_penalty + count * o.frequency_penalty;
  }
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](int a, int b) {
    return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
  });
  if (o.temperature == 0) return {{order[0], 1.0}};
  if (o.top_k > 0 && order.size() > static_cast<std::size_t>(o.top_k))
    order.resize(static_cast<std::size_t>(o.top_k));
  const double most = logits[static_cast<std::size_t>(order[0])];
  const auto weight = [&](int token, double temperature) {
    return std::exp((logits[static_cast<std::size_t>(token)] - most) / temperature);
  };
  double total = 0, sum = 0;
  for (const int token : order) total += weight(token, 1);
  for (std::size_t i = 0; o.top_p < 1 && i < order.size(); ++i) {
    sum += weight(order[i], 1);
    if (sum >= o.top_p * total) order.resize(i + 1);
  }
  std::erase_if(order, [&](int token) { return weight(token, 1) < o.min_p; });
  std::map<int, double> out;
  total = 0;
  for (const int token : order) total += weight(token, o.temperature);
  for (const int token : order) out[token] = weight(token, o.temperature) / total;
  return out;
}

std::vector<float> RandomLogits(int count, std::uint64_t seed) {
  std::vector<float> logits(static_cast<std::size_t>(count));
  const CounterRandom random(seed);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    logits[i] = static_cast<float>(8 * random.Uniform(i, 9) - 4);
  }
  return logits;
}

const kernels::Kernels& TestKernels() {
  return kernels::KernelsFor(kernels::AvailableIsas().back());
}

// Draws at many positions and compares how often each token came with its probability.
void ExpectDistribution(const SamplingOptions& options, const std::string& what) {
  constexpr int kDraws = 20000;
  const std::vector<float> logits = RandomLogits(40, 21);
  std::vector<std::int32_t> history = {3, 7, 7, 7, 12, 30};
  const std::map<int, double> expected =
      PlainDistribution({logits.begin(), logits.end()}, options, history);
  std::map<int, int> drawn;
  SamplingOptions seeded = options;
  for (int draw = 0; draw < kDraws; ++draw) {
    seeded.seed = static_cast<std::uint64_t>(draw);
    ++drawn[Sampler(seeded, TestKernels()).Sample(logits, history)];
  }
  for (const auto& [token, count] : drawn) {
    ASSERT_TRUE(expected.contains(token)) << what << ": token " << token << " was cut";
  }
  for (const auto& [token, p] : expected) {
    // Five standard deviations.
    EXPECT_NEAR(drawn[token], p * kDraws, 5 * std::sqrt(p * kDraws) + 1) << what << ": " << token;
  }
}

SamplingOptions Plain() { return {.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0}; }

TEST(SamplerTest, DrawsFollowTheWholeDistributionWhenNothingCuts) {
  ExpectDistribution(Plain(), "plain");
}

TEST(SamplerTest, ABiasIsAddedBeforePenaltiesAndABanIsFinal) {
  std::vector<float> logits = RandomLogits(300, 8);
  std::vector<float> biased = logits;
  biased[17] += 2.5f;
  biased[200] -= 1.25f;
  SamplingOptions plain = Plain(), with = Plain();
  plain.repeat_penalty = with.repeat_penalty = 1.3f;
  with.bias = {{17, 2.5f}, {200, -1.25f}};
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    plain.seed = with.seed = seed;
    const std::vector<std::int32_t> history = {17, 3, 200};
    EXPECT_EQ(Sampler(with, TestKernels()).Sample(logits, history),
              Sampler(plain, TestKernels()).Sample(biased, history));
  }
  SamplingOptions only = Plain();
  for (std::int32_t token = 0; token < 300; ++token) {
    if (token != 44) only.bias.push_back({token, -kBan});
  }
  EXPECT_EQ(Sampler(only, TestKernels()).Sample(logits, {}), 44);
  only.temperature = 0;
  EXPECT_EQ(Sampler(only, TestKernels()).Sample(logits, {}), 44);
  only.bias = {{3, std::numeric_limits<float>::quiet_NaN()}};
  EXPECT_FALSE(CheckSampling(only));
}

TEST(SamplerTest, EachOptionGivesThePlainDistribution) {
  SamplingOptions o = Plain();
  o.top_k = 5;
  ExpectDistribution(o, "top-k");
  o = Plain();
  o.top_p = 0.7f;
  ExpectDistribution(o, "top-p");
  o = Plain();
  o.min_p = 0.2f;
  ExpectDistribution(o, "min-p");
  o = Plain();
  o.temperature = 0.5f;
  ExpectDistribution(o, "temperature");
  o = Plain();
  o.repeat_penalty = 1.5f;
  o.presence_penalty = 0.3f;
  o.frequency_penalty = 0.4f;
  ExpectDistribution(o, "penalties");
}

// Top-p of what top-k left, min-p before the temperature: another order gives another set.
TEST(SamplerTest, OptionsApplyInTheOrderOfThePage) {
  ExpectDistribution(
      {.temperature = 2, .top_k = 12, .top_p = 0.8f, .min_p = 0.25f, .repeat_penalty = 1.3f},
      "all");
}

TEST(SamplerTest, ZeroTemperatureTakesTheLargestAndTheLowerIdOnTies) {
  const SamplingOptions greedy{.temperature = 0};
  Sampler sampler(greedy, TestKernels());
  std::vector<float> logits(100, -1.0f);
  logits[63] = logits[17] = logits[99] = 2.5f;
  EXPECT_EQ(sampler.Sample(logits, {}), 17);
}

TEST(SamplerTest, ZeroTemperatureAppliesPenaltiesFirst) {
  Sampler sampler({.temperature = 0, .repeat_penalty = 2}, TestKernels());
  std::vector<float> logits(50, -1.0f);
  logits[4] = 3;
  logits[9] = 2;
  const std::vector<std::int32_t> history = {4};
  EXPECT_EQ(sampler.Sample(logits, {}), 4);
  EXPECT_EQ(sampler.Sample(logits, history), 9);
}

TEST(SamplerTest, PenaltiesForgetWhatLiesBeforeTheWindow) {
  Sampler sampler({.temperature = 0, .repeat_penalty = 2, .repeat_window = 2}, TestKernels());
  std::vector<float> logits(50, -1.0f);
  logits[4] = 3;
  logits[9] = 2;
  const std::vector<std::int32_t> history = {4, 1, 1};
  EXPECT_EQ(sampler.Sample(logits, history), 4);
}

TEST(SamplerTest, NegativeLogitsMoveAwayFromZeroUnderARepeatPenalty) {
  Sampler sampler({.temperature = 0, .repeat_penalty = 2}, TestKernels());
  const std::vector<float> logits = {-1.0f, -1.5f};
  const std::vector<std::int32_t> history = {0};
  EXPECT_EQ(sampler.Sample(logits, history), 1);
}

TEST(SamplerTest, EqualSeedsAndPositionsGiveEqualTokensOnEveryInstructionSet) {
  const std::vector<float> logits = RandomLogits(1000, 4);
  const SamplingOptions options{.temperature = 1.2f, .seed = 77};
  for (std::size_t position = 0; position < 200; ++position) {
    const std::vector<std::int32_t> history(position, 1);
    const std::int32_t expected = Sampler(options, TestKernels()).Sample(logits, history);
    for (const kernels::Isa isa : kernels::AvailableIsas()) {
      EXPECT_EQ(Sampler(options, kernels::KernelsFor(isa)).Sample(logits, history), expected);
    }
  }
}

TEST(SamplerTest, ThePositionChangesTheDraw) {
  const std::vector<float> logits(64, 0.0f);
  Sampler sampler({.temperature = 1, .top_k = 0, .seed = 3}, TestKernels());
  std::map<int, int> drawn;
  for (std::size_t position = 0; position < 50; ++position) {
    ++drawn[sampler.Sample(logits, std::vector<std::int32_t>(position, 0))];
  }
  EXPECT_GT(drawn.size(), 20u);
}

// Draws that reach far into a flat vocabulary, against a walk over all of it in double precision.
TEST(SamplerTest, DrawsFarDownTheRanksAreThoseOfTheSortedVocabulary) {
  constexpr int kTokens = 3000;
  const std::vector<float> logits = RandomLogits(kTokens, 8);
  for (const float top_p : {1.0f, 0.9f}) {
    SamplingOptions options = Plain();
    options.top_p = top_p;
    options.temperature = 3;
    options.seed = 11;
    auto distribution = PlainDistribution({logits.begin(), logits.end()}, options, {});
    std::vector<std::pair<int, double>> ranked(distribution.begin(), distribution.end());
    std::ranges::stable_sort(ranked, [&](const auto& a, const auto& b) {
      return logits[static_cast<std::size_t>(a.first)] > logits[static_cast<std::size_t>(b.first)];
    });
    std::size_t deepest = 0;
    for (std::size_t position = 0; position < 300; ++position) {
      const std::vector<std::int32_t> history(position, 0);
      const double u = CounterRandom(options.seed).Uniform(position, 0);
      double sum = 0, margin = 1;
      std::size_t rank = 0;
      while (sum + ranked[rank].second < u) sum += ranked[rank++].second;
      margin = std::min(u - sum, sum + ranked[rank].second - u);
      if (margin < 1e-6) continue;  // rounding decides
      deepest = std::max(deepest, rank);
      EXPECT_EQ(Sampler(options, TestKernels()).Sample(logits, history), ranked[rank].first)
          << "position " << position << " top-p " << top_p;
    }
    EXPECT_GT(deepest, 600u);  // past the first two steps of ranking
  }
}

// Many equal logits, at the border of what top-k keeps too, and a last block that is not full.
TEST(SamplerTest, TopKOfAVocabularyOfManyBlocksIsThatOfTheSortedOne) {
  for (const int tokens : {128 * 64, 128 * 64 + 1, 10000}) {
    std::vector<float> logits = RandomLogits(tokens, 5);
    for (float& logit : logits) logit = std::round(logit * 8);
    for (const int top_k : {1, 2, 40, 64, 65, 79, 1000}) {
      SamplingOptions options = Plain();
      options.top_k = top_k;
      options.temperature = 100;
      const auto expected = PlainDistribution({logits.begin(), logits.end()}, options, {});
      ASSERT_EQ(expected.size(), static_cast<std::size_t>(top_k));
      std::map<int, int> drawn;
      for (int draw = 0; draw < 20 * top_k; ++draw) {
        options.seed = static_cast<std::uint64_t>(draw);
        ++drawn[Sampler(options, TestKernels()).Sample(logits, {})];
      }
      for (const auto& [token, count] : drawn) EXPECT_TRUE(expected.contains(token)) << token;
      if (top_k <= 79) {
        EXPECT_EQ(drawn.size(), expected.size());
      }
    }
  }
}

TEST(SamplerTest, TokensOfTheHistoryPastTheLogitsAreIgnored) {
  Sampler sampler({.temperature = 0, .repeat_penalty = 2}, TestKernels());
  const std::vector<float> logits = {1, 2};
  EXPECT_EQ(sampler.Sample(logits, std::vector<std::int32_t>{2, 1000, 1}), 0);
}

TEST(SamplerTest, APenaltyThatOverflowsLeavesANumber) {
  Sampler sampler({.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0, .repeat_penalty = 1e-38f},
                  TestKernels());
  const std::vector<float> logits = {9, 8};
  EXPECT_EQ(sampler.Sample(logits, std::vector<std::int32_t>{1}), 1);
}

TEST(SamplerTest, OptionsOutOfRangeAreErrorsThatNameThem) {
  const auto message = [](const SamplingOptions& options) {
    const auto checked = CheckSampling(options);
    return checked ? std::string() : checked.error().message;
  };
  EXPECT_EQ(message({}), "");
  EXPECT_NE(message({.temperature = -0.1f}).find("temperature"), std::string::npos);
  EXPECT_NE(message({.temperature = NAN}).find("temperature"), std::string::npos);
  EXPECT_NE(message({.top_k = -1}).find("top-k"), std::string::npos);
  EXPECT_NE(message({.top_p = 0}).find("top-p"), std::string::npos);
  EXPECT_NE(message({.top_p = 1.5f}).find("top-p"), std::string::npos);
  EXPECT_NE(message({.min_p = NAN}).find("min-p"), std::string::npos);
  EXPECT_NE(message({.repeat_penalty = 0}).find("repeat penalty"), std::string::npos);
  EXPECT_NE(message({.presence_penalty = NAN}).find("presence penalty"), std::string::npos);
  EXPECT_NE(message({.frequency_penalty = 11}).find("frequency penalty"), std::string::npos);
  EXPECT_NE(message({.repeat_window = -1}).find("repeat window"), std::string::npos);
}

}  // namespace
}  // namespace cairn::engine
