// SPDX-License-Identifier: Apache-2.0
#include "engine/embedder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "engine/rerank.h"
#include "testing/engine_helpers.h"
#include "testing/reference.h"
#include "testing/tiny_models.h"

namespace cairn::engine {
namespace {

using program::Pooling;
using testing::LogitRows;
using testing::SameBytes;

// Of tests/golden/encoders/NAME.gguf, whose tokens are letters.
std::unique_ptr<Embedder> Encoder(const std::string& name, const EmbedderOptions& options = {}) {
  const auto path =
      std::filesystem::path(CAIRN_SOURCE_DIR) / "tests/golden/encoders" / (name + ".gguf");
  auto model = model::Model::Load(path, {.threads = 1, .use = {.embed = true}});
  EXPECT_TRUE(model) << model.error().message;
  auto embedder = Embedder::Create(*std::move(model), options);
  EXPECT_TRUE(embedder) << embedder.error().message;
  return *std::move(embedder);
}

std::unique_ptr<Embedder> Decoder(const testing::TinyModel& tiny, Pooling pooling) {
  auto model =
      model::Model::Load(tiny.path(), {.threads = 1, .use = {.embed = true, .pooling = pooling}});
  EXPECT_TRUE(model) << model.error().message;
  auto embedder = Embedder::Create(*std::move(model), {.threads = 2});
  EXPECT_TRUE(embedder) << embedder.error().message;
  return *std::move(embedder);
}

LogitRows RowsOf(Embedder& embedder, std::span<const EmbedInput> inputs) {
  LogitRows rows(inputs.size());
  const auto done = embedder.Run(inputs, [&](int input, int, std::span<const float> values) {
    rows[static_cast<std::size_t>(input)].assign(values.begin(), values.end());
  });
  EXPECT_TRUE(done) << done.error().message;
  return rows;
}

TEST(EmbedderTest, TextsGetTheTokensOfTheirModel) {
  const auto embedder = Encoder("bert");
  EXPECT_EQ(embedder->Encode("ab", false)->tokens, (std::vector<std::int32_t>{2, 5, 32, 3}));
  EXPECT_EQ(embedder->Encode("", false)->tokens, (std::vector<std::int32_t>{2, 3}));
  const auto pair = embedder->EncodePair("a", "b", false);
  ASSERT_TRUE(pair);
  EXPECT_EQ(pair->tokens, (std::vector<std::int32_t>{2, 5, 3, 6, 3}));
  EXPECT_EQ(pair->second, 3);
}

TEST(EmbedderTest, TooLongATextIsAnErrorWithBothNumbersOrIsCut) {
  const auto embedder = Encoder("bert", {.most_tokens = 6});
  EXPECT_EQ(embedder->Encode("abcd", false)->tokens.size(), 6u);
  const auto failed = embedder->Encode("abcde", false);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kLimit);
  EXPECT_EQ(failed.error().message, "a text has 7 tokens, at most 6 fit this model");
  EXPECT_EQ(embedder->Encode("abcde", true)->tokens, embedder->Encode("abcd", false)->tokens);
  EXPECT_EQ(embedder->EncodePair("ab", "cd", true)->tokens,
            (std::vector<std::int32_t>{2, 5, 32, 3, 7, 3}));
  // A query that leaves no room is not cut.
  EXPECT_FALSE(embedder->EncodePair("abcd", "e", true));
}

TEST(EmbedderTest, InputsThatFitNoModelAreRefused) {
  const auto embedder = Encoder("bert");
  const auto run = [&](std::vector<std::int32_t> tokens) {
    const EmbedInput input{.tokens = std::move(tokens)};
    return embedder->Run({&input, 1}, [](int, int, std::span<const float>) { FAIL(); });
  };
  for (const std::int32_t token : {-1, 64, INT32_MAX, INT32_MIN}) {
    const auto done = run({2, token, 3});
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(run({}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(run(std::vector<std::int32_t>(193, 5)).error().code, ErrorCode::kLimit);
}

TEST(EmbedderTest, MostTokensBeyondTheModelAreRefused) {
  const auto path = std::filesystem::path(CAIRN_SOURCE_DIR) / "tests/golden/encoders/bert.gguf";
  const auto model = *model::Model::Load(path, {.threads = 1});
  EXPECT_EQ(Embedder::Create(model, {.most_tokens = 193}).error().code, ErrorCode::kLimit);
}

// More texts than a step takes, of every length from 1 to 64 and one of the longest.
TEST(EmbedderTest, ManyTextsTogetherAreEachAsAlone) {
  const auto embedder = Encoder("bert", {.threads = 2});
  std::vector<EmbedInput> inputs;
  for (int i = 0; i < 300; ++i) {
    const int length = i == 150 ? 192 : 1 + i * 7 % 64;
    inputs.push_back({.tokens = testing::RandomTokens(embedder->model(), length, 9 + i)});
  }
  const LogitRows together = RowsOf(*embedder, inputs);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    ASSERT_TRUE(SameBytes(RowsOf(*embedder, {&inputs[i], 1}), {together[i]})) << i;
  }
}

TEST(EmbedderTest, NormalisedRowsHaveTheLengthOne) {
  const auto embedder = Encoder("bert");
  std::vector<float> row;
  for (int i = 0; i < 67; ++i) row.push_back(static_cast<float>(i % 13) - 3.5f);
  embedder->Normalise(row);
  double squares = 0;
  for (const float x : row) squares += double{x} * double{x};
  EXPECT_NEAR(squares, 1, 1e-6);
  EXPECT_NEAR(row[4] / row[0], 0.5 / -3.5, 1e-6);
  std::vector<float> zeros(16);
  embedder->Normalise(zeros);
  EXPECT_EQ(zeros, std::vector<float>(16));
}

TEST(EmbedderTest, DecodersEmbedWithTheRowsBeforeTheirLogits) {
  const testing::TinyModel tiny({});
  const auto tokens = testing::RandomTokens(*tiny.model(), 40, 3);
  for (const Pooling pooling : {Pooling::kMean, Pooling::kFirst, Pooling::kLast}) {
    const auto embedder = Decoder(tiny, pooling);
    const EmbedInput input{.tokens = tokens};
    const LogitRows got = RowsOf(*embedder, {&input, 1});
    std::vector<double> expected;
    const model::Model& model = embedder->model();
    const auto report = testing::RunReference(
        model.program(), model.gguf(), tokens, 1, {.threads = 1},
        [&](int, std::span<const double> row) { expected.assign(row.begin(), row.end()); });
    ASSERT_TRUE(report);
    ASSERT_EQ(got[0].size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      ASSERT_NEAR(got[0][i], expected[i], 1e-3) << i;
    }
  }
}

TEST(EmbedderTest, AValueThatIsNotFiniteFailsAndNamesTheText) {
  const testing::TinyModel tiny({.nan_token = 5});
  const auto embedder = Decoder(tiny, Pooling::kLast);
  const std::vector<EmbedInput> inputs{{.tokens = {1, 2, 3}}, {.tokens = {4, 5}}};
  const auto done = embedder->Run(inputs, [](int, int, std::span<const float>) {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, ErrorCode::kNumeric);
  EXPECT_NE(done.error().message.find("text 2"), std::string::npos) << done.error().message;
}

TEST(EmbedderTest, ModelsForTextAndForEmbeddingsAreNotTakenForEachOther) {
  const testing::TinyModel tiny({});
  EXPECT_EQ(Embedder::Create(tiny.model(), {}).error().code, ErrorCode::kUnsupported);
  const auto path = std::filesystem::path(CAIRN_SOURCE_DIR) / "tests/golden/encoders/bert.gguf";
  const auto engine = Engine::Create(*model::Model::Load(path, {.threads = 1}), {});
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::kUnsupported);
}

TEST(RerankTest, ACrossEncoderScoresEachPairAsAlone) {
  const auto embedder = Encoder("bert_scores");
  const std::vector<std::string_view> documents{"abc", "x", "query", "abc"};
  const auto ranked = Rerank(*embedder, "a query", documents, false);
  ASSERT_TRUE(ranked) << ranked.error().message;
  ASSERT_EQ(ranked->size(), 4u);
  EXPECT_EQ((*ranked)[0], (*ranked)[3]);
  EXPECT_NE((*ranked)[0], (*ranked)[1]);
  const auto alone = Rerank(*embedder, "a query", {{documents[1]}}, false);
  EXPECT_EQ((*alone)[0], (*ranked)[1]);
}

TEST(RerankTest, AModelOfEmbeddingsScoresByCosine) {
  const auto embedder = Encoder("bert");
  const std::vector<std::string_view> documents{"x y z", "the same"};
  const auto ranked = Rerank(*embedder, "the same", documents, false);
  ASSERT_TRUE(ranked) << ranked.error().message;
  EXPECT_NEAR((*ranked)[1], 1, 1e-6);
  EXPECT_LT((*ranked)[0], (*ranked)[1]);
}

}  // namespace
}  // namespace cairn::engine
