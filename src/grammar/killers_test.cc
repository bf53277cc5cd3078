// SPDX-License-Identifier: Apache-2.0
// Forms that are made to hurt: refused, and little memory is asked for. Their times stand in
// docs/structured-output.md.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>

#include "grammar/answer_form.h"
#include "grammar/matcher.h"
#include "testing/allocation_meter.h"

namespace cairn::grammar {
namespace {

std::string Times(std::size_t count, std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

std::string Numbered(std::size_t count, const std::function<std::string(std::size_t)>& text) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text(i);
  return out;
}

struct Killer {
  const char* name;
  AnswerForm form;
};

std::vector<Killer> Killers() {
  std::vector<Killer> all{
      {"60,000 groups inside one another",
       {FormKind::kRegex, Times(60'000, "(") + "a" + Times(60'000, ")")}},
      {"60,000 groups in a grammar",
       {FormKind::kGrammar, "root ::= " + Times(60'000, "(") + "\"a\"" + Times(60'000, ")")}},
      {"60,000 groups in a grammar of Lark's",
       {FormKind::kLark, "start: " + Times(60'000, "(") + "\"a\"" + Times(60'000, ")")}},
      {"60,000 groups one after the other", {FormKind::kRegex, Times(60'000, "(a)")}},
      {"a chain of 5,000 rules",
       {FormKind::kGrammar, fmt::format("root ::= r0\n{}r5000 ::= \"c\"\n",
                                        Numbered(5'000,
                                                 [](std::size_t i) {
                                                   return fmt::format("r{} ::= \"a\" r{} \"b\"\n",
                                                                      i, i + 1);
                                                 }))}},
      {"a chain of 5,000 references",
       {FormKind::kJsonSchema,
        fmt::format(R"({{"$ref": "#/$defs/r0", "$defs": {{{}"r5000": {{"type": "null"}}}}}})",
                    Numbered(5'000,
                             [](std::size_t i) {
                               return fmt::format(
                                   R"("r{}": {{"items": {{"$ref": "#/$defs/r{}"}}}},)", i, i + 1);
                             }))}},
      {"3,000 arrays inside one another",
       {FormKind::kJsonSchema, Times(3'000, R"({"items":)") + "true" + Times(3'000, "}")}},
      {"3,000 arrays in an enum",
       {FormKind::kJsonSchema, R"({"enum": [)" + Times(3'000, "[") + Times(3'000, "]") + "]}"}},
      {"a giant count", {FormKind::kRegex, "a{1000000000}"}},
      {"a giant count in Lark", {FormKind::kLark, "start: \"a\"~1000000000"}},
      {"a chain of 5,000 terminals",
       {FormKind::kLark,
        Numbered(5'000,
                 [](std::size_t i) { return fmt::format("A{}: \"a\" A{} \"b\"\n", i, i + 1); }) +
            "A5000: \"c\"\nstart: A0\n"}},
      {"a giant count of items", {FormKind::kJsonSchema, R"({"minItems": 4000000000})"}},
      {"left recursion through rules",
       {FormKind::kGrammar,
        "root ::= a\n" + std::string("a ::= b \"x\" | \"y\"\nb ::= a | \"z\"\n")}},
      {"left recursion behind what may be empty",
       {FormKind::kGrammar, "root ::= \"a\"? root \"b\" | \"c\""}},
      {"a million listed values",
       {FormKind::kJsonSchema,
        R"({"enum": [)" + Numbered(1'000'000, [](std::size_t i) { return fmt::format("{},", i); }) +
            "0]}"}},
      {"references that double",
       {FormKind::kJsonSchema,
        fmt::format(R"({{"$ref": "#/$defs/r0", "$defs": {{{}"r45": {{"type": "null"}}}}}})",
                    Numbered(45,
                             [](std::size_t i) {
                               const std::string next =
                                   fmt::format(R"({{"$ref": "#/$defs/r{}"}})", i + 1);
                               return fmt::format(R"("r{}": {{"allOf": [{}, {}]}},)", i, next,
                                                  next);
                             }))}},
      {"a reference to itself with more beside it",
       {FormKind::kJsonSchema,
        R"({"type": "object", "properties": {"a": {"$ref": "#", "minProperties": 1}, "b": {"$ref":
            "#", "maxProperties": 9}}})"}},
      {"repetitions of repetitions",
       {FormKind::kRegex, Times(150, "((") + "a" + Times(150, "|b)*c)*")}},
      {"classes that fall into many ranges",
       {FormKind::kRegex, Times(20'000, "[^\\x01\\x03\u00e9\\u4e00-\\u9fff]")}},
  };
  return all;
}

TEST(KillersTest, AreRefusedWithLittleMemory) {
  for (const Killer& killer : Killers()) {
    const testing::AllocationMeter meter;
    const auto grammar = CompileForm(killer.form);
    if (testing::AllocationMeter::Counts()) {
      EXPECT_LE(meter.largest_bytes(), std::size_t{32} << 20) << killer.name;
    }
    ASSERT_FALSE(grammar) << killer.name;
    EXPECT_FALSE(grammar.error().message.empty());
    EXPECT_LT(grammar.error().message.size(), 700u) << killer.name;
  }
}

// What may be compiled must not explode when it is used either.
TEST(KillersTest, AmbiguityIsFollowedOrRefused) {
  constexpr TokenId kLetter = 1 + 'a';
  std::vector<std::string> tokens{"<end>"};
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  tokens.emplace_back(30, 'a');
  const auto trie = std::make_shared<TokenTrie>(tokens, std::vector<TokenId>{0});
  for (const AnswerForm& form :
       std::vector<AnswerForm>{{FormKind::kRegex, Times(12, "(") + "a" + Times(12, ")*")},
                               {FormKind::kRegex, "(a|a|aa|aaa){1,100000}(a{1,1000}){1,1000}"},
                               {FormKind::kRegex, Times(12, "(") + "a" + Times(12, "){2,3}")},
                               {FormKind::kRegex, Times(300, "a?") + Times(300, "a{0,500}")},
                               {FormKind::kRegex, "(.*a.*b.*){50}(a|b|ab|ba){1,500}"},
                               {FormKind::kGrammar, "root ::= s\ns ::= \"a\" s s | \"a\""}}) {
    const auto grammar = CompileForm(form);
    ASSERT_TRUE(grammar) << form.text.substr(0, 60) << grammar.error().message;
    Matcher matcher(std::make_shared<Masks>(*grammar, trie));
    for (int i = 0; i < 300; ++i) {
      const auto mask = matcher.Mask();
      if (!mask || !(*mask)->Has(kLetter)) break;  // it says so, or the text is complete
      matcher.Accept(kLetter);
    }
  }
}

}  // namespace
}  // namespace cairn::grammar
