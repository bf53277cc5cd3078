// SPDX-License-Identifier: Apache-2.0
// Against ids made by `tokenizers` and `sentencepiece` (tests/golden/tokenizer/, made by
// scripts/make_tokenizer_fixtures.py), for small vocabularies in the tree and, where the model
// folder has them, for the real ones; then the rules that those libraries have no say in.
#include "model/tokenizer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <thread>

#include "base/mapped_file.h"
#include "model/char_map.h"
#include "model/pre_tokenizer.h"
#include "model/pre_tokenizer_table.h"
#include "model/utf8.h"

namespace cairn::model {
namespace {

using Ids = std::vector<std::int32_t>;

const std::string kGolden = CAIRN_SOURCE_DIR "/tests/golden/tokenizer/";

struct Loaded {
  MappedFile file;
  Tokenizer tokenizer;
};

Result<Loaded> Load(const std::string& path) {
  MappedFile file = OR_RETURN(MappedFile::Open(path));
  const Gguf gguf = OR_RETURN(Gguf::Parse(file.bytes()));
  Tokenizer tokenizer = OR_RETURN(Tokenizer::Create(OR_RETURN(ReadVocabulary(gguf))));
  return Loaded{std::move(file), std::move(tokenizer)};
}

Loaded Golden(const std::string& name) {
  Result<Loaded> loaded = Load(kGolden + name + ".gguf");
  EXPECT_TRUE(loaded.has_value()) << loaded.error().message;
  return std::move(*loaded);
}

std::vector<std::pair<std::string, Ids>> Cases(const std::string& name) {
  std::ifstream in(kGolden + name + ".json");
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  std::vector<std::pair<std::string, Ids>> cases;
  const boost::json::value file = boost::json::parse(text);
  for (const boost::json::value& one : file.at("texts").as_array()) {
    cases.emplace_back(one.at("text").as_string(), boost::json::value_to<Ids>(one.at("ids")));
  }
  return cases;
}

std::string Replaced(std::string_view text) {
  std::string out;
  AppendWellFormed(text, out);
  return out;
}

void ExpectGolden(const Tokenizer& tokenizer, const std::string& name, std::size_t count) {
  const auto cases = Cases(name);
  ASSERT_EQ(cases.size(), count);
  for (const auto& [text, ids] : cases) {
    const Result<Ids> got = tokenizer.Encode(text, false);
    ASSERT_TRUE(got.has_value()) << got.error().message;
    EXPECT_EQ(*got, ids) << text;
    StreamDecoder stream(tokenizer);
    std::string streamed;
    for (const std::int32_t id : ids) streamed += stream.Push(id);
    streamed += stream.Finish();
    EXPECT_EQ(streamed, Replaced(tokenizer.Decode(ids, false)));
  }
}

class SmallVocabularyTest : public ::testing::TestWithParam<const char*> {};

TEST_P(SmallVocabularyTest, TextGetsTheIdsOfTheLibrary) {
  const Loaded loaded = Golden(GetParam());
  ExpectGolden(loaded.tokenizer, GetParam(), 100);
}

INSTANTIATE_TEST_SUITE_P(Golden, SmallVocabularyTest,
                         ::testing::Values("byte_bpe", "pieces", "unknown", "unigram", "piece_bpe",
                                           "rwkv", "plamo2", "borders_gpt2", "borders_smollm",
                                           "word_piece", "word_piece_cased"));

TEST(PreTokenizerTest, EveryPatternCutsTheWordsOfTheLibrary) {
  std::ifstream in(kGolden + "pre_tokenizers.json");
  const boost::json::value file =
      boost::json::parse(std::string{std::istreambuf_iterator<char>(in), {}});
  const auto& texts = file.at("texts").as_array();
  const auto& words = file.at("words").as_object();
  ASSERT_GE(words.size(), 28u);
  for (const auto& [name, expected] : words) {
    const auto pre = PreTokenizer::Create(std::string_view(name));
    ASSERT_TRUE(pre.has_value()) << pre.error().message;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      Ids bytes;
      const auto split = pre->Split(texts[i].as_string(), [&](std::string_view word) {
        bytes.push_back(static_cast<std::int32_t>(word.size()));
      });
      ASSERT_TRUE(split.has_value()) << split.error().message;
      EXPECT_EQ(bytes, boost::json::value_to<Ids>(expected.at(i))) << name << ": " << texts[i];
    }
  }
}

TEST(PreTokenizerTest, EveryRowCutsLongRunsInNoTime) {
  for (const PreTokenizerRow& row : PreTokenizerRows()) {
    const auto pre = PreTokenizer::Create(row.name);
    ASSERT_TRUE(pre.has_value()) << pre.error().message;
    for (const std::string_view unit :
         {"a", "A", " ", "\n", "1", "\t ", "'", "\xE6\xBC\xA2", "a ", "\xCC\x81"}) {
      std::string text;
      while (text.size() < 200'000) text += unit;
      text += "x";
      std::size_t bytes = 0;
      const auto split = pre->Split(text, [&](std::string_view word) { bytes += word.size(); });
      ASSERT_TRUE(split.has_value()) << row.name << ": " << split.error().message;
      EXPECT_EQ(bytes, text.size()) << row.name;
    }
  }
}

class RealVocabularyTest : public ::testing::TestWithParam<const char*> {};

TEST_P(RealVocabularyTest, TextGetsTheIdsOfTheLibrary) {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  std::string folder = variable("CAIRN_HOME");
  if (folder.empty() && !variable("XDG_CACHE_HOME").empty()) {
    folder = variable("XDG_CACHE_HOME") + "/cairn";
  }
  if (folder.empty()) folder = variable("HOME") + "/.cache/cairn";
  const std::string path = folder + "/" + GetParam() + ".gguf";
  const Result<Loaded> loaded = Load(path);
  if (!loaded && loaded.error().code == ErrorCode::kNotFound) {
    GTEST_SKIP() << path << " is missing; cairn pull " << GetParam() << " fetches it";
  }
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  ExpectGolden(loaded->tokenizer, GetParam(), 300);
}

INSTANTIATE_TEST_SUITE_P(Golden, RealVocabularyTest, ::testing::Values("smollm2", "gemma3"));

TEST(TokenizerTest, DecodingByteLevelIdsGivesEveryByteBack) {
  const Loaded loaded = Golden("byte_bpe");
  for (const auto& [text, ids] : Cases("byte_bpe")) {
    EXPECT_EQ(loaded.tokenizer.Decode(*loaded.tokenizer.Encode(text, false), false), text);
  }
}

TEST(TokenizerTest, DecodingPiecesGivesTheTextAfterItsSpace) {
  const Loaded loaded = Golden("pieces");
  for (const std::string text : {"Anne Elliot", "  two\n\n\nlines ", "<b>\xF0\x9F\x98\x80</b>"}) {
    EXPECT_EQ(loaded.tokenizer.Decode(*loaded.tokenizer.Encode(text, false), false),
              fmt::format(" {}", text));
  }
}

// --- special tokens ------------------------------------------------------------------------------

class SpecialTokensTest : public ::testing::TestWithParam<const char*> {
 protected:
  SpecialTokensTest() : loaded_(Golden(GetParam())), t_(loaded_.tokenizer) {
    pieces_ = std::string(GetParam()) == "pieces";
    control_ = pieces_ ? "<turn>" : "<|im_start|>";
    user_ = pieces_ ? "<b>" : "<tool>";
  }
  std::int32_t IdOf(std::string_view text) const {
    for (std::int32_t id = 0; id < t_.size(); ++id) {
      if (t_.Piece(id) == text) return id;
    }
    return -1;
  }
  Ids Encode(std::vector<TextPart> parts) const { return *t_.Encode(parts, false); }
  static bool Has(const Ids& ids, std::int32_t id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  }

  Loaded loaded_;
  const Tokenizer& t_;
  bool pieces_ = false;
  std::string control_, user_;
};

TEST_P(SpecialTokensTest, ControlTokenInParsedPartIsOneId) {
  const std::string text = control_ + "x" + control_;
  const Ids ids = Encode({{text, true}});
  EXPECT_EQ(ids.front(), IdOf(control_));
  EXPECT_EQ(ids.back(), IdOf(control_));
  EXPECT_FALSE(Has(Ids(ids.begin() + 1, ids.end() - 1), IdOf(control_)));
}

TEST_P(SpecialTokensTest, ControlTokenInMessageStaysText) {
  const std::string message = fmt::format("a{}b", control_);
  const Ids ids = Encode({{control_, true}, {message, false}, {control_, true}});
  EXPECT_EQ(std::count(ids.begin(), ids.end(), IdOf(control_)), 2);
  EXPECT_NE(t_.Decode(ids, false).find(message), std::string::npos);
}

TEST_P(SpecialTokensTest, ControlTokenAcrossBorderOfPartsStaysText) {
  for (std::size_t cut = 1; cut < control_.size(); ++cut) {
    const std::string_view text = control_;
    EXPECT_FALSE(
        Has(Encode({{text.substr(0, cut), true}, {text.substr(cut), true}}), IdOf(control_)));
  }
}

TEST_P(SpecialTokensTest, TextIsOneTextOverBordersOfParts) {
  const std::string owner = fmt::format("persuasion  and\n\n{} caf\xC3\xA9 don't 1234", user_);
  const std::string_view text = owner;
  const Ids whole = Encode({{text, false}});
  EXPECT_TRUE(Has(whole, IdOf(user_)));
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    if (cut < text.size() && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) continue;
    EXPECT_EQ(Encode({{text.substr(0, cut), cut % 2 == 0}, {text.substr(cut), cut % 3 == 0}}),
              whole)
        << cut;
  }
}

TEST_P(SpecialTokensTest, ControlTokensAreWrittenOnlyOnRequest) {
  const Ids ids = {IdOf(control_), IdOf(user_), -1, t_.size(), 1 << 30};
  EXPECT_EQ(t_.Decode(ids, false), user_);
  EXPECT_EQ(t_.Decode(ids, true), control_ + user_);
  EXPECT_TRUE(t_.IsControl(ids[0]));
  EXPECT_FALSE(t_.IsControl(ids[1]));
  EXPECT_FALSE(t_.IsControl(-1));
}

TEST_P(SpecialTokensTest, EndOfGenerationIsTheEndTokenAndWellKnownControlTokens) {
  EXPECT_TRUE(t_.IsEndOfGeneration(*t_.vocabulary().eos));
  EXPECT_TRUE(t_.IsEndOfGeneration(IdOf(pieces_ ? "<end_of_turn>" : "<|im_end|>")));
  EXPECT_FALSE(t_.IsEndOfGeneration(IdOf(control_)));
  EXPECT_FALSE(t_.IsEndOfGeneration(t_.size()));
}

INSTANTIATE_TEST_SUITE_P(Kinds, SpecialTokensTest, ::testing::Values("byte_bpe", "pieces"));

// --- rules of single kinds -----------------------------------------------------------------------

// A byte-level vocabulary of a few words besides the bytes.
Vocabulary Bytes(std::vector<std::string_view> more, std::vector<std::string_view> merges) {
  static const std::vector<std::string> kBytes = [] {
    std::vector<std::string> bytes;
    for (int b = 33; b < 127; ++b) bytes.push_back(std::string(1, static_cast<char>(b)));
    bytes.push_back("\xC4\xA0");  // a space
    bytes.push_back("\xC4\x8A");  // a line end
    return bytes;
  }();
  Vocabulary v{.kind = TokenizerKind::kByteBpe, .pre = "llama-bpe"};
  v.tokens.assign(kBytes.begin(), kBytes.end());
  v.tokens.insert(v.tokens.end(), more.begin(), more.end());
  v.types.assign(v.tokens.size(), TokenType::kNormal);
  v.merges = std::move(merges);
  return v;
}

TEST(WholeWordsTest, WordThatIsATokenIsNotMergedOnlyWhereAskedFor) {
  for (const bool whole : {false, true}) {
    Vocabulary v = Bytes({"ab", "abc"}, {"a b"});
    v.whole_words = whole;
    const std::int32_t word = static_cast<std::int32_t>(v.tokens.size()) - 1;
    const auto t = Tokenizer::Create(std::move(v));
    ASSERT_TRUE(t.has_value()) << t.error().message;
    EXPECT_EQ(*t->Encode("abc", false), whole ? Ids{word} : (Ids{word - 1, 'c' - 33})) << whole;
  }
}

TEST(StripTest, SpecialTokenTakesTheWhiteSpaceBesideItAlong) {
  Vocabulary v = Bytes({"<|user|>", "<mask>"}, {});
  const auto size = static_cast<std::int32_t>(v.tokens.size());
  v.types[v.types.size() - 1] = v.types[v.types.size() - 2] = TokenType::kControl;
  v.strip_after = {size - 2};
  v.strip_before = {size - 1};
  const auto t = Tokenizer::Create(std::move(v));
  ASSERT_TRUE(t.has_value()) << t.error().message;
  EXPECT_EQ(*t->Encode("a <|user|> \n b", false, true), (Ids{64, 94, size - 2, 65}));
  EXPECT_EQ(*t->Encode("a \n<mask> b", false, true), (Ids{64, size - 1, 94, 65}));
  // Over the border of parts too, where the message begins with white space.
  const TextPart parts[] = {{"<|user|>\n", true}, {" b", false}};
  EXPECT_EQ(*t->Encode(parts, false), (Ids{size - 2, 65}));
}

TEST(HarmonyTest, EndOfAMessageIsNoEndOfAnAnswerWhereReturnIs) {
  for (const bool harmony : {false, true}) {
    Vocabulary v = Bytes({"<|end|>", harmony ? "<|return|>" : "<|x|>", "<|call|>"}, {});
    const auto end = static_cast<std::int32_t>(v.tokens.size()) - 3;
    for (int i = 0; i < 3; ++i) v.types[static_cast<std::size_t>(end + i)] = TokenType::kControl;
    const auto t = Tokenizer::Create(std::move(v));
    ASSERT_TRUE(t.has_value()) << t.error().message;
    EXPECT_EQ(t->IsEndOfGeneration(end), !harmony);
    EXPECT_TRUE(t->IsEndOfGeneration(end + 2));
  }
}

TEST(ToolMarksTest, ControlTokensAroundCallsAreWrittenButNotReadFromMessages) {
  Vocabulary v = Bytes({"[TOOL_CALLS]", "[INST]"}, {});
  const auto size = static_cast<std::int32_t>(v.tokens.size());
  v.types[v.types.size() - 1] = v.types[v.types.size() - 2] = TokenType::kControl;
  const auto t = Tokenizer::Create(std::move(v));
  ASSERT_TRUE(t.has_value()) << t.error().message;
  const Ids ids = {size - 2, size - 1, 'a' - 33};
  EXPECT_EQ(t->Decode(ids, false), "[TOOL_CALLS]a");
  EXPECT_EQ(t->Decode(ids, true), "[TOOL_CALLS][INST]a");
  EXPECT_EQ(StreamDecoder(*t).Push(size - 2), "[TOOL_CALLS]");
  EXPECT_TRUE(t->IsControl(size - 2));
  EXPECT_EQ(t->Encode("[TOOL_CALLS]", false)->size(), 12u);
  EXPECT_EQ(*t->Encode("[TOOL_CALLS]", false, true), Ids{size - 2});
}

TEST(CharMapTest, DamagedMapIsAnErrorOrMapsNothing) {
  const Loaded loaded = Golden("unigram");
  const auto whole = loaded.tokenizer.vocabulary().char_map;
  ASSERT_GT(whole.size(), 1000u);
  for (const std::size_t size : {1, 3, 4, 5, 100}) {
    EXPECT_FALSE(CharMap::Create(whole.subspan(0, size)).has_value()) << size;
  }
  std::vector<std::byte> map(whole.begin(), whole.end());
  std::uint32_t random = 1;
  for (int i = 0; i < 2000; ++i) {
    random = random * 1664525 + 1013904223;
    map[4 + random % (map.size() - 4)] ^= std::byte{static_cast<unsigned char>(1 + random % 255)};
    const auto damaged = CharMap::Create(map);
    ASSERT_TRUE(damaged.has_value());
    for (const std::string_view text : {"\xEF\xAC\x81", "A", "\xE3\x8E\x8F x"}) {
      EXPECT_LE(damaged->Longest(text).bytes, text.size());
    }
  }
}

// --- UTF-8 ---------------------------------------------------------------------------------------

TEST(Utf8Test, MaximalIllFormedPiecesBecomeOneReplacementEach) {
  // The right column is Python's bytes.decode("utf-8", "replace").
  const std::pair<std::string_view, int> kCases[] = {
      {"\xff\xfe", 2},     {"\xc0\x80", 2},
      {"\xe1\x80", 1},     {"\xe1\x80\xe1\x80", 2},
      {"\xed\xa0\x80", 3}, {"\xf0\x80\x80", 3},
      {"\xf0\x9f\x98", 1}, {"\xf4\x90\x80\x80", 4},
      {"\x80", 1},         {"\xe2\x82\xe2\x82\xac", 1},
  };
  for (const auto& [text, count] : kCases) {
    const std::string out = Replaced(fmt::format("<{}>", text));
    int found = 0;
    for (std::size_t at = out.find(kReplacement); at != std::string::npos;
         at = out.find(kReplacement, at + 3)) {
      ++found;
    }
    EXPECT_EQ(found, count) << testing::PrintToString(text);
    EXPECT_EQ(out.front(), '<');
    EXPECT_EQ(out.back(), '>');
  }
}

TEST(TokenizerTest, IllFormedTextGetsTheIdsOfItsReplacement) {
  for (const char* name : {"byte_bpe", "pieces"}) {
    const Loaded loaded = Golden(name);
    const std::string_view text("a\xff\xe1\x80 b\0c\n", 9);
    EXPECT_EQ(*loaded.tokenizer.Encode(text, false),
              *loaded.tokenizer.Encode(Replaced(text), false));
  }
}

TEST(StreamDecoderTest, CharacterOfFourTokensComesWhole) {
  const Loaded loaded = Golden("byte_bpe");
  const Ids ids = *loaded.tokenizer.Encode("\xF0\x9F\x98\x80", false);
  ASSERT_EQ(ids.size(), 4u);
  StreamDecoder stream(loaded.tokenizer);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(stream.Push(ids[static_cast<std::size_t>(i)]), "");
  EXPECT_EQ(stream.Push(ids[3]), "\xF0\x9F\x98\x80");
  EXPECT_EQ(stream.Finish(), "");
}

TEST(StreamDecoderTest, UnfinishedCharacterIsReplacedAtTheEnd) {
  const Loaded loaded = Golden("byte_bpe");
  const Ids ids = *loaded.tokenizer.Encode("\xF0\x9F\x98\x80", false);
  StreamDecoder stream(loaded.tokenizer);
  EXPECT_EQ(stream.Push(ids[0]), "");
  EXPECT_EQ(stream.Push(ids[1]), "");
  EXPECT_EQ(stream.Finish(), kReplacement);
  EXPECT_EQ(stream.Finish(), "");
}

// --- size ----------------------------------------------------------------------------------------

// Each token has a character of its own before a space mark: a list that is searched for each of
// them takes minutes.
TEST(TokenizerTest, ManyCharactersBeforeMarksLoadInNoTime) {
  std::vector<std::string> texts = {"<unk>"};
  for (char32_t c = 0x10000; texts.size() < 200'000; ++c) {
    const auto byte = [&](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3f)); };
    texts.push_back({static_cast<char>(0xf0 | c >> 18), byte(12), byte(6), byte(0)});
    texts.back() += "\xE2\x96\x81";
  }
  Vocabulary v{.kind = TokenizerKind::kSentencePiece,
               .tokens = {texts.begin(), texts.end()},
               .scores = std::vector<float>(texts.size()),
               .types = std::vector<TokenType>(texts.size(), TokenType::kNormal)};
  v.types[0] = TokenType::kUnknown;
  v.unknown = 0;
  const auto tokenizer = Tokenizer::Create(std::move(v));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_EQ(*tokenizer->Encode(texts[7] + texts[9], false), (std::vector<std::int32_t>{7, 9}));
}

TEST(TokenizerTest, LongRunOfOneLetterDecodesToItself) {
  for (const char* name : {"byte_bpe", "pieces"}) {
    const Loaded loaded = Golden(name);
    const std::string text(1 << 20, 'a');
    const Ids ids = *loaded.tokenizer.Encode(text, false);
    EXPECT_TRUE(loaded.tokenizer.Decode(ids, false).ends_with(text));
  }
}

TEST(TokenizerTest, ManyThreadsGetTheSameIds) {
  const Loaded loaded = Golden("pieces");
  const auto cases = Cases("pieces");
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (const auto& [text, ids] : cases) wrong += *loaded.tokenizer.Encode(text, false) != ids;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace cairn::model
