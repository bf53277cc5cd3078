// SPDX-License-Identifier: Apache-2.0
// Every encoder on a tiny random model (tests/golden/encoders, made by
// scripts/reference/make_encoders.py): the reference executor against transformers in double
// precision, the kernels against the reference, equal bytes over company, threads and instruction
// sets, and what pooling makes of the rows.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "engine/embedder.h"
#include "testing/engine_helpers.h"
#include "testing/reference.h"

namespace cairn::testing {
namespace {

using DoubleRows = std::vector<std::vector<double>>;
using program::Pooling;

const std::filesystem::path& Folder() {
  static const std::filesystem::path folder =
      std::filesystem::path(CAIRN_SOURCE_DIR) / "tests/golden/encoders";
  return folder;
}

class EncoderTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::ifstream file(Folder() / (GetParam() + ".json"));
    const boost::json::value parsed =
        boost::json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
    scores_ = parsed.at("scores").as_bool();
    for (const boost::json::value& input : parsed.at("inputs").as_array()) {
      inputs_.push_back(
          {.tokens = boost::json::value_to<std::vector<std::int32_t>>(input.at("tokens")),
           .second = static_cast<int>(input.at("second").as_int64())});
      expected_.push_back(boost::json::value_to<DoubleRows>(input.at("rows")));
    }
    ASSERT_FALSE(inputs_.empty());
  }

  std::shared_ptr<const model::Model> Load(Pooling pooling) const {
    auto model = model::Model::Load(Folder() / (GetParam() + ".gguf"),
                                    {.threads = 1, .use = {.embed = true, .pooling = pooling}});
    EXPECT_TRUE(model) << model.error().message;
    return model ? *std::move(model) : nullptr;
  }

  // Of one input.
  DoubleRows Reference(const model::Model& model, std::size_t input) const {
    const auto& [tokens, second] = inputs_[input];
    DoubleRows rows;
    const int sampled = model.program().pools() ? 1 : static_cast<int>(tokens.size());
    const auto report = RunReference(
        model.program(), model.gguf(), tokens, sampled, {.threads = 1, .second = second},
        [&](int, std::span<const double> row) { rows.emplace_back(row.begin(), row.end()); });
    EXPECT_TRUE(report) << report.error().message;
    return rows;
  }

  // Of all inputs, in the order given by `order`.
  std::vector<LogitRows> Embed(engine::Embedder& embedder, std::span<const std::size_t> order) {
    std::vector<engine::EmbedInput> inputs;
    for (const std::size_t i : order) inputs.push_back(inputs_[i]);
    std::vector<LogitRows> rows(inputs_.size());
    const auto done = embedder.Run(inputs, [&](int input, int row, std::span<const float> values) {
      LogitRows& of = rows[order[static_cast<std::size_t>(input)]];
      EXPECT_EQ(static_cast<int>(of.size()), row);
      of.emplace_back(values.begin(), values.end());
    });
    EXPECT_TRUE(done) << done.error().message;
    return rows;
  }
  std::vector<LogitRows> EmbedAll(engine::Embedder& embedder) {
    std::vector<std::size_t> order(inputs_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    return Embed(embedder, order);
  }

  static std::unique_ptr<engine::Embedder> MakeEmbedder(
      const std::shared_ptr<const model::Model>& model,
      const engine::EmbedderOptions& options = {.threads = 2}) {
    if (model == nullptr) return nullptr;  // Load has said why
    auto embedder = engine::Embedder::Create(model, options);
    EXPECT_TRUE(embedder) << embedder.error().message;
    return embedder ? *std::move(embedder) : nullptr;
  }

  bool scores_ = false;
  std::vector<engine::EmbedInput> inputs_;
  std::vector<DoubleRows> expected_;
};

double Deviation(const std::vector<DoubleRows>& all) {
  double sum = 0, squares = 0, count = 0;
  for (const DoubleRows& rows : all) {
    for (const auto& row : rows) {
      for (const double x : row) sum += x, squares += x * x, ++count;
    }
  }
  return std::sqrt(squares / count - sum / count * (sum / count));
}

double LargestError(const DoubleRows& expected, const auto& got) {
  EXPECT_EQ(expected.size(), got.size());
  double most = 0;
  for (std::size_t r = 0; r < std::min(expected.size(), got.size()); ++r) {
    EXPECT_EQ(expected[r].size(), got[r].size());
    for (std::size_t i = 0; i < expected[r].size(); ++i) {
      most = std::max(most, std::abs(expected[r][i] - static_cast<double>(got[r][i])));
    }
  }
  return most;
}

TEST_P(EncoderTest, ReferenceIsTheOutsideImplementation) {
  const auto model = Load(Pooling::kNone);
  ASSERT_NE(model, nullptr);
  ASSERT_EQ(model->program().output == program::Output::kScores, scores_);
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    EXPECT_LE(LargestError(expected_[i], Reference(*model, i)), 1e-4 * Deviation(expected_)) << i;
  }
}

