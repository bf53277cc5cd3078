// SPDX-License-Identifier: Apache-2.0
// Two hundred prompts in every way, on every instruction set: on tiny models, since it is the
// decisions of the scheduler and the edges of tiles and windows that are tried.
#include "engine/verify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "testing/tiny_models.h"

namespace cairn::engine {
namespace {

using testing::TinyModel;
using testing::TinySpec;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kPrompts = 40;
#else
constexpr int kPrompts = 200;
#endif

// Texts that share beginnings, repeat themselves, and end on both sides of a tile.
std::vector<VerifyPrompt> Prompts(const model::Model& model, int count) {
  std::vector<VerifyPrompt> prompts;
  for (int i = 0; i < count; ++i) {
    const auto seed = static_cast<std::uint64_t>(i);
    std::vector<std::int32_t> tokens = testing::RandomTokens(model, 20 + i % 5 * 22, seed % 7);
    const auto rest = testing::RandomTokens(model, 1 + i * 37 % 60, 100 + seed);
    tokens.insert(tokens.end(), rest.begin(), rest.end());
    if (i % 4 == 0) tokens.insert(tokens.end(), rest.begin(), rest.end());
    prompts.push_back({.tokens = std::move(tokens), .sampling = {.seed = seed}});
    if (i % 2 == 0) prompts.back().sampling.temperature = 0;
  }
  return prompts;
}

class VerifyTest : public ::testing::TestWithParam<std::string> {
 protected:
  const bool gemma_ = GetParam() == "gemma3";
  const bool states_ = GetParam() == "granitehybrid";
  TinyModel tiny_{TinySpec{.architecture = GetParam(),
                           .format = tensor::Format::kQ4_0,
                           .sentence_piece = gemma_,
                           .layers = gemma_ ? 6 : 2,
                           .kv_heads = gemma_ ? 1 : 2,
                           .window = 70}};
};

TEST_P(VerifyTest, ManyPromptsHaveTheSameAnswersInEveryWay) {
  const auto prompts = Prompts(*tiny_.model(), kPrompts);
  const VerifyOptions options{.max_tokens = 24};
  std::vector<std::vector<std::int32_t>> expected;
  std::vector<kernels::Isa> isas = kernels::AvailableIsas();
  std::ranges::reverse(isas);
  for (const kernels::Isa isa : isas) {
    for (const Way& way : AllWays()) {
      if (isa != isas.front() && !way.everywhere) continue;
      const auto result = AnswerIn(way, isa, 2, tiny_.model(), prompts, options, {});
      ASSERT_TRUE(result) << result.error().message;
      if (expected.empty()) expected = result->answers;
      EXPECT_EQ(result->answers, expected) << kernels::IsaName(isa) << ", " << way.name;
      EXPECT_EQ(HashOf(result->answers), HashOf(expected));
      // Each way did what it is called after.
      const bool revised = way.arrival == Arrival::kRevised;
      EXPECT_GT(result->reused, way.cached && !revised ? 5 * kPrompts : -1) << way.name;
      EXPECT_GT(result->invalidated, revised ? 5 * kPrompts : -1) << way.name;
      const bool guesses = way.fast_path && !states_;  // states cannot be rolled back
      EXPECT_GT(result->guessed, guesses ? 5 * kPrompts : -1) << way.name;
      EXPECT_GT(result->accepted, guesses ? 5 * kPrompts : -1) << way.name;
      EXPECT_GT(result->messages, way.arrival != Arrival::kWhole ? 4 * kPrompts : -1) << way.name;
      EXPECT_GT(result->preempted, way.preempted ? kPrompts / 10 : -1) << way.name;
    }
  }
}

// The order and the company change, the answers do not; other seeds do change them.
TEST_P(VerifyTest, AnotherOrderHasTheSameHashAndAnotherSeedHasNot) {
  auto prompts = Prompts(*tiny_.model(), 20);
  const Way way = AllWays()[3];
  const kernels::Isa isa = kernels::AvailableIsas().back();
  const auto hash = [&](std::uint64_t order) {
    const auto result =
        AnswerIn(way, isa, 1, tiny_.model(), prompts, {.max_tokens = 16, .order_seed = order}, {});
    return result ? HashOf(result->answers) : 0;
  };
  const std::uint64_t first = hash(1);
  EXPECT_EQ(hash(2), first);
  for (VerifyPrompt& prompt : prompts) prompt.sampling.seed += 1;
  EXPECT_NE(hash(1), first);
}

INSTANTIATE_TEST_SUITE_P(Models, VerifyTest, ::testing::Values("llama", "gemma3", "granitehybrid"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace cairn::engine
