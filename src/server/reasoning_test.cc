// SPDX-License-Identifier: Apache-2.0
#include "server/reasoning.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

const ReasoningMarks kMarks{"<think>", "</think>"};

// The parts of a text that comes in pieces of so many bytes.
ReasoningSplitter::Parts Split(std::string_view text, bool begun, std::size_t piece) {
  ReasoningSplitter splitter(kMarks, begun);
  ReasoningSplitter::Parts all;
  const auto add = [&](const ReasoningSplitter::Parts& parts) {
    EXPECT_TRUE(all.content.empty() || parts.reasoning.empty()) << "thoughts come first";
    all.reasoning += parts.reasoning;
    all.content += parts.content;
  };
  for (std::size_t at = 0; at < text.size(); at += piece)
    add(splitter.Push(text.substr(at, piece)));
  add(splitter.Finish());
  return all;
}

TEST(ReasoningTest, ThoughtsAndContentAreToldApartHoweverTheTextComes) {
  struct Case {
    std::string_view text;
    bool begun;
    std::string_view reasoning, content;
  };
  const Case table[] = {
      {"<think>\na < b\n</think>\n\nYes.\n", false, "a < b", "Yes.\n"},
      {"\n <think>x</think>y", false, "x", "y"},
      {"a</thin b </think>y", true, "a</thin b", "y"},
      {"\n\na\n\nb\n</think>\ny </think> z", true, "a\n\nb", "y </think> z"},
      {"<think></think>y", false, "", "y"},
      {"<think>\n\n</think>\n\ny", false, "", "y"},
      {"never closed </thi", true, "never closed </thi", ""},
      {"<think>never\n ", false, "never", ""},
      {" plain <think>no</think>", false, "", " plain <think>no</think>"},
      {"<thin", false, "", "<thin"},
      {"  ", false, "", "  "},
      {"", false, "", ""},
      {"", true, "", ""},
  };
  for (const Case& c : table) {
    for (std::size_t piece = 1; piece <= 9; ++piece) {
      const auto parts = Split(c.text, c.begun, piece);
      EXPECT_EQ(parts.reasoning, c.reasoning) << c.text << " by " << piece;
      EXPECT_EQ(parts.content, c.content) << c.text << " by " << piece;
    }
  }
}

TEST(ReasoningTest, TextIsToldAsSoonAsItCanBeNoMark) {
  ReasoningSplitter splitter(kMarks, true);
  EXPECT_EQ(splitter.Push("one ").reasoning, "one");
  EXPECT_EQ(splitter.Push("two</").reasoning, " two");
  EXPECT_EQ(splitter.Push("b").reasoning, "</b");
  EXPECT_EQ(splitter.Push("</think>").content, "");
  EXPECT_EQ(splitter.Push("\nsaid ").content, "said ");
}

TEST(ReasoningTest, MarksAreFoundInTemplatesAndAtTheEndOfPrompts) {
  EXPECT_FALSE(ReasoningMarksOf("{{ messages }}"));
  const auto marks = ReasoningMarksOf("{{ content.split('</think>')[-1] }}");
  ASSERT_TRUE(marks);
  EXPECT_EQ(marks->begin, "<think>");
  EXPECT_TRUE(BeginsThoughts("<|assistant|><think>\n", *marks));
  EXPECT_FALSE(BeginsThoughts("<think>\n\n</think>\n\n", *marks));
  EXPECT_FALSE(BeginsThoughts("\n", *marks));
}

}  // namespace
}  // namespace cairn::server
