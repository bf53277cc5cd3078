// SPDX-License-Identifier: Apache-2.0
#include "grammar/lark.h"

#include <gtest/gtest.h>

#include "grammar/answer_form.h"
#include "grammar/test_texts.h"

namespace cairn::grammar {
namespace {

void Expect(std::string_view text, std::vector<std::string_view> taken,
            std::vector<std::string_view> refused) {
  const auto grammar = CompileLark(text);
  ASSERT_TRUE(grammar) << text << ": " << grammar.error().message;
  for (const auto t : taken) EXPECT_TRUE(Takes(*grammar, t)) << text << " on " << t;
  for (const auto t : refused) EXPECT_FALSE(Takes(*grammar, t)) << text << " on " << t;
}

TEST(LarkTest, EveryPartIsTaken) {
  Expect("start: \"a\" B? c*  // more\nB: /[b-d]/i\nc: \"x\" | \"\\x41\\u00e9\"\n",
         {"a", "aB", "acx", "axA\u00e9x"}, {"b", "abb", "xa"});
  Expect("start: \"a\"..\"c\" \"yes\"i", {"ayes", "cYeS"}, {"dyes", "ayep"});
  Expect("start: \"a\"~2 \"b\"~1..2 \"c\"{2,} \"d\"{,1} \"e\"{2}", {"aabccee", "aabbcccdee"},
         {"aabcee", "abccee", "aabccddee", "aabcce"});
  Expect("start: [\"a\" \"b\"] (\"c\"\n | \"d\")+", {"abc", "cd"}, {"ab", "ac"});
  Expect("!start: _part -> one\n  | \"z\" -> two\n?_part: X\nX: Y \"!\" | /\\/+/\nY: \"y\"",
         {"y!", "z", "//"}, {"y", "!"});
}

TEST(LarkTest, LeftRecursionIsARepetition) {
  Expect(R"LARK(start: expr
?expr: expr "+" term -> add
     | expr "-" term
     | term
?term: NUMBER | "(" expr ")"
%import common.NUMBER
%import common.WS_INLINE
%ignore WS_INLINE
)LARK",
         {"1", "1+2-3.5e7", "( 1 + 2 )\t- 3 "}, {"", "1+", " 1", "1 2", "1\n+2"});
}

TEST(LarkTest, WhatIsIgnoredIsBounded) {
  const std::string blanks(kMostIgnoredBlanks, ' ');
  for (const std::string ignore : {"%ignore /\\s+/", "%ignore WS\n%import common.WS",
                                   "%import common (WS)\n%ignore WS\nWORD: /[a-z]+/"}) {
    Expect("start: \"a\" \"b\"\n" + ignore, {"ab", "a b", "a" + blanks + "b"},
           {"a" + blanks + " b", " ab"});
  }
  const std::string comment = "#x\n";
  std::string many;
  for (std::uint32_t i = 0; i < kMostIgnored; ++i) many += comment + "  ";
  Expect("start: \"a\" \"b\"\n%ignore /#[^\\n]*\\n/\n%ignore / +/",
         {"a  #x\n b #\n", "a" + many + "b"}, {"a" + many + comment + "b"});
}

TEST(LarkTest, TerminalsAreMatchedWholeAndIgnoreNothingInside) {
  Expect("start: PAIR \"!\"\nPAIR: \"a\" \"b\"\n%ignore \" \"", {"ab!", "ab ! "}, {"a b!"});
}

TEST(LarkTest, CommonTerminalsMatchWhatTheirNamesSay) {
  const auto expect = [](const std::string& name, std::vector<std::string_view> taken,
                         std::vector<std::string_view> refused) {
    Expect("start: X\n%import common." + name + " -> X", std::move(taken), std::move(refused));
  };
  expect("SIGNED_INT", {"-1", "+20", "3"}, {"1.0", "-"});
  expect("DECIMAL", {"1.", ".5", "1.5"}, {"1", "."});
  expect("SIGNED_FLOAT", {"-1.5", "1e3", ".5E-2"}, {"1", "e3"});
  expect("SIGNED_NUMBER", {"-1.5", "1e3", "7", "+.5"}, {"e3", "--1"});
  expect("ESCAPED_STRING", {R"("")", R"("a\"b")", R"("\\")"}, {R"("a)", R"("\")", "\"\n\""});
  expect("CNAME", {"_a1", "B"}, {"1a", "a-b"});
  expect("WORD", {"abC"}, {"a1"});
  expect("NEWLINE", {"\n", "\r\n\n"}, {"\r", " "});
  expect("C_COMMENT", {"/**/", "/* a * b **/"}, {"/*/", "/* */ */"});
  expect("CPP_COMMENT", {"// a"}, {"// a\n", "/ a"});
}

TEST(LarkTest, WhatIsWrongOrNotTakenIsSaid) {
  for (const auto& [text, named] : std::vector<std::pair<std::string, std::string>>{
           {"", "start"},
           {"other: \"a\"", "start"},
           {"start: missing", "missing is used and not defined"},
           {"start: \"a\"\nstart: \"b\"", "line 2: start is defined twice"},
           {"start \"a\"", "expected :"},
           {"start: \"a", "literal"},
           {"start: (\"a\"", "("},
           {"start: \"a\" )", "')'"},
           {"start: /a", "regular expression without its end"},
           {"start: /(?=a)/", "line 1: regular expression"},
           {"start: \"\\q\"", "\\q"},
           {"start: \"c\"..\"a\"", "range"},
           {"start: \"a\"~3..1", "counts"},
           {"start: \"a\"~2000000", "1048576"},
           {"start: A\nA: B\nB: A \"x\"", "refers to itself"},
           {"start: A\nA: b\nb: \"x\"", "the rule b"},
           {"start: a\na: b \"x\"\nb: a | \"y\"", "left recursion"},
           {"start.2: \"a\"", "priorities"},
           {"A.2: \"a\"\nstart: A", "priorities"},
           {"start: sep{\"a\", \",\"}", "templates"},
           {"sep{x}: x\nstart: \"a\"", "templates"},
           {"start[capture]: \"a\"", "attributes"},
           {"start: /a/s", "the flags s are not supported"},
           {"start: \"a\"x", "the flags x are not supported"},
           {"start: <|end|>", "special tokens"},
           {"start: %json {}", "a % inside a rule"},
           {"%declare A", "%declare is not supported"},
           {"%override start: \"a\"", "%override is not supported"},
           {"%llguidance {}", "%llguidance is not supported"},
           {"%import python.NAME", "common"},
           {"%import common.NOTHING", "common.NOTHING is not supported"}}) {
    const auto grammar = CompileLark(text);
    ASSERT_FALSE(grammar) << text;
    EXPECT_NE(grammar.error().message.find(named), std::string::npos)
        << text << ": " << grammar.error().message;
  }
}

TEST(LarkTest, IsToldFromGbnfByItsFirstStatement) {
  for (const char* lark : {"start: \"a\"", "// x\n\n%import common.INT\nstart: INT", "?start : A",
                           "# x\nA: /a/\nstart: A"}) {
    EXPECT_TRUE(LooksLikeLark(lark)) << lark;
  }
  for (const char* gbnf :
       {"root ::= \"a\"", "root::=\"a\"", "# start: x\na-b ::= [a:]", "", "root"}) {
    EXPECT_FALSE(LooksLikeLark(gbnf)) << gbnf;
  }
  for (const char* text : {"start: \"a\" \"b\"", "root ::= \"a\" \"b\""}) {
    const auto grammar = CompileForm({FormKind::kGrammar, text});
    ASSERT_TRUE(grammar) << text;
    EXPECT_TRUE(Takes(*grammar, "ab"));
  }
  EXPECT_FALSE(CompileForm({FormKind::kLark, "root ::= \"a\""}));
  EXPECT_FALSE(CompileForm({FormKind::kGbnf, "start: \"a\""}));
}

}  // namespace
}  // namespace cairn::grammar