// Keys and values are f32 here, so that only rounding of f32 is left.
TEST_P(EncoderTest, KernelsAreNearTheReference) {
  const auto model = Load(Pooling::kNone);
  ASSERT_NE(model, nullptr);
  const auto embedder = MakeEmbedder(model);
  ASSERT_NE(embedder, nullptr);
  const std::vector<LogitRows> got = EmbedAll(*embedder);
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    EXPECT_LE(LargestError(Reference(*model, i), got[i]), 3e-4 * Deviation(expected_)) << i;
  }
}

TEST_P(EncoderTest, CompanyThreadsAndInstructionSetsChangeNoByte) {
  for (const Pooling pooling : {Pooling::kNone, Pooling::kMean}) {
    const auto model = Load(pooling);
    ASSERT_NE(model, nullptr);
    const auto portable = MakeEmbedder(model, {.threads = 1, .isa = kernels::Isa::kPortable});
    ASSERT_NE(portable, nullptr);
    std::vector<LogitRows> expected;
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      expected.push_back(Embed(*portable, {{i}})[i]);
    }
    std::vector<std::size_t> backwards;
    for (std::size_t i = inputs_.size(); i > 0; --i) backwards.push_back(i - 1);
    for (const kernels::Isa isa : kernels::AvailableIsas()) {
      for (const int threads : {1, 2}) {
        const auto embedder = MakeEmbedder(model, {.threads = threads, .isa = isa});
        ASSERT_NE(embedder, nullptr);
        const std::vector<LogitRows> together = EmbedAll(*embedder);
        const std::vector<LogitRows> turned = Embed(*embedder, backwards);
        for (std::size_t i = 0; i < inputs_.size(); ++i) {
          ASSERT_TRUE(SameBytes(together[i], expected[i]))
              << kernels::IsaName(isa) << ", " << threads << " threads, input " << i;
          ASSERT_TRUE(SameBytes(turned[i], expected[i]));
          ASSERT_TRUE(SameBytes(Embed(*embedder, {{i}})[i], expected[i]));
        }
      }
    }
  }
}

// The formulas of docs/canonical.md, section 11, over the rows.
TEST_P(EncoderTest, PoolingIsThatOfItsRows) {
  if (scores_) GTEST_SKIP() << "a model of scores pools in one way";
  const auto all = MakeEmbedder(Load(Pooling::kNone));
  ASSERT_NE(all, nullptr);
  const std::vector<LogitRows> rows = EmbedAll(*all);
  for (const Pooling pooling : {Pooling::kMean, Pooling::kFirst, Pooling::kLast}) {
    const auto embedder = MakeEmbedder(Load(pooling));
    ASSERT_NE(embedder, nullptr);
    const std::vector<LogitRows> pooled = EmbedAll(*embedder);
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      std::vector<float> expected = rows[i][0];
      if (pooling == Pooling::kLast) expected = rows[i].back();
      if (pooling == Pooling::kMean) {
        const float inverse = 1.0f / static_cast<float>(rows[i].size());
        for (std::size_t c = 0; c < expected.size(); ++c) {
          for (std::size_t r = 1; r < rows[i].size(); ++r) expected[c] += rows[i][r][c];
          expected[c] *= inverse;
        }
      }
      ASSERT_TRUE(SameBytes(pooled[i], {expected})) << "input " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, EncoderTest, ::testing::ValuesIn(FixturesIn(Folder())),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cairn::testing
