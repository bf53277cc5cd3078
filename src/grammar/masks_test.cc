// SPDX-License-Identifier: Apache-2.0
// Masks against the plain definition: a token may come where its bytes lead somewhere.
#include "grammar/masks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <random>

#include "grammar/answer_form.h"
#include "grammar/matcher.h"
#include "grammar/test_texts.h"
#include "grammar/tool_calls.h"

namespace cairn::grammar {
namespace {

constexpr TokenId kEnd = 0;

// All bytes, pieces of JSON, and random strings of bytes of JSON: short ones and a long one.
std::shared_ptr<const TokenTrie> Vocabulary() {
  std::vector<std::string> tokens{"<end>"};
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  for (const char* piece :
       {"{\"",   "\":",  "\": \"",   "\", \"", "\"}", "\"]",  "},{",    "null",       "true",
        "false", "name", "\"name\"", "age",    "  ",  "\n  ", "\u00e9", "\U0001f600", "\\n",
        "\\u",   "00",   "12",       "3.",     "e+",  "",     "aaaa"}) {
    tokens.emplace_back(piece);
  }
  constexpr std::string_view kBytes = "{}[]\",:0123456789.eE+-\\nabtrufls \n";
  std::mt19937 random(5);
  for (int i = 0; i < 600; ++i) {
    std::string token;
    for (unsigned size = 1 + random() % 6; size > 0; --size)
      token += kBytes[random() % kBytes.size()];
    tokens.push_back(token);
  }
  // Words: many tokens that are free inside strings, some with parts of characters.
  const std::vector<std::string> letters{"a",      "b",          "z",    "A", "Q", "\u00e9",
                                         "\u4e2d", "\U0001f600", "7",    " ", "-", ".",
                                         "\xc3",   "\xa9",       "\x7f", "\t"};
  for (int i = 0; i < 500; ++i) {
    std::string token;
    const std::size_t common = i % 3 == 0 ? letters.size() : 8;
    for (unsigned size = 1 + random() % 9; size > 0; --size) token += letters[random() % common];
    tokens.push_back(token);
  }
  tokens.emplace_back(40, 'a');
  tokens.emplace_back(300, 'b');
  for (const char* piece : {"<tool", "_call>", "<tool_call>{", "<<", "</think>", "[ARGS]{"}) {
    tokens.emplace_back(piece);
  }
  return std::make_shared<TokenTrie>(tokens, std::vector<TokenId>{kEnd});
}

AnswerForm Calls(const char* format, bool required) {
  return FormOfToolCalls(
      {.format = FindToolFormat(format),
       .tools = {{.name = "age",
                  .parameters = boost::json::parse(R"({"type": "object", "properties":
                                     {"a": {"type": "integer"}}, "required": ["a"]})")},
                 {.name = "aaaa", .parameters = boost::json::parse("{}")}},
       .required = required,
       .thoughts = ThoughtMarks{.begin = "<think>", .end = "</think>", .begun = !required}});
}

std::vector<AnswerForm> Forms() {
  const auto schema = [](const char* text) {
    return AnswerForm{.kind = FormKind::kJsonSchema, .text = text};
  };
  return {
      {.kind = FormKind::kJsonObject, .text = ""},
      schema(R"({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type":
        "integer", "minimum": 0, "maximum": 130}, "b": {"type": "boolean"}}, "required": ["name"]})"),
      schema(R"({"type": "array", "items": {"type": "string", "minLength": 2, "maxLength": 90},
        "minItems": 1, "maxItems": 60})"),
      schema(R"({"type": "object", "additionalProperties": {"type": ["number", "null"]}})"),
      schema(R"({"$defs": {"n": {"type": "object", "properties": {"next": {"anyOf": [{"$ref":
        "#/$defs/n"}, {"type": "null"}]}}, "required": ["next"]}}, "$ref": "#/$defs/n"})"),
      schema(R"({"type": "string", "pattern": "^(ab|a*b){2,70}c?$"})"),
      schema("{\"enum\": [\"a\", \"ab\", \"abc\", 1, 12, null, [1, 2], {\"a\": \"\u00e9\"}]}"),
      {.kind = FormKind::kRegex, .text = "(a{0,50}b?){1,50}|[^a]+"},
      {.kind = FormKind::kRegex, .text = "a{3,}|.*aaa"},
      {.kind = FormKind::kRegex, .text = "[a-z]{1,3}[a-z0-9]{5}x?"},
      {.kind = FormKind::kRegex, .text = "[a-zA-Z]{2,9}(\\.[a-zA-Z]{1,4})*"},
      {.kind = FormKind::kRegex, .text = "[^\u00e9]{1,12}-.*"},
      {.kind = FormKind::kRegex, .text = "(.[a-z]*)+"},
      {.kind = FormKind::kRegex, .text = "b{1,299}|b{301,}"},
      schema(R"({"type": "string", "maxLength": 6})"),
      schema(R"({"type": "array", "items": {"type": "string", "format": "email"}})"),
      schema(R"({"type": "object", "properties": {"aa": {"type": "null"}, "ab": true},
        "additionalProperties": {"type": "string"}})"),
      Calls("hermes", false),
      Calls("hermes", true),
      Calls("mistral", true),
      Calls("mistral-args", true),
      {.kind = FormKind::kChoices, .text = "[\"true\", \"truely\", \"false\", \"no \u00e9\"]"},
      {.kind = FormKind::kGrammar,
       .text = "root ::= (e \"\\n\")*\ne ::= e [+-] t | t\nt ::= [0-9]+ | \"[\" e \"]\""},
  };
}

