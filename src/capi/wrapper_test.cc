// SPDX-License-Identifier: Apache-2.0
// cairn.hpp: that each wrapper calls what it is named after.
#include <gtest/gtest.h>

#include <string>

#include "cairn/cairn.hpp"
#include "testing/tiny_file.h"

namespace {

class WrapperTest : public ::testing::Test {
 protected:
  static cairn_generate_options Options(std::int64_t tokens) {
    cairn_generate_options options = cairn::GenerateOptions();
    options.max_tokens = tokens;
    options.temperature = 0;
    options.ignore_end = 1;
    return options;
  }

  cairn::testing::TinyFile tiny_;
  cairn::Model model_ = *cairn::Model::Open(tiny_.path());
  cairn::Engine engine_ = *cairn::Engine::Open(model_);
};

TEST_F(WrapperTest, ErrorsHaveTheirCodeAndText) {
  const auto missing = cairn::Model::Open("/no/such/file.gguf");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, CAIRN_NOT_FOUND);
  EXPECT_NE(missing.error().message.find("/no/such/file.gguf"), std::string::npos);
}

TEST_F(WrapperTest, TheListAndAPullAreOfTheFolder) {
  const std::string folder = tiny_.folder();
  cairn_model_options options = cairn::ModelOptions();
  options.folder = folder.c_str();
  const auto list = cairn::ListModels(options);
  ASSERT_TRUE(list);
  ASSERT_GE(list->size(), 2u);
  EXPECT_EQ(list->front().path, "");
  EXPECT_EQ(list->back().name, "tiny.gguf");
  EXPECT_EQ(list->back().path, tiny_.path());
  EXPECT_EQ(cairn::Pull("no-such-model", {}, options).error().code, CAIRN_NOT_FOUND);
}

TEST_F(WrapperTest, TextGoesToTokensAndBack) {
  const auto tokens = model_.Tokenize("the sound of <|im_end|>", CAIRN_PARSE_SPECIAL);
  ASSERT_TRUE(tokens);
  EXPECT_TRUE(model_.Ends(tokens->back()));
  EXPECT_EQ(*model_.Detokenize(*tokens, true), "the sound of <|im_end|>");
  EXPECT_EQ(*model_.Detokenize(*tokens), "the sound of ");
  // Longer than the wrapper's first guess of the room.
  const cairn::Tokens many(100, tokens->back());
  EXPECT_EQ(model_.Detokenize(many, true)->size(), 100 * std::string("<|im_end|>").size());
  EXPECT_EQ(std::string(model_.info().architecture), "llama");
}

TEST_F(WrapperTest, AnswersAreTheSameWholeStreamedAndInSteps) {
  const cairn::Tokens prompt = *model_.Tokenize("the sound of");
  const auto whole = engine_.Generate(prompt, Options(12));
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->tokens.size(), 12u);
  EXPECT_EQ(whole->reason, CAIRN_MAX_TOKENS);
  std::string streamed;
  const auto again = engine_.Generate(prompt, Options(12), [&](std::string_view text) {
    streamed += text;
    return true;
  });
  ASSERT_TRUE(again);
  EXPECT_EQ(streamed, whole->text);
  auto request = engine_.Submit(prompt, Options(12));
  ASSERT_TRUE(request);
  while (*engine_.Step()) {
  }
  EXPECT_EQ(request->Wait()->text, whole->text);
  EXPECT_EQ(engine_.info().running, 0);
}

TEST_F(WrapperTest, AChatAddsTurnsAndCanBeCleared) {
  auto chat = cairn::Chat::Open(engine_, "be brief");
  ASSERT_TRUE(chat);
  const std::size_t before = chat->PromptTokens()->size();
  ASSERT_TRUE(chat->Add("user", "hello"));
  ASSERT_TRUE(chat->Add("assistant", "hello"));
  EXPECT_TRUE(chat->Ask("the sound of", {}, Options(5)));
  auto request = chat->Submit("in the", Options(5));
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->Wait());
  EXPECT_GT(chat->PromptTokens()->size(), before + 4);
  chat->Clear();
  EXPECT_EQ(chat->PromptTokens()->size(), before);
  EXPECT_EQ(chat->Ask("").error().code, CAIRN_INVALID_ARGUMENT);
}

TEST_F(WrapperTest, ACancelEndsARequestAndASequence) {
  cairn::Cancel cancel;
  cairn_generate_options options = Options(-1);
  options.cancel = cancel.get();
  auto request = engine_.Submit(*model_.Tokenize("the sound of"), options);
  ASSERT_TRUE(request);
  EXPECT_TRUE(request->Next());
  cancel.Request();
  EXPECT_EQ(request->Wait()->reason, CAIRN_WAS_CANCELLED);
  auto sequence = cairn::Sequence::Open(engine_);
  ASSERT_TRUE(sequence);
  EXPECT_EQ(sequence->Append({5, 6}, nullptr, 0, &cancel).error().code, CAIRN_CANCELLED);
  cancel.Reset();
  EXPECT_FALSE(cancel.requested());
  std::vector<float> logits(static_cast<std::size_t>(model_.info().vocabulary));
  EXPECT_TRUE(sequence->Append({5, 6}, logits.data(), 1, &cancel));
  EXPECT_EQ(sequence->length(), 2);
  EXPECT_TRUE(sequence->Truncate(1));
  EXPECT_EQ(sequence->length(), 1);
}

TEST_F(WrapperTest, TextsBecomeRowsAndDocumentsScores) {
  cairn_model_options opened = cairn::ModelOptions();
  opened.embed = CAIRN_EMBED_MEAN;
  const auto model = cairn::Model::Open(tiny_.path(), opened);
  ASSERT_TRUE(model);
  EXPECT_EQ(model->info().embeds, 1);
  const auto embedder = cairn::Embedder::Open(*model);
  ASSERT_TRUE(embedder);
  const auto width = static_cast<std::size_t>(embedder->info().width);
  const cairn::Texts texts{"the sound of", "in the", std::string("a\0b", 3)};
  const auto rows = embedder->Embed(texts);
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 3 * width);
  std::vector<float> again(3 * width);
  ASSERT_TRUE(embedder->Embed(texts, again.data()));
  EXPECT_EQ(again, *rows);
  const auto scores = embedder->Rerank("in the", texts);
  ASSERT_TRUE(scores);
  double cosine = 0;
  for (std::size_t i = 0; i < width; ++i) cosine += double{(*rows)[i]} * double{(*rows)[width + i]};
  EXPECT_EQ((*scores)[0], cosine);
  EXPECT_NEAR((*scores)[1], 1, 1e-6);
  cairn_embed_options options = cairn::EmbedOptions();
  options.dimensions = 4;
  EXPECT_EQ(embedder->Embed(texts, options)->size(), 12u);
  EXPECT_EQ(embedder->Embed({""}).error().code, CAIRN_INVALID_ARGUMENT);
  EXPECT_EQ(cairn::Embedder::Open(model_).error().code, CAIRN_UNSUPPORTED);
}

}  // namespace
