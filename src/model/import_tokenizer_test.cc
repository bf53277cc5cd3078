// SPDX-License-Identifier: Apache-2.0
// tokenizer.json files of each kind (tests/golden/tokenizer_json, made by
// scripts/make_tokenizer_json.py): the ids that `tokenizers` gives.
#include "model/import_tokenizer.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "model/folder.h"
#include "model/pre_tokenizer_json.h"
#include "model/pre_tokenizer_table.h"
#include "model/tokenizer.h"
#include "testing/temp_folder.h"

namespace cairn::model {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

using Ids = std::vector<std::int32_t>;

const fs::path kGolden = fs::path(CAIRN_SOURCE_DIR) / "tests/golden";

json::value ReadJson(const fs::path& path) {
  std::ifstream in(path);
  return json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
}

// A tiny model with another's tokenizer: nothing here runs it.
class ImportedTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    for (const char* file : {"config.json", "model.safetensors"}) {
      fs::copy_file(kGolden / "folders/qwen2" / file, temp_.File(file));
    }
    for (const char* file : {"tokenizer.json", "tokenizer_config.json"}) {
      fs::copy_file(kGolden / "tokenizer_json" / GetParam() / file, temp_.File(file));
    }
    auto opened = OpenFolder(temp_.path());
    ASSERT_TRUE(opened) << opened.error().message;
    file_ = std::make_unique<GgufFile>(*std::move(opened));
    auto vocabulary = ReadVocabulary(file_->gguf);
    ASSERT_TRUE(vocabulary) << vocabulary.error().message;
    auto tokenizer = Tokenizer::Create(*std::move(vocabulary));
    ASSERT_TRUE(tokenizer) << tokenizer.error().message;
    tokenizer_ = std::make_unique<Tokenizer>(*std::move(tokenizer));
    cases_ = ReadJson(kGolden / "tokenizer_json" / GetParam() / "cases.json").as_object();
  }

  testing::TempFolder temp_;
  std::unique_ptr<GgufFile> file_;
  std::unique_ptr<Tokenizer> tokenizer_;
  json::object cases_;
};

TEST_P(ImportedTest, TextsGetTheIdsOfTokenizers) {
  const json::array& texts = cases_["texts"].as_array();
  ASSERT_GE(texts.size(), 100u);
  for (const json::value& one : texts) {
    const std::string text(one.at("text").as_string());
    const auto ids = tokenizer_->Encode(text, false);
    ASSERT_TRUE(ids) << ids.error().message;
    EXPECT_EQ(*ids, json::value_to<Ids>(one.at("ids"))) << text;
  }
}

TEST_P(ImportedTest, APromptIsFramedAsThere) {
  EXPECT_EQ(*tokenizer_->Encode("Anne", true), json::value_to<Ids>(cases_["framed"]));
}

INSTANTIATE_TEST_SUITE_P(Kinds, ImportedTest, ::testing::Values("bytes", "pieces", "ranked"),
                         [](const auto& info) { return info.param; });

using BytesTest = ImportedTest;
TEST_P(BytesTest, KindsOfTokensAndTheTemplateAreThoseOfTheFolder) {
  const Gguf& gguf = file_->gguf;
  EXPECT_EQ(*gguf.GetString("tokenizer.ggml.pre"), "dbrx");  // Llama 3's pattern, and merged words
  EXPECT_EQ(*gguf.GetString("tokenizer.chat_template"), "{{ x }}");
  const auto tokens = *gguf.GetStrings("tokenizer.ggml.tokens");
  const auto types = *gguf.GetInts("tokenizer.ggml.token_type");
  const auto type_of = [&](std::string_view text) {
    return types[static_cast<std::size_t>(std::ranges::find(tokens, text) - tokens.begin())];
  };
  EXPECT_EQ(type_of("<|eot_id|>"), 3);
  EXPECT_EQ(type_of("<tool_call>"), 4);
  EXPECT_EQ(type_of("<|fim_prefix|>"), 3);
  EXPECT_EQ(type_of("a"), 1);
  EXPECT_EQ(tokens[static_cast<std::size_t>(*gguf.GetInt("tokenizer.ggml.eos_token_id"))],
            "<|eot_id|>");
}
INSTANTIATE_TEST_SUITE_P(Kinds, BytesTest, ::testing::Values("bytes"));

TEST(PreTokenizerJsonTest, KnownStepsHaveTheNameOfTheirPattern) {
  const json::object all = ReadJson(kGolden / "tokenizer_json/pre_tokenizers.json").as_object();
  ASSERT_GE(all.size(), 15u);
  for (const auto& [name, steps] : all) {
    const std::string expected(std::string_view(name).substr(0, name.find(' ')));
    const PreTokenizerRow* row = FindPreTokenizer(expected);
    ASSERT_NE(row, nullptr) << expected;
    const json::object tokenizer{{"pre_tokenizer", steps}};
    const std::string found = NameOfPreTokenizer(tokenizer, row->whole_words);
    const PreTokenizerRow* other = FindPreTokenizer(found);
    ASSERT_NE(other, nullptr) << expected << ": " << found;
    EXPECT_EQ(other->steps.data(), row->steps.data()) << expected << ": " << found;
    EXPECT_EQ(other->whole_words, row->whole_words);
  }
}

TEST(PreTokenizerJsonTest, WhatIsNotKnownIsDescribed) {
  const auto described = [](std::string_view steps) {
    return DescribePreTokenizer(json::object{{"pre_tokenizer", json::parse(steps)}});
  };
  EXPECT_EQ(described("null"), "none");
  EXPECT_EQ(described(R"({"type":"Split","pattern":{"Regex":"x+"},"behavior":"Isolated"})"),
            "Split x+");
  EXPECT_EQ(described(R"({"type":"Split","pattern":{"Regex":"x"},"behavior":"MergedWithNext"})"),
            "Split (MergedWithNext) x");
  EXPECT_EQ(
      described(R"({"type":"Sequence","pretokenizers":[{"type":"Digits"},{"type":"Other"},3]})"),
      "Digits together, Other, Sequence");
  EXPECT_EQ(described(R"({"type":"ByteLevel","use_regex":false})"), "a space before texts");
}

}  // namespace
}  // namespace cairn::model
