// SPDX-License-Identifier: Apache-2.0
#include "apps/word_wrap.h"

#include <gtest/gtest.h>

#include <clocale>
#include <random>

namespace cairn::apps {
namespace {

class WordWrapTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(std::setlocale(LC_CTYPE, "C.UTF-8"), nullptr); }
};

std::string InPieces(std::string_view text, std::size_t size, int columns) {
  WordWrap wrap;
  std::string out;
  for (; !text.empty(); text.remove_prefix(std::min(size, text.size()))) {
    out += wrap.Push(text.substr(0, size), columns);
  }
  return out + wrap.Flush(columns);
}

TEST_F(WordWrapTest, WordThatDoesNotFitBeginsTheNextLine) {
  EXPECT_EQ(Wrapped("one two three four five six seven", 20), "one two three four\nfive six seven");
}

TEST_F(WordWrapTest, PiecesOfAnySizeGiveTheSameText) {
  const std::string text =
      "It is a truth universally acknowledged, that a single man in possession\n  of a good "
      "fortune must be in want of a wife.\n\n- item\n";
  const std::string whole = Wrapped(text, 30);
  for (std::size_t size = 1; size < 40; ++size) EXPECT_EQ(InPieces(text, size, 30), whole) << size;
}

TEST_F(WordWrapTest, NoLineIsWiderThanTheTerminal) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::string text;
    for (int i = 0; i < 60; ++i) text.append(1 + random() % 30, 'x').append(1 + random() % 2, ' ');
    const int columns = 20 + static_cast<int>(random() % 60);
    const std::string out = InPieces(text, 1 + random() % 9, columns);
    std::size_t width = 0;
    for (const char c : out) {
      width = c == '\n' ? 0 : width + 1;
      ASSERT_LT(width, static_cast<std::size_t>(columns)) << out;
    }
  }
}

TEST_F(WordWrapTest, WordLongerThanTheLineIsBrokenAndKept) {
  const std::string word(50, 'y');
  std::string out = Wrapped("a " + word, 20);
  std::erase(out, '\n');
  std::erase(out, ' ');
  EXPECT_EQ(out, "a" + word);
}

TEST_F(WordWrapTest, WideCharactersCountTwiceAndBreakAnywhere) {
  std::string text;
  for (int i = 0; i < 12; ++i) text += "\u4F60";
  const std::string line = text.substr(0, 27);  // 9 characters, 18 columns
  EXPECT_EQ(Wrapped(text, 20), line + "\n" + text.substr(27));
}

TEST_F(WordWrapTest, CodeIsLeftWhole) {
  const std::string code = "  return a_function_with_a_name(of_many, arguments);";
  std::string out = Wrapped("```c\n" + code + "\n```\nand then words go on\n", 30);
  const std::size_t at = out.find(" \r");  // where the terminal has reached its last column
  ASSERT_NE(at, std::string::npos);
  out.erase(at, 2);
  EXPECT_NE(out.find(code), std::string::npos) << out;
  EXPECT_TRUE(out.ends_with("```\nand then words go on\n")) << out;
}

TEST_F(WordWrapTest, ControlCharactersDoNotReachTheTerminal) {
  EXPECT_EQ(Wrapped("a\033[2Jb\a\r\nc\td", 80), "a\uFFFD[2Jb\uFFFD\nc    d");
  EXPECT_EQ(Wrapped("\u009B", 80), "\uFFFD");
}

TEST_F(WordWrapTest, LastColumnsKeepsWholeCharacters) {
  EXPECT_EQ(LastColumns("abc", 5), "abc");
  EXPECT_EQ(LastColumns("abc", 2), "bc");
  EXPECT_EQ(LastColumns("\u4F60\u597Dx", 4), "\u597Dx");
  EXPECT_EQ(LastColumns("\u4F60", 1), "");
  EXPECT_EQ(LastColumns("", 3), "");
  EXPECT_EQ(LastColumns("abc", -1), "");
}

TEST_F(WordWrapTest, WordIsShownAtOnceWhereThereIsRoom) {
  WordWrap wrap;
  EXPECT_EQ(wrap.Push("Hel", 80), "Hel");
  EXPECT_EQ(wrap.Push("lo", 80), "lo");
  EXPECT_EQ(wrap.lines(), 0);
  EXPECT_EQ(wrap.Push("\n", 80), "\n");
  EXPECT_EQ(wrap.lines(), 1);
}

}  // namespace
}  // namespace cairn::apps
