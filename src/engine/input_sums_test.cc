// SPDX-License-Identifier: Apache-2.0
// What matrices are multiplied with, of tiny models: against what their first layer computes, over
// experts, and whatever the threads, the instruction set and the company of rows.
#include "engine/input_sums.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <numeric>

#include "tensor/dequantise.h"
#include "testing/engine_helpers.h"

namespace cairn::engine {
namespace {

std::shared_ptr<const model::Model> Tiny(const std::string& name) {
  const auto path =
      std::filesystem::path(CAIRN_SOURCE_DIR) / "tests/golden/architectures" / (name + ".gguf");
  return *model::Model::Load(path, {.threads = 1});
}

std::vector<std::int32_t> SomeTokens(int count) {
  std::vector<std::int32_t> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(2 + i * 7 % 60);
  return tokens;
}

std::vector<InputSquares> SumsOf(const std::shared_ptr<const model::Model>& model,
                                 EngineOptions options, int tokens) {
  InputSums sums;
  options.inputs = &sums;
  const auto engine = testing::MakeEngine(model, options);
  Sequence sequence = testing::MakeSequence(*engine);
  const auto read = engine->Prefill(sequence, SomeTokens(tokens), tokens,
                                    [](int, int, std::span<const float>) {});
  EXPECT_TRUE(read) << read.error().message;
  return sums.Take();
}

const InputSquares& Of(const std::vector<InputSquares>& all, std::string_view tensor) {
  const auto found = std::ranges::find(all, tensor, &InputSquares::tensor);
  EXPECT_NE(found, all.end()) << tensor;
  return *found;
}

std::vector<float> Values(const model::Model& model, std::string_view name) {
  const model::GgufTensor& tensor = *model.gguf().FindTensor(name);
  std::vector<float> values(static_cast<std::size_t>(tensor.cols() * tensor.rows()));
  EXPECT_TRUE(tensor::Dequantise(tensor.format, tensor.bytes, values));
  return values;
}

// Of llama the first matrices meet the embedding after a norm.
TEST(InputSumsTest, TheFirstMatricesMeetTheNormOfTheEmbedding) {
  const auto model = Tiny("llama");
  const auto sums = SumsOf(model, {.threads = 2}, 40);
  const std::vector<float> embedding = Values(*model, "token_embd.weight");
  const std::vector<float> norm = Values(*model, "blk.0.attn_norm.weight");
  const double epsilon = *model->gguf().GetFloat("llama.attention.layer_norm_rms_epsilon");
  const std::size_t width = norm.size();
  std::vector<double> expected(width);
  for (const std::int32_t token : SomeTokens(40)) {
    const float* x = embedding.data() + static_cast<std::size_t>(token) * width;
    double square = 0;
    for (std::size_t i = 0; i < width; ++i) square += static_cast<double>(x[i]) * x[i];
    const double scale = 1 / std::sqrt(square / static_cast<double>(width) + epsilon);
    for (std::size_t i = 0; i < width; ++i) expected[i] += std::pow(x[i] * scale * norm[i], 2);
  }
  for (const char* name : {"blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"}) {
    const InputSquares& found = Of(sums, name);
    ASSERT_EQ(found.sums.size(), width);
    EXPECT_EQ(found.counts, std::vector<std::int64_t>{40});
    for (std::size_t i = 0; i < width; ++i) {
      EXPECT_NEAR(found.sums[i], expected[i], 1e-5 * expected[i] + 1e-9) << name << " " << i;
    }
  }
  EXPECT_EQ(std::ranges::find(sums, "output.weight", &InputSquares::tensor), sums.end());
  EXPECT_EQ(Of(sums, "blk.1.ffn_down.weight").cols, 96);
  EXPECT_EQ(sums.size(), 14u);  // seven matrices of two layers
}

TEST(InputSumsTest, EachExpertCountsItsOwnRows) {
  for (const char* name : {"mixtral", "mixtral_apart"}) {
    const auto model = Tiny(name);
    const auto sums = SumsOf(model, {.threads = 2}, 40);
    std::int64_t rows = 0;
    double down = 0;
    for (const InputSquares& one : sums) {
      if (!one.tensor.starts_with("blk.0.ffn_down")) continue;
      rows += std::accumulate(one.counts.begin(), one.counts.end(), std::int64_t{0});
      down += std::accumulate(one.sums.begin(), one.sums.end(), 0.0);
    }
    EXPECT_EQ(rows, 80) << name;  // two experts of a row
    EXPECT_GT(down, 0);
  }
  EXPECT_EQ(
      Of(SumsOf(Tiny("mixtral"), {.threads = 1}, 40), "blk.1.ffn_up_exps.weight").counts.size(),
      8u);
}

TEST(InputSumsTest, ThreadsChunksAndInstructionSetsChangeNoBit) {
  for (const char* name : {"llama", "mixtral"}) {
    const auto model = Tiny(name);
    const auto expected =
        SumsOf(model, {.threads = 1, .isa = kernels::Isa::kPortable, .step_rows = 64}, 100);
    for (const int threads : {1, 3}) {
      const auto again = SumsOf(model, {.threads = threads, .step_rows = 64}, 100);
      ASSERT_EQ(again.size(), expected.size());
      for (std::size_t i = 0; i < again.size(); ++i) {
        EXPECT_EQ(again[i].tensor, expected[i].tensor);
        EXPECT_EQ(again[i].sums, expected[i].sums) << again[i].tensor;
        EXPECT_EQ(again[i].counts, expected[i].counts);
      }
    }
  }
}

TEST(InputSumsTest, WhoeverAsksGetsTheSameLogits) {
  const auto model = Tiny("qwen3moe");
  InputSums sums;
  const auto watched = testing::MakeEngine(model, {.threads = 2, .inputs = &sums});
  const auto alone = testing::MakeEngine(model, {.threads = 2});
  const auto tokens = SomeTokens(30);
  EXPECT_TRUE(
      testing::SameBytes(testing::LogitsOf(*watched, tokens), testing::LogitsOf(*alone, tokens)));
}

}  // namespace
}  // namespace cairn::engine
