// SPDX-License-Identifier: Apache-2.0
// Every architecture on a tiny random model (tests/golden/architectures, made by
// scripts/reference/make_architectures.py): the reference executor against transformers in double
// precision, the canonical kernels against the reference, equal bytes over chunks, company, threads
// and instruction sets, and the tokens that greedy generation adds.
#include "model/architectures.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "testing/engine_helpers.h"
#include "testing/reference.h"

namespace cairn::testing {
namespace {

using DoubleRows = std::vector<std::vector<double>>;

// Worst relative variance of one rounding of keys and values to f16 (docs/correctness.md).
constexpr double kHalfNoise = 0x1p-20 / 12;
// What rounding of f32 costs at most, where nothing else is lost: relative to the logits.
constexpr double kFloatNoise = 0x1p-18 * 0x1p-18;
// The bound is an expectation over errors; the few rows of one tiny model may lie above it.
constexpr double kSampling = 2;

const std::filesystem::path& Folder() {
  static const std::filesystem::path folder =
      std::filesystem::path(CAIRN_SOURCE_DIR) / "tests/golden/architectures";
  return folder;
}

std::shared_ptr<const model::Model> LoadTiny(const std::string& name) {
  auto model = model::Model::Load(Folder() / (name + ".gguf"), {.threads = 1});
  EXPECT_TRUE(model) << model.error().message;
  return model ? *std::move(model) : nullptr;
}

double Deviation(const DoubleRows& rows) {
  double sum = 0, squares = 0, count = 0;
  for (const auto& row : rows) {
    for (const double x : row) sum += x, squares += x * x, ++count;
  }
  return std::sqrt(squares / count - sum / count * (sum / count));
}
// Root of the mean square of the differences.
double Distance(const DoubleRows& a, const auto& b) {
  double sum = 0, count = 0;
  for (std::size_t r = 0; r < a.size(); ++r) {
    for (std::size_t i = 0; i < a[r].size(); ++i, ++count) {
      const double difference = a[r][i] - static_cast<double>(b[r][i]);
      sum += difference * difference;
    }
  }
  return std::sqrt(sum / count);
}

class ArchitectureTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::ifstream file(Folder() / (GetParam() + ".json"));
    const boost::json::value parsed =
        boost::json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
    tokens_ = boost::json::value_to<std::vector<std::int32_t>>(parsed.at("tokens"));
    generated_ = boost::json::value_to<std::vector<std::int32_t>>(parsed.at("generated"));
    expected_ = boost::json::value_to<DoubleRows>(parsed.at("logits"));
    ASSERT_EQ(expected_.size(), tokens_.size());
    model_ = LoadTiny(GetParam());
    ASSERT_NE(model_, nullptr);
  }

  DoubleRows Reference(bool canonical_losses) const {
    DoubleRows rows;
    const auto report = RunReference(
        model_->program(), model_->gguf(), tokens_, static_cast<int>(tokens_.size()),
        {.threads = 1, .canonical_losses = canonical_losses},
        [&](int, std::span<const double> row) { rows.emplace_back(row.begin(), row.end()); });
    EXPECT_TRUE(report) << report.error().message;
    return rows;
  }

  std::vector<std::int32_t> tokens_, generated_;
  DoubleRows expected_;
  std::shared_ptr<const model::Model> model_;
};

TEST_P(ArchitectureTest, ReferenceIsTheOutsideImplementation) {
  const DoubleRows reference = Reference(false);
  const double deviation = Deviation(expected_);
  ASSERT_GE(deviation, 1);
  ASSERT_EQ(reference.size(), expected_.size());
  double most = 0;
  for (std::size_t r = 0; r < reference.size(); ++r) {
    ASSERT_EQ(reference[r].size(), expected_[r].size());
    for (std::size_t i = 0; i < reference[r].size(); ++i) {
      most = std::max(most, std::abs(reference[r][i] - expected_[r][i]));
    }
  }
  RecordProperty("largest_error_by_deviation", std::to_string(most / deviation));
  EXPECT_LE(most, 1e-4 * deviation);
}

