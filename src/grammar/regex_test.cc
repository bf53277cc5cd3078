// SPDX-License-Identifier: Apache-2.0
#include "grammar/regex.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <random>
#include <regex>

#include "grammar/answer_form.h"
#include "grammar/test_texts.h"

namespace cairn::grammar {
namespace {

Result<std::shared_ptr<const Grammar>> Compile(std::string_view pattern) {
  return CompileForm({.kind = FormKind::kRegex, .text = std::string(pattern)});
}

void Expect(std::string_view pattern, std::vector<std::string_view> taken,
            std::vector<std::string_view> refused) {
  const auto grammar = Compile(pattern);
  ASSERT_TRUE(grammar) << pattern << ": " << grammar.error().message;
  for (const auto text : taken) EXPECT_TRUE(Takes(*grammar, text)) << pattern << " on " << text;
  for (const auto text : refused) EXPECT_FALSE(Takes(*grammar, text)) << pattern << " on " << text;
}

TEST(RegexTest, EveryPartIsTaken) {
  Expect("abc", {"abc"}, {"", "ab", "abcd"});
  Expect("a|bc|", {"a", "bc", ""}, {"b", "abc"});
  Expect("(a|b)*c", {"c", "abac"}, {"ab", "cc"});
  Expect("a+?b??", {"a", "aab"}, {"b", "abb"});
  Expect("a{2}b{1,}c{0,2}", {"aab", "aabbbcc"}, {"ab", "aac", "aabccc"});
  Expect("[a-cx]", {"a", "c", "x"}, {"d", "", "ax"});
  Expect("[^a-c]", {"d", "\u00e9", "\n"}, {"a", ""});
  Expect(R"([\d\-\]]+)", {"1-2]"}, {"a"});
  Expect(R"(\d\w\s)", {"1_ ", "9z\t"}, {"a_ ", "1- "});
  Expect(R"(\D\W\S)", {"a-b"}, {"1-b", "aab"});
  Expect(".", {"a", "\u00e9", "\U0001f600"}, {"\n", "ab", ""});
  Expect(R"(\x41\u00e9\u{1F600}\n)", {"A\u00e9\U0001f600\n"}, {"A"});
  Expect(R"(\.\*\(\))", {".*()"}, {"a*()"});
  Expect("^a$", {"a"}, {"aa"});
  Expect("(?:a)(?<n>b)(?P<m>c)", {"abc"}, {"ab"});
  Expect("x{a}", {"x{a}"}, {"xa"});
  Expect("[\u00e0-\u00fd]{3}", {"\u00e9\u00e0\u00ef"}, {"abc", "\u00e9\u00e0"});
}

TEST(RegexTest, WhatIsNotTakenIsNamed) {
  for (const auto& [pattern, named] :
       std::vector<std::pair<std::string, std::string>>{{"(?=a)", "look-around"},
                                                        {"(?<!a)b", "look-around"},
                                                        {R"((a)\1)", "\\1"},
                                                        {R"(\bfoo)", "\\b"},
                                                        {R"(\p{L})", "\\p"},
                                                        {"a++", "possessive"},
                                                        {"a^b", "^"},
                                                        {"[[:alpha:]]", "POSIX"},
                                                        {"(a", "("},
                                                        {"a)", ")"},
                                                        {"[a", "["},
                                                        {"*a", "repeat"},
                                                        {"a{3,2}", "counts"},
                                                        {"a{9999999}", "1048576"},
                                                        {"a\\", "\\"},
                                                        {"[b-a]", "range"},
                                                        {"[]", "no text"}}) {
    const auto grammar = Compile(pattern);
    ASSERT_FALSE(grammar) << pattern;
    EXPECT_NE(grammar.error().message.find(named), std::string::npos)
        << pattern << ": " << grammar.error().message;
  }
}

// Random expressions over two letters against the standard library's.
TEST(RegexTest, RandomExpressionsMatchWhatTheLibraryMatches) {
  std::mt19937 random(11);
  const auto below = [&](unsigned n) { return random() % n; };
  const std::function<std::string(int)> expression = [&](int depth) -> std::string {
    const auto kind = below(depth > 0 ? 8u : 3u);
    if (kind < 3) return std::array{"a", "b", "[ab]"}[kind];
    const std::string one = expression(depth - 1);
    switch (kind) {
      case 3: return one + expression(depth - 1);
      case 4: return fmt::format("({}|{})", one, expression(depth - 1));
      case 5: return fmt::format("({})*", one);
      case 6: return fmt::format("({})?", one);
      default: {
        const auto least = below(3);
        return fmt::format("({}){{{},{}}}", one, least, least + below(20));
      }
    }
  };
  for (int i = 0; i < 150; ++i) {
    const std::string pattern = expression(4);
    const auto grammar = Compile(pattern);
    ASSERT_TRUE(grammar) << pattern << ": " << grammar.error().message;
    Configurations places(**grammar);
    const std::regex reference(pattern,
                               std::regex::ECMAScript | std::regex_constants::__polynomial);
    for (int size = 0; size <= 7; ++size) {
      for (int bits = 0; bits < 1 << size; ++bits) {
        std::string text;
        for (int at = 0; at < size; ++at) text += (bits >> at & 1) != 0 ? 'a' : 'b';
        ASSERT_EQ(places.Accepts(Walk(places, text)), std::regex_match(text, reference))
            << pattern << " on " << text;
      }
    }
  }
}

TEST(RegexTest, LengthsJoinOneRepeatedClass) {
  EXPECT_EQ(WithLengths("^[a-z]+$", 3, 5), "^[a-z]{3,5}$");
  EXPECT_EQ(WithLengths("^\\d{2,4}$", 3, kEndless), "^\\d{3,4}$");
  EXPECT_EQ(WithLengths("^.*$", 0, 7), "^.{0,7}$");
  EXPECT_EQ(WithLengths("^[\\]a]*$", 1, kEndless), "^[\\]a]{1,}$");
  EXPECT_FALSE(WithLengths("^ab+$", 1, 2));
  EXPECT_FALSE(WithLengths("[a-z]+", 1, 2));
  EXPECT_FALSE(WithLengths("^[a-z]+|b$", 1, 2));
  Expect("^[a-z]{3,5}$", {"abc"}, {"ab"});
}

}  // namespace
}  // namespace cairn::grammar
