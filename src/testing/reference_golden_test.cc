// SPDX-License-Identifier: Apache-2.0
// On the real models: the reference executor against logits by transformers (tests/golden/logits,
// made by scripts/reference/make_fixtures.py), the canonical kernels against the reference
// executor, and what the models answer.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <fstream>
#include <functional>
#include <iterator>

#include "base/mapped_file.h"
#include "engine/answers.h"
#include "model/architectures.h"
#include "testing/engine_helpers.h"
#include "testing/real_models.h"
#include "testing/reference.h"

namespace cairn::testing {
namespace {

struct Fixture {
  struct Position {
    int position;
    double log_sum_exp;
    std::vector<int> ids;
    std::vector<double> logits;
  };
  std::vector<std::int32_t> tokens;
  std::vector<Position> positions;
};

Fixture ReadFixture(const std::string& name) {
  std::ifstream file(std::string(CAIRN_SOURCE_DIR) + "/tests/golden/logits/" + name + ".json");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const boost::json::value json = boost::json::parse(text);
  Fixture fixture{boost::json::value_to<std::vector<std::int32_t>>(json.at("tokens")), {}};
  for (const boost::json::value& p : json.at("positions").as_array()) {
    fixture.positions.push_back({boost::json::value_to<int>(p.at("position")),
                                 boost::json::value_to<double>(p.at("log_sum_exp")),
                                 boost::json::value_to<std::vector<int>>(p.at("ids")),
                                 boost::json::value_to<std::vector<double>>(p.at("logits"))});
  }
  return fixture;
}

double LogSumExp(const auto& logits) {
  const double most = *std::ranges::max_element(logits);
  double sum = 0;
  for (const double l : logits) sum += std::exp(l - most);
  return most + std::log(sum);
}

// transformers computes norms and softmax in f32.
constexpr double kOutsideRounding = 5e-4;

void ExpectPosition(const Fixture::Position& expected, std::span<const double> logits) {
  ASSERT_EQ(expected.ids.size(), expected.logits.size());
  ASSERT_GE(expected.ids.size(), 64u);
  EXPECT_NEAR(LogSumExp(logits), expected.log_sum_exp, kOutsideRounding) << expected.position;
  for (std::size_t i = 0; i < expected.ids.size(); ++i) {
    ASSERT_NEAR(logits[static_cast<std::size_t>(expected.ids[i])], expected.logits[i],
                kOutsideRounding)
        << "position " << expected.position << ", token " << expected.ids[i];
  }
  // Nothing else is among the largest.
  std::vector<double> sorted(logits.begin(), logits.end());
  const auto nth = sorted.begin() + static_cast<std::ptrdiff_t>(expected.ids.size()) - 1;
  std::ranges::nth_element(sorted, nth, std::greater<>());
  EXPECT_NEAR(*nth, expected.logits.back(), kOutsideRounding) << expected.position;
}

double Divergence(std::span<const double> p, std::span<const float> q) {
  const double p_sum = LogSumExp(p), q_sum = LogSumExp(q);
  double divergence = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    divergence += std::exp(p[i] - p_sum) * ((p[i] - p_sum) - (q[i] - q_sum));
  }
  return divergence;
}

class ReferenceGoldenTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const auto path =
        RealModel(std::string(GetParam()).substr(0, std::string(GetParam()).find('_')));
    if (!path) GTEST_SKIP() << "the model folder has no such model (make models)";
    path_ = *path;
  }
  std::string path_;
};

// And, since the reference's logits are at hand: the canonical kernels' divergence from them.
TEST_P(ReferenceGoldenTest, LogitsAreThoseOfTransformersAndTheKernelsAreNear) {
  const Fixture fixture = ReadFixture(GetParam());
  ASSERT_GE(fixture.positions.size(), 16u);
  const auto loaded = model::Model::Load(path_, {.threads = 0});
  ASSERT_TRUE(loaded) << loaded.error().message;
  const auto engine = MakeEngine(*loaded, {.threads = 0, .context = 1024});
  const int sampled = static_cast<int>(fixture.tokens.size()) - fixture.positions[0].position;
  engine::Sequence sequence = MakeSequence(*engine);
  const LogitRows canonical = Append(*engine, sequence, fixture.tokens, sampled);
  double divergence = 0;
  int same_top = 0;
  const auto report =
      RunReference((*loaded)->program(), (*loaded)->gguf(), fixture.tokens, sampled, {},
                   [&](int row, std::span<const double> logits) {
                     const auto r = static_cast<std::size_t>(row);
                     if (r < fixture.positions.size()) ExpectPosition(fixture.positions[r], logits);
                     divergence += Divergence(logits, canonical[r]);
                     same_top += std::ranges::max_element(logits) - logits.begin() ==
                                 std::ranges::max_element(canonical[r]) - canonical[r].begin();
                   });
  ASSERT_TRUE(report) << report.error().message;
  divergence /= sampled;
  RecordProperty("mean_divergence", std::to_string(divergence));
  RecordProperty("predicted_noise", std::to_string(std::sqrt(report->activation_noise)));
  RecordProperty("same_top", std::to_string(same_top) + " of " + std::to_string(sampled));
  // Measured: docs/correctness.md.
  EXPECT_LT(divergence, 0.006);
  EXPECT_GE(same_top, sampled * 0.9);
}

INSTANTIATE_TEST_SUITE_P(Models, ReferenceGoldenTest,
                         ::testing::Values("smollm2", "smollm2_long", "gemma3", "gemma3_long"),
                         [](const auto& info) { return std::string(info.param); });

struct Sentence {
  const char* model;
  const char* prompt;
  const char* expected;
};
class RealAnswerTest : public ::testing::TestWithParam<Sentence> {};

TEST_P(RealAnswerTest, GreedyContinuationIsTheKnownOne) {
  const auto path = RealModel(GetParam().model);
  if (!path) GTEST_SKIP() << "the model folder has no such model (make models)";
  const auto loaded = model::Model::Load(*path, {.threads = 0});
  ASSERT_TRUE(loaded) << loaded.error().message;
  const auto engine = MakeEngine(*loaded, {.threads = 0, .context = 256});
  engine::Answers answers(*engine, {});
  const auto prompt = (*loaded)->tokenizer().Encode(GetParam().prompt, true);
  ASSERT_TRUE(prompt);
  const std::string expected = GetParam().expected;
  engine::GenerateOptions options{.max_tokens = 20, .stop = {}, .sampling = {.temperature = 0}};
  const auto answer = answers.Generate(*prompt, options, {});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->text.substr(0, expected.size()), expected);
}

INSTANTIATE_TEST_SUITE_P(
    Models, RealAnswerTest,
    ::testing::Values(Sentence{"smollm2", "The capital of France is", " Paris."},
                      Sentence{"gemma3", "The capital of France is",
                               " the capital of the country of France. It is the largest"}),
    [](const auto& info) { return std::string(info.param.model); });

}  // namespace
}  // namespace cairn::testing