TEST_P(ArchitectureTest, CanonicalLogitsAreWithinTheirBounds) {
  const auto engine = MakeEngine(model_, {.threads = 2});
  const LogitRows got = LogitsOf(*engine, tokens_);
  const DoubleRows exact = Reference(false), lossy = Reference(true);
  const double size = Deviation(exact);
  const auto attends = std::ranges::count(model_->program().operations, program::OpKind::kAttend,
                                          &program::Operation::kind);
  const double noise = 2 * static_cast<double>(attends) * kHalfNoise + kFloatNoise;
  RecordProperty("noise_by_bound", std::to_string(Distance(exact, got) / size / std::sqrt(noise)));
  EXPECT_LE(Distance(exact, got) / size, kSampling * std::sqrt(noise));
  // What is left beside the same losses is rounding of f32, and values of keys that fell on the
  // other side of a border.
  EXPECT_LE(Distance(lossy, got),
            0.5 * Distance(lossy, exact) + kSampling * std::sqrt(kFloatNoise) * size);
}

TEST_P(ArchitectureTest, ChunksThreadsInstructionSetsAndCompanyChangeNoByte) {
  const auto portable =
      MakeEngine(model_, {.threads = 1, .isa = kernels::Isa::kPortable, .step_rows = 1});
  const LogitRows expected = LogitsOf(*portable, tokens_);
  for (const kernels::Isa isa : kernels::AvailableIsas()) {
    for (const int chunk : {1, 7, 64}) {
      const auto engine = MakeEngine(model_, {.threads = 2, .isa = isa, .step_rows = chunk});
      SoilKv(*engine);
      ASSERT_TRUE(SameBytes(LogitsOf(*engine, tokens_), expected))
          << kernels::IsaName(isa) << ", chunks of " << chunk;
    }
  }
}

// Sequences in one step, each a token after the other: 1, 8 and 32 of them.
TEST_P(ArchitectureTest, BatchesOfAnySizeChangeNoByte) {
  const auto engine = MakeEngine(model_, {.threads = 2});
  for (const std::size_t count : {1, 8, 32}) {
    std::vector<engine::Sequence> sequences;
    std::vector<std::vector<std::int32_t>> texts;
    std::vector<LogitRows> expected;
    for (std::size_t s = 0; s < count; ++s) {
      texts.push_back(RandomTokens(*model_, 9, 50 + s));
      expected.push_back(LogitsOf(*engine, texts.back()));
      sequences.push_back(MakeSequence(*engine));
    }
    for (std::size_t at = 0; at < 9; ++at) {
      std::vector<engine::StepEntry> entries;
      for (std::size_t s = 0; s < count; ++s) {
        entries.push_back({.sequence = &sequences[s],
                           .tokens = std::span(texts[s]).subspan(at, 1),
                           .sampled = 1,
                           .failure = {}});
      }
      const auto stepped =
          engine->Step(entries, [&](int entry, int, std::span<const float> logits) {
            const auto& alone = expected[static_cast<std::size_t>(entry)][at];
            ASSERT_TRUE(std::ranges::equal(alone, logits))
                << "sequence " << entry << " of " << count;
          });
      ASSERT_TRUE(stepped) << stepped.error().message;
    }
  }
}

TEST_P(ArchitectureTest, GreedyGenerationAddsTheSameTokens) {
  ASSERT_GE(generated_.size(), 20u);
  const auto engine = MakeEngine(model_, {.threads = 2});
  engine::Sequence sequence = MakeSequence(*engine);
  std::vector<float> last = Append(*engine, sequence, tokens_, 1).back();
  for (const std::int32_t expected : generated_) {
    const auto next = static_cast<std::int32_t>(std::ranges::max_element(last) - last.begin());
    ASSERT_EQ(next, expected) << "after " << sequence.size() << " tokens";
    last = Append(*engine, sequence, std::span(&expected, 1), 1).back();
  }
}

INSTANTIATE_TEST_SUITE_P(Tiny, ArchitectureTest, ::testing::ValuesIn(FixturesIn(Folder())),
                         [](const auto& info) { return info.param; });

TEST(TinyArchitecturesTest, EachHasATinyModel) {
  std::set<std::string, std::less<>> tested;
  for (const char* folder : {"architectures", "encoders"}) {  // the others: encoders_test.cc
    const auto golden = std::filesystem::path(CAIRN_SOURCE_DIR) / "tests/golden" / folder;
    for (const auto& entry : std::filesystem::directory_iterator(golden)) {
      if (entry.path().extension() != ".gguf") continue;
      const auto model = model::Model::Load(entry.path(), {.threads = 1});
      ASSERT_TRUE(model) << model.error().message;
      tested.insert((*model)->architecture());
    }
  }
  for (const model::Architecture& architecture : model::Architectures()) {
    EXPECT_TRUE(tested.contains(architecture.name)) << architecture.name;
  }
}

}  // namespace
}  // namespace cairn::testing