TEST(MasksTest, EveryMaskIsWhatTheBytesSay) {
  const auto trie = Vocabulary();
  std::mt19937 random(3);
  for (const AnswerForm& form : Forms()) {
    const auto grammar = CompileForm(form);
    ASSERT_TRUE(grammar) << form.text << ": " << grammar.error().message;
    const auto masks = std::make_shared<Masks>(*grammar, trie);
    for (int walk = 0; walk < 12; ++walk) {
      Matcher matcher(masks);
      Configurations places(**grammar);
      std::string text;
      for (int step = 0; step < 60 && !matcher.finished(); ++step) {
        const auto mask = matcher.Mask();
        ASSERT_TRUE(mask) << mask.error().message;
        const NodeId here = Walk(places, text);
        std::vector<TokenId> may;
        for (TokenId id = 0; id < static_cast<TokenId>(trie->size()); ++id) {
          bool taken = id == kEnd && places.Accepts(here);
          if (const auto bytes = trie->BytesOf(id); !bytes.empty()) {
            NodeId node = here;
            for (const char byte : bytes)
              node = places.StepByte(node, static_cast<unsigned char>(byte));
            taken = node != Configurations::kDead;
          }
          ASSERT_EQ((*mask)->Has(id), taken) << form.text << " after '" << text << "', token " << id
                                             << " '" << trie->BytesOf(id) << "'";
          if (taken && id != kEnd) may.push_back(id);
        }
        EXPECT_EQ(matcher.complete(), places.Accepts(here));
        if (may.empty()) break;
        const TokenId token = may[random() % may.size()];
        matcher.Accept(token);
        text += trie->BytesOf(token);
      }
      EXPECT_EQ(matcher.complete(), places.Accepts(Walk(places, text)));
    }
  }
}

