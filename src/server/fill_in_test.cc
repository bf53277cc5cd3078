// SPDX-License-Identifier: Apache-2.0
#include "server/fill_in.h"

#include <gtest/gtest.h>

#include <string>

namespace cairn::server {
namespace {

using model::TokenType;

// Printable ASCII, then `more` as control tokens.
Result<model::Tokenizer> MakeTokenizer(std::vector<std::string_view> more) {
  static const std::string characters = [] {
    std::string all;
    for (char c = '!'; c <= '~'; ++c) all += c;
    return all;
  }();
  model::Vocabulary v{.kind = model::TokenizerKind::kByteBpe, .pre = "llama-bpe"};
  for (std::size_t i = 0; i < characters.size(); ++i) {
    v.tokens.push_back(std::string_view(characters).substr(i, 1));
  }
  v.types.assign(v.tokens.size(), TokenType::kNormal);
  v.tokens.insert(v.tokens.end(), more.begin(), more.end());
  v.types.resize(v.tokens.size(), TokenType::kControl);
  return model::Tokenizer::Create(std::move(v));
}

TEST(FillInTest, TheHoleIsBehindBothTextsWhateverTheFamilyCallsIt) {
  const std::vector<std::string_view> families[] = {
      {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},
      {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},
      {"<|fim_begin|>", "<|fim_hole|>", "<|fim_end|>"}};
  for (const auto& names : families) {
    const auto tokenizer = MakeTokenizer(names);
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    const auto tokens = EncodeFillIn(*tokenizer, "ab", "<fim_middle>");
    ASSERT_TRUE(tokens);
    const std::string text = tokenizer->Decode(*tokens, true);
    EXPECT_EQ(text, std::string(names[0]) + "ab" + std::string(names[1]) + "<fim_middle>" +
                        std::string(names[2]));
    EXPECT_EQ(tokens->size(), 3u + 2 + 12) << "what a text says is text";
  }
}

TEST(FillInTest, AModelWithoutAllThreeTokensIsRefused) {
  const auto tokenizer = MakeTokenizer({"<fim_prefix>", "<fim_suffix>"});
  ASSERT_TRUE(tokenizer);
  EXPECT_FALSE(FillInTokensOf(*tokenizer));
  const auto tokens = EncodeFillIn(*tokenizer, "a", "b");
  ASSERT_FALSE(tokens);
  EXPECT_EQ(tokens.error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace cairn::server
