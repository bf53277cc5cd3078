// SPDX-License-Identifier: Apache-2.0
// Vocabularies that lie: each is an error that names its field.
#include "model/vocabulary.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <set>

#include "model/tokenizer.h"
#include "testing/gguf_writer.h"

namespace cairn::model {
namespace {

using testing::GgufWriter;

struct Fields {
  std::string model = "llama";
  std::vector<std::string> tokens = {"<unk>", "a", "b", "ab"};
  std::vector<float> scores = {0, -1, -2, -3};
  std::vector<std::int32_t> types = {2, 1, 1, 1};
  std::vector<std::string> merges = {"a b"};
  std::string pre = "gpt-2";
  std::int64_t bos = 1;
  std::int64_t unknown = 0;
};

Result<void> Make(const Fields& f) {
  GgufWriter w;
  w.Set("tokenizer.ggml.model", f.model);
  w.SetStrings("tokenizer.ggml.tokens", f.tokens);
  w.SetArray("tokenizer.ggml.token_type", f.types);
  w.SetArray("tokenizer.ggml.scores", f.scores);
  w.SetStrings("tokenizer.ggml.merges", f.merges);
  if (!f.pre.empty()) w.Set("tokenizer.ggml.pre", f.pre);
  w.Set("tokenizer.ggml.bos_token_id", f.bos);
  if (f.unknown != -1) w.Set("tokenizer.ggml.unknown_token_id", f.unknown);
  const std::vector<std::byte> file = w.Build();
  const Gguf gguf = OR_RETURN(Gguf::Parse(file));
  const Tokenizer tokenizer = OR_RETURN(Tokenizer::Create(OR_RETURN(ReadVocabulary(gguf))));
  const std::vector<std::int32_t> ids = OR_RETURN(tokenizer.Encode("abc", true));
  for (const std::int32_t id : ids) EXPECT_LT(id, tokenizer.size());
  return {};
}

TEST(VocabularyTest, HonestVocabulariesAreRead) {
  EXPECT_TRUE(Make({}).has_value()) << Make({}).error().message;
  EXPECT_TRUE(Make({.model = "gpt2"}).has_value()) << Make({.model = "gpt2"}).error().message;
  EXPECT_TRUE(Make({.tokens = {"<unk>", "a", "a", "a"}}).has_value());  // the first wins
  EXPECT_TRUE(Make({.tokens = {"<unk>", "", "", ""}}).has_value());
}

TEST(VocabularyTest, LieIsAnErrorThatNamesItsField) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::pair<Fields, const char*> kLies[] = {
      {{.model = "hybriddna"}, "hybriddna"},
      {{.tokens = {}, .scores = {}, .types = {}}, "0 tokens"},
      {{.scores = {0, 1}}, "tokenizer.ggml.scores"},
      {{.scores = {0, 1, nan, 0}}, "tokenizer.ggml.scores"},
      {{.types = {1}}, "tokenizer.ggml.token_type"},
      {{.types = {1, 1, 1, 7}}, "tokenizer.ggml.token_type"},
      {{.types = {1, 1, 1, -1}}, "tokenizer.ggml.token_type"},
      {{.bos = 4}, "tokenizer.ggml.bos_token_id"},
      {{.bos = -1}, "tokenizer.ggml.bos_token_id"},
      {{.unknown = std::int64_t{1} << 40}, "tokenizer.ggml.unknown_token_id"},
      {{.unknown = -1}, "tokenizer.ggml.unknown_token_id"},
      {{.model = "gpt2", .merges = {"a b", "a c"}}, "tokenizer.ggml.merges' entry 1"},
      {{.model = "gpt2", .merges = {"ab"}}, "tokenizer.ggml.merges' entry 0"},
      {{.model = "gpt2", .merges = {""}}, "tokenizer.ggml.merges' entry 0"},
      {{.model = "gpt2", .merges = {"b a"}}, "tokenizer.ggml.merges' entry 0"},
      {{.model = "gpt2", .tokens = {"w", "xx", "yy", "zz"}, .merges = {}, .pre = "klingon"},
       "'klingon' is not known; --pre NAME takes a known one instead: gpt-2, llama-bpe"},
      {{.model = "gpt2", .pre = ""}, "names no pre-tokenizer"},
      {{.model = "t5", .unknown = 9}, "tokenizer.ggml.unknown_token_id"},
      {{.model = "rwkv", .tokens = {"\\xf", "a"}, .types = {1, 1}}, "entry 0 has a broken escape"},
      {{.model = "rwkv", .tokens = {"a", "b"}, .types = {1, 1}, .unknown = -1}, "lacks 254"},
      {{.model = "plamo2"}, "lacks 256 of the 256 byte tokens"},
      {{.model = "t5", .tokens = {"<unk>", "a", std::string(2000, 'x'), "b"}}, "entry 2 has 2000"},
      {{.model = "gpt2", .tokens = {"ww", "xx", "yy", "zz"}, .merges = {}}, "single byte"},
      {{.tokens = {"a", "b", "c", std::string(300, 'x')}, .types = {1, 1, 1, 3}}, "entry 3"},
  };
  for (const auto& [fields, expected] : kLies) {
    const Result<void> result = Make(fields);
    ASSERT_FALSE(result.has_value()) << expected;
    EXPECT_NE(result.error().message.find(expected), std::string::npos) << result.error().message;
  }
}

TEST(VocabularyTest, ForcedPreTokenizerReplacesTheOneThatTheFileNames) {
  GgufWriter w;
  w.Set("tokenizer.ggml.model", "gpt2");
  w.SetStrings("tokenizer.ggml.tokens", std::vector<std::string>{"a"});
  w.SetStrings("tokenizer.ggml.merges", std::vector<std::string>{});
  w.Set("tokenizer.ggml.pre", "klingon");
  const std::vector<std::byte> file = w.Build();
  const Gguf gguf = *Gguf::Parse(file);
  EXPECT_FALSE(ReadVocabulary(gguf).has_value());
  EXPECT_FALSE(ReadVocabulary(gguf, "romulan").has_value());
  const auto forced = ReadVocabulary(gguf, "tekken");
  ASSERT_TRUE(forced.has_value()) << forced.error().message;
  EXPECT_EQ(forced->pre, "tekken");
  EXPECT_TRUE(forced->whole_words);
}

}  // namespace
}  // namespace cairn::model
