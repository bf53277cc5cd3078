// SPDX-License-Identifier: Apache-2.0
// The canonical kernels against the reference executor, on tiny models of every format, within
// bounds computed from the formats (docs/correctness.md derives them).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "testing/engine_helpers.h"
#include "testing/reference.h"

namespace cairn::engine {
namespace {

using testing::TinyModel;
using testing::TinySpec;
using DoubleRows = std::vector<std::vector<double>>;

constexpr int kTokens = 80;
// Worst relative variance of one rounding to f16: a step of 2^-10 beside a value of 1, uniform.
constexpr double kHalfNoise = 0x1p-20 / 12;
// The bound is an expectation over errors; 80 rows of one model may lie this much above it.
constexpr double kSampling = 1.1;

double MeanSquare(const std::vector<double>& row) {
  double sum = 0;
  for (const double x : row) sum += x * x;
  return sum / static_cast<double>(row.size());
}
template <typename T>
double MeanSquare(const std::vector<double>& a, const std::vector<T>& b) {
  std::vector<double> difference(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) difference[i] = a[i] - static_cast<double>(b[i]);
  return MeanSquare(difference);
}

// Root of the mean square over all rows.
double Size(const DoubleRows& rows) {
  double sum = 0;
  for (const auto& row : rows) sum += MeanSquare(row);
  return std::sqrt(sum / static_cast<double>(rows.size()));
}
double Distance(const DoubleRows& a, const auto& b) {
  double sum = 0;
  for (std::size_t r = 0; r < a.size(); ++r) sum += MeanSquare(a[r], b[r]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

struct Walked {
  DoubleRows logits;
  testing::ReferenceReport report;
};
Walked Walk(const TinyModel& tiny, std::span<const std::int32_t> tokens, bool canonical_losses) {
  Walked walked{DoubleRows(tokens.size()), {}};
  const auto report = testing::RunReference(
      tiny.model()->program(), tiny.model()->gguf(), tokens, static_cast<int>(tokens.size()),
      {.threads = 2, .canonical_losses = canonical_losses},
      [&](int row, std::span<const double> logits) {
        walked.logits[static_cast<std::size_t>(row)].assign(logits.begin(), logits.end());
      });
  EXPECT_TRUE(report);
  walked.report = *report;
  return walked;
}

class ReferenceAgreementTest : public ::testing::TestWithParam<TinySpec> {
 protected:
  ReferenceAgreementTest()
      : tiny_(GetParam()),
        tokens_(testing::RandomTokens(*tiny_.model(), kTokens, 3)),
        engine_(testing::MakeEngine(tiny_.model())),
        got_(testing::LogitsOf(*engine_, tokens_)) {}

  TinyModel tiny_;
  std::vector<std::int32_t> tokens_;
  std::unique_ptr<Engine> engine_;
  testing::LogitRows got_;
};

TEST_P(ReferenceAgreementTest, LogitsAreWithinTheBoundOfTheFormats) {
  const Walked exact = Walk(tiny_, tokens_, false);
  const double noise = exact.report.activation_noise + 2 * GetParam().layers * kHalfNoise;
  ASSERT_GE(Size(exact.logits), GetParam().softcap > 0 ? 0.5 : 1);
  EXPECT_LE(Distance(exact.logits, got_) / Size(exact.logits), kSampling * std::sqrt(noise));
}

// With the losses of the formats in the reference too, rounding of f32 is all that is left, until a
// value falls on the other side of a rounding border: that row, and later rows that look at it,
// then differ by a part of the loss. A wrong formula shows in every row.
TEST_P(ReferenceAgreementTest, LogitsAreThoseOfTheReferenceWithTheSameLosses) {
  const Walked exact = Walk(tiny_, tokens_, false);
  const Walked lossy = Walk(tiny_, tokens_, true);
  const double size = Size(exact.logits);
  std::vector<double> distances;
  for (std::size_t r = 0; r < got_.size(); ++r) {
    distances.push_back(std::sqrt(MeanSquare(lossy.logits[r], got_[r])) / size);
  }
  std::ranges::sort(distances);
  EXPECT_LT(distances.front(), 1e-4);
  EXPECT_LT(Distance(lossy.logits, got_), 0.8 * Distance(lossy.logits, exact.logits));
}

std::vector<TinySpec> Specs() {
  std::vector<TinySpec> specs = testing::AllTinySpecs();
  using tensor::Format;
  specs.push_back({.format = Format::kQ8_0, .embedding = Format::kF16, .kv_heads = 4});
  specs.push_back({.format = Format::kQ4_K,
                   .embedding = Format::kQ6_K,
                   .tied = false,
                   .kv_heads = 1,
                   .seed = 2});
  specs.push_back({.architecture = "gemma3",
                   .format = Format::kQ5_0,
                   .embedding = Format::kQ8_0,
                   .sentence_piece = true,
                   .layers = 7,
                   .window = 5,
                   .softcap = 3,
                   .seed = 3});
  return specs;
}
INSTANTIATE_TEST_SUITE_P(Tiny, ReferenceAgreementTest, ::testing::ValuesIn(Specs()),
                         [](const auto& info) {
                           std::string name = testing::NameOf(info.param);
                           std::ranges::replace(name, ' ', '_');
                           return name + "_" + std::to_string(info.index);
                         });

// Float weights leave f16 as the only loss, so that a wrong position, part or window shows
// anywhere.
TEST(LongReferenceAgreementTest, RowsPastTheFirstPartsAgreeInChunksThatSampleLittle) {
  for (const char* architecture : {"llama", "gemma3"}) {
    const bool gemma = std::string_view(architecture) == "gemma3";
    const TinyModel tiny({.architecture = architecture,
                          .sentence_piece = gemma,
                          .layers = gemma ? 6 : 2,
                          .window = 100});
    const auto tokens = testing::RandomTokens(*tiny.model(), 600, 4);
    constexpr int kSampled = 70;
    DoubleRows lossy;
    const auto report = testing::RunReference(tiny.model()->program(), tiny.model()->gguf(), tokens,
                                              kSampled, {.threads = 2, .canonical_losses = true},
                                              [&](int, std::span<const double> logits) {
                                                lossy.emplace_back(logits.begin(), logits.end());
                                              });
    ASSERT_TRUE(report);
    for (const int chunk : {100, 600}) {
      const auto engine = testing::MakeEngine(tiny.model(), {.threads = 2, .step_rows = chunk});
      testing::SoilKv(*engine);
      Sequence sequence = testing::MakeSequence(*engine);
      const testing::LogitRows got = testing::Append(*engine, sequence, tokens, kSampled);
      EXPECT_LT(Distance(lossy, got) / Size(lossy), 3e-4)
          << architecture << ", chunks of " << chunk;
    }
  }
}

}  // namespace
}  // namespace cairn::engine
