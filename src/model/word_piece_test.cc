// SPDX-License-Identifier: Apache-2.0
// The rules of WordPiece on a vocabulary made by hand; whole texts are compared with the library's
// ids in tokenizer_test.cc.
#include "model/word_piece.h"

#include <gtest/gtest.h>

#include <string>

#include "model/bert_characters.h"
#include "model/tokenizer.h"

namespace cairn::model {
namespace {

using Ids = std::vector<std::int32_t>;

enum : std::int32_t {
  kUnknown,
  kBegin,
  kSeparator,
  kUn,
  kAffable,
  kAff,
  kA,
  kInA,
  kComma,
  kIdeograph
};

Vocabulary Small() {
  Vocabulary v{.kind = TokenizerKind::kWordPiece,
               .tokens = {"[UNK]", "[CLS]", "[SEP]", "\u2581un", "affable", "aff", "\u2581a", "a",
                          "\u2581,", "\u2581\u6f22"},
               .types = std::vector<TokenType>(10, TokenType::kNormal),
               .bos = kBegin,
               .eos = kSeparator,
               .unknown = kUnknown,
               .add_bos = true,
               .add_eos = true,
               .lower_case = true};
  for (const std::size_t id : {0u, 1u, 2u}) v.types[id] = TokenType::kControl;
  return v;
}
Ids Encoded(std::string_view text, bool add_special = false, bool lower_case = true) {
  Vocabulary v = Small();
  v.lower_case = lower_case;
  const auto tokenizer = Tokenizer::Create(std::move(v));
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return *tokenizer->Encode(text, add_special);
}

TEST(WordPieceTest, LongestTokensComeFirst) {
  EXPECT_EQ(Encoded("unaffable"), (Ids{kUn, kAffable}));
  EXPECT_EQ(Encoded("unaffa"), (Ids{kUn, kAff, kInA}));
}

TEST(WordPieceTest, WordThatCannotBeSpelledIsOneUnknownToken) {
  EXPECT_EQ(Encoded("unaffx a"), (Ids{kUnknown, kA}));
  EXPECT_EQ(Encoded("affable"), (Ids{kUnknown})) << "no token begins a word so";
}

TEST(WordPieceTest, WordOfOverAHundredCharactersIsUnknown) {
  EXPECT_EQ(Encoded(std::string(100, 'a')).size(), 100u);
  EXPECT_EQ(Encoded(std::string(101, 'a')), (Ids{kUnknown}));
  EXPECT_EQ(Encoded(std::string(1 << 20, 'a') + " a"), (Ids{kUnknown, kA}));
}

TEST(WordPieceTest, PunctuationAndIdeographsAreWords) {
  EXPECT_EQ(Encoded("un,a\u6f22un"), (Ids{kUn, kComma, kA, kIdeograph, kUn}));
}

TEST(WordPieceTest, AccentsAndCapitalsGoWhereTheModelIsUncased) {
  EXPECT_EQ(Encoded("\u00dcN a\u0301"), (Ids{kUn, kA}));
  EXPECT_EQ(Encoded("\u00dcN a", false, false), (Ids{kUnknown, kA}));
}

TEST(WordPieceTest, ControlCharactersVanishAndWhiteSpaceSeparates) {
  EXPECT_EQ(Encoded(std::string_view("u\0n\u200b\u3000a", 10)), (Ids{kUn, kA}));
}

TEST(WordPieceTest, MarkWrittenInAWordIsNoBeginOfAWord) {
  EXPECT_EQ(Encoded("a\u2581un"), (Ids{kUnknown}));
}

TEST(WordPieceTest, BeginAndEndTokensStandAroundTheText) {
  EXPECT_EQ(Encoded("un", true), (Ids{kBegin, kUn, kSeparator}));
  EXPECT_EQ(Encoded("", true), (Ids{kBegin, kSeparator}));
}

TEST(WordPieceTest, ControlTokenWrittenInTheTextStaysText) {
  EXPECT_EQ(Encoded("[CLS]"), (Ids{kUnknown, kUnknown, kUnknown}));
}

TEST(WordPieceTest, PiecesDecodeToTheirWords) {
  const auto tokenizer = Tokenizer::Create(Small());
  EXPECT_EQ(tokenizer->Decode(Ids{kBegin, kUn, kAffable, kComma, kA, kSeparator}, false),
            " unaffable , a");
}

TEST(BertCharactersTest, HangulSyllablesFallIntoTheirLetters) {
  const Folded folded = FoldForBert(0xD55C);  // han
  ASSERT_EQ(folded.count, 3);
  EXPECT_EQ(folded.characters, (std::array<std::uint32_t, 3>{0x1112, 0x1161, 0x11AB}));
}

}  // namespace
}  // namespace cairn::model
