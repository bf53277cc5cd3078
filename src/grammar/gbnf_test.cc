// SPDX-License-Identifier: Apache-2.0
#include "grammar/gbnf.h"

#include <gtest/gtest.h>

#include "grammar/test_texts.h"

namespace cairn::grammar {
namespace {

void Expect(std::string_view text, std::vector<std::string_view> taken,
            std::vector<std::string_view> refused) {
  const auto grammar = CompileGbnf(text);
  ASSERT_TRUE(grammar) << text << ": " << grammar.error().message;
  for (const auto t : taken) EXPECT_TRUE(Takes(*grammar, t)) << text << " on " << t;
  for (const auto t : refused) EXPECT_FALSE(Takes(*grammar, t)) << text << " on " << t;
}

TEST(GbnfTest, EveryPartIsTaken) {
  Expect("root ::= \"a\" [b-d] | \"\\x41\\n\" other # more\nother ::= (\"x\" | \"y\")+ .?",
         {"ab", "ad", "A\nx", "A\nxy\u00e9"}, {"ae", "A\n", "a"});
  Expect("root ::= [^a-z\\n]{2,3}", {"AB", "1\u00e92"}, {"A", "ab", "ABCD"});
  Expect("root ::= \"a\"{2} \"b\"{1,} \"c\"{,2}", {"aab", "aabbcc"}, {"ab", "aabccc"});
  Expect("root ::=\n  \"a\"\n  | \"b\" |\n \"c\"\n\nother ::= \"d\"", {"a", "b", "c"}, {"d"});
  Expect("root ::= (\n \"a\" # first\n \"b\"\n)*", {"", "abab"}, {"a"});
}

// As in llama.cpp's folder of grammars.
constexpr std::string_view kArithmetic = R"GBNF(root  ::= (expr "=" ws term "\n")+
expr  ::= term ([-+*/] term)*
term  ::= ident | num | "(" ws expr ")" ws
ident ::= [a-z] [a-z0-9_]* ws
num   ::= [0-9]+ ws
ws    ::= [ \t\n]*
)GBNF";

TEST(GbnfTest, ArithmeticNests) {
  Expect(kArithmetic, {"a=1\n", "(a+b)*3=c\n", "1+2=3\nx_1-(y)=0\n"}, {"a=1", "a+=1\n", "(a=1\n"});
}

TEST(GbnfTest, LeftRecursionOfARuleIsARepetition) {
  Expect("root ::= e\ne ::= e \"+\" t | e \"-\" t | t\nt ::= [0-9]", {"1", "1+2-3"},
         {"", "+1", "1+", "12"});
}

TEST(GbnfTest, NestingGoesDeep) {
  const auto grammar = CompileGbnf("root ::= \"(\" root \")\" | \"x\"");
  ASSERT_TRUE(grammar);
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '(') + "x" + std::string(depth, ')');
  };
  EXPECT_TRUE(Takes(*grammar, nested(400)));
  EXPECT_FALSE(Takes(*grammar, nested(400) + ")"));
  EXPECT_FALSE(MayBegin(*grammar, std::string(600, '(')));  // the bound on open calls
}

TEST(GbnfTest, WhatIsWrongIsSaidWithItsLine) {
  for (const auto& [text, named] : std::vector<std::pair<std::string, std::string>>{
           {"", "root"},
           {"other ::= \"a\"", "root"},
           {"root ::= missing", "missing"},
           {"root ::= \"a\"\nroot ::= \"b\"", "line 2"},
           {"root = \"a\"", "::="},
           {"root ::= \"a", "literal"},
           {"root ::= [a", "["},
           {"root ::= (\"a\"", "("},
           {"root ::= \"a\" )", "')'"},
           {"root ::= \"\\q\"", "\\q"},
           {"root ::= \"a\"{3,1}", "counts"},
           {"root ::= \"a\"{2000000}", "1048576"},
           {"root ::= a\na ::= b \"x\"\nb ::= a | \"y\"", "left recursion"},
           {"root ::= root \"a\"", "no text"}}) {
    const auto grammar = CompileGbnf(text);
    ASSERT_FALSE(grammar) << text;
    EXPECT_NE(grammar.error().message.find(named), std::string::npos)
        << text << ": " << grammar.error().message;
  }
}

}  // namespace
}  // namespace cairn::grammar
