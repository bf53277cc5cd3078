// SPDX-License-Identifier: Apache-2.0
// Models and tokens through the C interface.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "testing/c_interface.h"
#include "testing/temp_folder.h"

namespace cairn::capi {
namespace {

using ModelTest = OpenedTest;

TEST_F(ModelTest, InfoIsTheModels) {
  cairn_model_info info{.size = sizeof(info)};
  EXPECT_WORKS(failure_, cairn_model_describe(model_, &info, failure_.place()));
  EXPECT_EQ(info.path, tiny_.path());
  EXPECT_STREQ(info.architecture, "llama");
  EXPECT_NE(info.chat_template, nullptr);
  EXPECT_EQ(info.context, tiny_.model()->context_length());
  EXPECT_EQ(info.parameters, tiny_.model()->parameters());
  EXPECT_EQ(info.file_bytes, tiny_.model()->file_bytes());
  EXPECT_EQ(info.vocabulary, tiny_.model()->program().vocabulary);
  EXPECT_EQ(info.tokens, info.vocabulary - testing::TinySpec{}.spare_rows);
  EXPECT_EQ(cairn_token_ends(model_, info.end_token), 1);
}

TEST_F(ModelTest, TextGoesToTokensAndBack) {
  const std::string text = "the sound \xe2\x82\xac <|im_end|>";
  const Tokens tokens = Encode(text, 0);
  std::string back(200, '?');
  std::size_t length = 0;
  EXPECT_WORKS(failure_, cairn_detokenize(model_, tokens.data(), tokens.size(), 0, back.data(),
                                          back.size(), &length, failure_.place()));
  EXPECT_EQ(back.substr(0, length), text);
  EXPECT_EQ(back[length], '?');
  const Tokens parsed = Encode(text, CAIRN_PARSE_SPECIAL);
  EXPECT_LT(parsed.size(), tokens.size());
  EXPECT_EQ(cairn_token_ends(model_, parsed.back()), 1);
}

TEST_F(ModelTest, TheNumberIsToldWhereTheRoomIsTooSmall) {
  const std::string text = "something longer than three tokens";
  const Tokens all = Encode(text);
  std::size_t count = 0;
  EXPECT_WORKS(failure_, cairn_tokenize(model_, text.data(), text.size(), CAIRN_ADD_SPECIAL,
                                        nullptr, 0, &count, failure_.place()));
  EXPECT_EQ(count, all.size());
  Tokens some(4, -7);
  EXPECT_WORKS(failure_, cairn_tokenize(model_, text.data(), text.size(), CAIRN_ADD_SPECIAL,
                                        some.data(), 3, &count, failure_.place()));
  EXPECT_EQ(count, all.size());
  EXPECT_EQ(some, (Tokens{all[0], all[1], all[2], -7}));
}

TEST_F(ModelTest, WhatHasNoMeaningIsRefusedByName) {
  std::size_t count = 0;
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "model",
               cairn_tokenize(nullptr, "a", 1, 0, nullptr, 0, &count, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "text",
               cairn_tokenize(model_, nullptr, 1, 0, nullptr, 0, &count, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "count",
               cairn_tokenize(model_, "a", 1, 0, nullptr, 0, nullptr, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "place",
               cairn_tokenize(model_, "a", 1, 0, nullptr, 5, &count, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "flags",
               cairn_tokenize(model_, "a", 1, 64, nullptr, 0, &count, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "tokens",
               cairn_detokenize(model_, nullptr, 1, 0, nullptr, 0, &count, failure_.place()));
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "cairn_model_info",
               cairn_model_describe(model_, nullptr, failure_.place()));
  cairn_model_info unset{};
  EXPECT_FAILS(failure_, CAIRN_INVALID_ARGUMENT, "size",
               cairn_model_describe(model_, &unset, failure_.place()));
  EXPECT_WORKS(failure_,
               cairn_tokenize(model_, nullptr, 0, 0, nullptr, 0, &count, failure_.place()));
  EXPECT_EQ(count, 0u);
}

TEST_F(ModelTest, TokensOutOfRangeHaveNoText) {
  const Tokens wild{-1, 1 << 30, INT32_MIN, INT32_MAX};
  std::size_t length = 5;
  EXPECT_WORKS(failure_, cairn_detokenize(model_, wild.data(), wild.size(), 1, nullptr, 0, &length,
                                          failure_.place()));
  EXPECT_EQ(length, 0u);
  for (const std::int32_t token : wild) EXPECT_EQ(cairn_token_ends(model_, token), 0);
  EXPECT_EQ(cairn_token_ends(nullptr, 0), 0);
}

TEST(ModelOpenTest, WhatIsNotThereIsNotFound) {
  const testing::TempFolder folder;
  cairn_model_options options;
  cairn_model_options_init(&options, sizeof(options));
  options.folder = folder.path().c_str();
  Failure failure;
  auto* model = reinterpret_cast<cairn_model*>(8);
  EXPECT_FAILS(failure, CAIRN_NOT_FOUND, "no-such-model",
               cairn_model_open("no-such-model", &options, &model, failure.place()));
  EXPECT_FAILS(failure, CAIRN_NOT_FOUND, "cairn_pull",
               cairn_model_open("smollm2", &options, &model, failure.place()));
  EXPECT_FAILS(failure, CAIRN_NOT_FOUND, "smollm2",
               cairn_pull("no-such-model", &options, nullptr, nullptr, failure.place()));
  EXPECT_EQ(model, reinterpret_cast<cairn_model*>(8));
}

TEST(ModelOpenTest, BrokenFilesAreErrorsThatNameThem) {
  const testing::TempFolder folder;
  const std::string path = folder.File("broken.gguf");
  std::ofstream(path) << "GGUF and nothing else";
  Failure failure;
  cairn_model* model = nullptr;
  EXPECT_FAILS(failure, CAIRN_UNSUPPORTED, path,
               cairn_model_open(path.c_str(), nullptr, &model, failure.place()));
  EXPECT_EQ(model, nullptr);
}

TEST(ModelOpenTest, NullsAndForeignMembersAreRefused) {
  const testing::TinyModel tiny({});
  Failure failure;
  cairn_model* model = nullptr;
  EXPECT_FAILS(failure, CAIRN_INVALID_ARGUMENT, "name",
               cairn_model_open(nullptr, nullptr, &model, failure.place()));
  EXPECT_FAILS(failure, CAIRN_INVALID_ARGUMENT, "place",
               cairn_model_open(tiny.path().c_str(), nullptr, nullptr, failure.place()));
  EXPECT_FAILS(failure, CAIRN_INVALID_ARGUMENT, "name",
               cairn_pull(nullptr, nullptr, nullptr, nullptr, failure.place()));
  struct {
    cairn_model_options options;
    std::int64_t of_later = 1;
  } later;
  cairn_model_options_init(&later.options, sizeof(later));
  later.of_later = 1;
  EXPECT_FAILS(failure, CAIRN_UNSUPPORTED, "does not know",
               cairn_model_open(tiny.path().c_str(), &later.options, &model, failure.place()));
  cairn_model_options unset{};
  EXPECT_FAILS(failure, CAIRN_INVALID_ARGUMENT, "cairn_model_options.size",
               cairn_model_open(tiny.path().c_str(), &unset, &model, failure.place()));
  cairn_model_free(nullptr);
}

TEST(ModelOpenTest, TheListHasShortNamesAndFiles) {
  const testing::TempFolder folder;
  const auto bytes = testing::MakeTinyModel({});
  for (const char* name : {"smollm2.gguf", "mine.gguf"}) {
    std::ofstream(folder.File(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  cairn_model_options options;
  cairn_model_options_init(&options, sizeof(options));
  options.folder = folder.path().c_str();
  std::map<std::string, std::string> found;
  const cairn_model_sink sink = [](void* user, const char* name, const char* path,
                                   std::uint64_t size) {
    EXPECT_GT(size, 0u);
    (*static_cast<decltype(found)*>(user))[name] = path == nullptr ? "" : path;
  };
  Failure failure;
  EXPECT_WORKS(failure, cairn_list(&options, sink, &found, failure.place()));
  EXPECT_EQ(found["smollm2"], folder.File("smollm2.gguf"));
  EXPECT_EQ(found["mine.gguf"], folder.File("mine.gguf"));
  EXPECT_EQ(found.count("gemma3"), 1u);
  EXPECT_EQ(found["gemma3"], "");
  EXPECT_FAILS(failure, CAIRN_INVALID_ARGUMENT, "sink",
               cairn_list(&options, nullptr, nullptr, failure.place()));
  cairn_model* model = nullptr;
  EXPECT_WORKS(failure, cairn_model_open("mine.gguf", &options, &model, failure.place()));
  cairn_model_free(model);
}

TEST(ModelOpenTest, APreTokenizerCanBeForced) {
  const testing::TinyModel tiny({});
  cairn_model_options options;
  cairn_model_options_init(&options, sizeof(options));
  options.pre_tokenizer = "no-such-pattern";
  Failure failure;
  cairn_model* model = nullptr;
  EXPECT_FAILS(failure, CAIRN_UNSUPPORTED, "no-such-pattern",
               cairn_model_open(tiny.path().c_str(), &options, &model, failure.place()));
  options.pre_tokenizer = "llama-bpe";
  EXPECT_WORKS(failure, cairn_model_open(tiny.path().c_str(), &options, &model, failure.place()));
  cairn_model_free(model);
}

}  // namespace
}  // namespace cairn::capi