TEST(MasksTest, TextsAreFreeUpToTheirBoundAndNoFurther) {
  const auto free_at = [](const char* pattern, std::uint32_t ahead) {
    const auto grammar = CompileForm({.kind = FormKind::kRegex, .text = pattern});
    Configurations places(**grammar);
    FreeTexts texts(places, [](NodeId node) { return node; });
    return texts.At(places.start(), ahead);
  };
  const KindSet words = KindOf('a') | KindOf('A') | KindOf(' ') | kNotAscii;
  const FreeText all = free_at("[^\"]*", 20);
  EXPECT_EQ(all.kinds & words, words);
  EXPECT_EQ(all.kinds & (KindOf('"') | kNoCharacter), 0u);
  EXPECT_EQ(all.characters, kEndless);
  const FreeText short_one = free_at("[^\"]{1,5}", 20);
  EXPECT_EQ(short_one.kinds, all.kinds);
  EXPECT_EQ(short_one.characters, 5u);
  EXPECT_TRUE(short_one.only);
  EXPECT_EQ(free_at("[^\"]{1,50}", 20).characters, 20u);
  EXPECT_FALSE(free_at("[^\"]{1,50}", 20).only);
  // After a letter another kind may come: longer texts of letters cannot, others can.
  EXPECT_TRUE(free_at("[a-z]{3}[0-9]", 20).only);
  EXPECT_EQ(free_at("[a-z]{3}[0-9]", 20).characters, 3u);
  EXPECT_FALSE(free_at("[a-z]{3}[a-m]", 20).only);
  // What \\ begins is not free, what stands beside it is.
  const FreeText escaped = free_at(R"(([^"\\]|\\[nt"\\])*)", 20);
  EXPECT_EQ(escaped.kinds & words, words);
  EXPECT_EQ(escaped.kinds & KindOf('\\'), 0u);
  EXPECT_EQ(escaped.characters, kEndless);
  EXPECT_EQ(free_at("[a-y]*", 20).kinds, 0u);
  EXPECT_EQ(free_at("[^\u00e9]*", 20).kinds & words, words & ~kNotAscii);
  EXPECT_EQ(free_at("(ab)*", 20).kinds, 0u);
}

TEST(MasksTest, AFullSpaceGoesOnInANewOne) {
  const auto trie = Vocabulary();
  const auto grammar = CompileForm({.kind = FormKind::kJsonObject, .text = ""});
  ASSERT_TRUE(grammar);
  Masks one(*grammar, trie), two(*grammar, trie);
  const NodeId node = one.Advance(one.start(), R"({"a": [1, {"b": ")");
  const NodeId copy = one.CopyTo(node, two);
  const auto before = one.MaskOf(node), after = two.MaskOf(copy);
  EXPECT_TRUE(std::ranges::equal(before->words(), after->words()));
  EXPECT_TRUE(two.Accepts(two.Advance(copy, R"("}]})")));
}

TEST(MasksTest, ForcedTextIsWhatMustCome) {
  const auto trie = Vocabulary();
  const auto grammar =
      CompileForm({.kind = FormKind::kJsonSchema,
                   .text = R"({"type": "object", "properties": {"name": {"type": "string"}},
                   "required": ["name"], "additionalProperties": false})"});
  ASSERT_TRUE(grammar);
  Masks masks(*grammar, trie);
  EXPECT_EQ(masks.Forced(masks.start(), 64), "{");  // then white space may come
  const NodeId name = masks.Advance(masks.start(), "{\"");
  EXPECT_EQ(masks.Forced(name, 64), "name\"");
  EXPECT_EQ(masks.Forced(name, 3), "nam");
}

TEST(MasksTest, FarCountsShareTheirMasks) {
  const auto trie = Vocabulary();
  const auto grammar =
      CompileForm({.kind = FormKind::kJsonSchema,
                   .text = R"({"type": "array", "items": {"type": "string", "maxLength": 1000000},
                              "maxItems": 100000})"});
  ASSERT_TRUE(grammar);
  Masks masks(*grammar, trie);
  const NodeId first = masks.Advance(masks.start(), "[\"\",\"" + std::string(10, 'x'));
  const NodeId later =
      masks.Advance(masks.start(), "[\"a\",\"b\",\"c\",\"" + std::string(900, 'x'));
  EXPECT_NE(first, later);
  EXPECT_EQ(masks.MaskOf(first), masks.MaskOf(later));
}

}  // namespace
}  // namespace cairn::grammar
