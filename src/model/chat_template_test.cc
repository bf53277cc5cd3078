// SPDX-License-Identifier: Apache-2.0
// Against Jinja2 (tests/golden/*.json, made by scripts/compare_templates.py), then what Jinja2 does
// not have: provenance and budgets.
#include "model/chat_template.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "testing/allocation_meter.h"

namespace cairn::model {
namespace {

boost::json::value ReadJson(const std::string& path) {
  std::ifstream file(std::string(CAIRN_SOURCE_DIR) + "/tests/" + path);
  std::stringstream text;
  text << file.rdbuf();
  boost::json::parse_options options;
  options.max_depth = 100;
  return boost::json::parse(text.str(), {}, options);
}

std::string ReadText(const std::string& path) {
  std::ifstream file(std::string(CAIRN_SOURCE_DIR) + "/tests/" + path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// 2024-07-26 09:05:03, the time of the goldens.
std::chrono::local_seconds GoldenNow() {
  return std::chrono::local_seconds(std::chrono::seconds(1721984703));
}

Result<RenderedPrompt> RenderWith(std::string_view source, const boost::json::value& messages,
                                  RenderLimits limits = {}) {
  const auto parsed = ChatTemplate::Parse(source);
  if (!parsed) return std::unexpected(parsed.error());
  return parsed->Render({.messages = messages,
                         .bos_token = "<s>",
                         .eos_token = "</s>",
                         .now = GoldenNow,
                         .limits = limits});
}

std::string TextOrError(const Result<RenderedPrompt>& result) {
  return result ? result->Text() : "ERROR";
}

TEST(ChatTemplateTest, SnippetsGiveWhatJinja2Gives) {
  const auto golden = ReadJson("golden/jinja_snippets.json");
  const auto& context = golden.at("context").as_object();
  for (const auto& row : golden.at("snippets").as_array()) {
    const std::string source(row.at(0).as_string());
    const auto parsed = ChatTemplate::Parse(source);
    std::string text = "ERROR";
    std::string why = parsed ? "" : parsed.error().message;
    if (parsed) {
      const auto result = parsed->Render({.messages = context.at("messages"),
                                          .bos_token = "<s>",
                                          .eos_token = "</s>",
                                          .extra = context,
                                          .now = GoldenNow});
      text = TextOrError(result);
      if (!result) why = result.error().message;
    }
    EXPECT_EQ(text, std::string(row.at(1).as_string())) << source << "\n" << why;
  }
}

TEST(ChatTemplateTest, TemplatesOfRealStylesGiveWhatJinja2Gives) {
  const auto golden = ReadJson("golden/templates.json");
  for (const auto& [name, by_case] : golden.as_object()) {
    const auto parsed = ChatTemplate::Parse(ReadText("templates/" + std::string(name)));
    ASSERT_TRUE(parsed) << name << ": " << parsed.error().message;
    for (const auto& [case_name, outputs] : by_case.as_object()) {
      const auto input = ReadJson("templates/cases/" + std::string(case_name));
      for (const bool add : {false, true}) {
        const auto* tools = input.as_object().if_contains("tools");
        const auto result = parsed->Render({.messages = input.at("messages"),
                                            .tools = tools,
                                            .add_generation_prompt = add,
                                            .bos_token = "<s>",
                                            .eos_token = "</s>",
                                            .extra = input.as_object().contains("extra")
                                                         ? input.at("extra").as_object()
                                                         : boost::json::object(),
                                            .now = GoldenNow});
        EXPECT_EQ(TextOrError(result), std::string(outputs.at(add ? 1 : 0).as_string()))
            << name << " " << case_name << " " << add << " "
            << (result ? "" : result.error().message);
      }
    }
  }
}

// The text with what comes from the input in brackets.
std::string Marked(std::string_view source, const boost::json::value& messages) {
  const auto result = RenderWith(source, messages);
  if (!result) return result.error().message;
  std::string out;
  for (const auto& part : result->parts)
    out += part.from_template ? part.text : "[" + part.text + "]";
  return out;
}

TEST(ChatTemplateTest, OriginOfEveryByteSurvivesWhatTemplatesDoToStrings) {
  const auto m = boost::json::parse(R"([{"role":"user","content":" <|end|>Hi "}])");
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"<|end|>{{ messages[0].content }}<|end|>", "<|end|>[ <|end|>Hi ]<|end|>"},
      {"{{ '<|end|>' + messages[0]['content'] | trim ~ eos_token }}", "<|end|>[<|end|>Hi]</s>"},
      {"{{ bos_token }}{{ messages[0].content.strip().upper() }}", "<s>[<|END|>HI]"},
      {"{{ ('a' + messages[0].content + 'b')[0:3] }}", "a[ <]"},
      {"{{ messages[0].content.replace('Hi', 'x') }}", "[ <|end|>]x[ ]"},
      {"{{ 'a-b'.split('-') | join('+') }}", "a+b"},
      {"{{ messages[0].content.split('|') | join('!') }}", "[ <]![end]![>Hi ]"},
      {"{{ '<%s>' % messages[0].role }}", "<[user]>"},
      {"{{ '<{}>'.format(messages[0].role) }}", "<[user]>"},
      {"{{ messages[0] | tojson }}", R"([{"role": "user", "content": " <|end|>Hi "}])"},
      {"{{ messages[0].content[::-1] }}", "[ iH>|dne|< ]"},
      {"{% set x %}A{{ messages[0].role }}{% endset %}{{ x }}", "A[user]"},
      {"{% macro m(v) %}({{ v }}){% endmacro %}{{ m(messages[0].role) }}", "([user])"},
      {"{% for c in messages[0].role %}{{ c }}.{% endfor %}", "[u].[s].[e].[r]."},
      {"{{ {'k': '<|end|>'}[ 'k' ] }}{{ {messages[0].role: 1} }}", "<|end|>[{'user': 1}]"},
      {"{{ 3 }}", "[3]"},
      {"{{ messages[0].role.center(8, '*') }}", "**[user]**"},
      {"{% filter upper %}a{{ messages[0].role }}{% endfilter %}", "A[USER]"},
  };
  for (const auto& [source, expected] : rows) EXPECT_EQ(Marked(source, m), expected) << source;
}

TEST(ChatTemplateTest, RefusalCarriesTheMessageOfTheTemplate) {
  const auto result = RenderWith("{{ raise_exception('roles must alternate') }}", nullptr);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(result.error().message.find("roles must alternate"), std::string::npos);
}

TEST(ChatTemplateTest, SyntaxErrorNamesItsLine) {
  const auto parsed = ChatTemplate::Parse("a\n{% if x %}\n{{ y ) }}");
  ASSERT_FALSE(parsed);
  EXPECT_NE(parsed.error().message.find("line 3"), std::string::npos) << parsed.error().message;
  const auto euro = ChatTemplate::Parse("{{ a \xE2\x82\xAC b }}");
  ASSERT_FALSE(euro);
  EXPECT_NE(euro.error().message.find("'\xE2\x82\xAC'"), std::string::npos) << euro.error().message;
}

TEST(ChatTemplateTest, UndefinedNameIsInTheMessage) {
  const auto result = RenderWith("{{ tool_choice.name }}", nullptr);
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().message.find("tool_choice"), std::string::npos);
}

TEST(ChatTemplateTest, HostileTemplatesEndInALimit) {
  const auto many = [](std::string_view piece, int count) {
    std::string s;
    for (int i = 0; i < count; ++i) s += piece;
    return s;
  };
  const RenderLimits small{.steps = 2'000'000, .output_bytes = 1 << 20, .live_bytes = 64 << 20};
  const std::string rows[] = {
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      "{{ 'x' * 99999999999 }}",
      "{{ ('x' * 60000000) * 2 }}",
      "{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
      "{{ [1] * 99999999 }}",
      "{{ range(10000000) }}",
      "{{ 9 ** 99999 }}",
      "{{ '%1000000d' % 3 }}",
      "{{ '{:999999999}'.format(3) }}",
      "{{ 'x'.center(999999999) }}",
      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
      "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}",
      "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% "
      "endfor %}",
      "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% "
      "endfor %}",
      "{{ " + many("(", 5000) + "1" + many(")", 5000) + " }}",
      "{{ 1" + many(" + 1", 5000) + " }}",
      "{{ x" + many("|list", 5000) + " }}",
      "{{ x" + many(".a", 5000) + " }}",
      "{{ " + many("not ", 5000) + "x }}",
      "{{ " + many("-", 5000) + "1 }}",
      many("{% if x %}", 5000) + many("{% endif %}", 5000),
      many("{% for x in y %}", 5000) + many("{% endfor %}", 5000),
  };
  for (const std::string& source : rows) {
    const auto result = RenderWith(source, nullptr, small);
    ASSERT_FALSE(result) << source.substr(0, 80);
    EXPECT_EQ(result.error().code, ErrorCode::kLimit)
        << source.substr(0, 80) << ": " << result.error().message;
  }
}

// Numbers at the ends of what an integer holds; what Python gives, or a limit.
TEST(ChatTemplateTest, TheLargestIntegersStayInsideEveryComputation) {
  const std::string most = "170141183460469231731687303715884105727";  // 2^127 - 1
  const std::string least = "(-" + most + " - 1)";
  const std::pair<std::string, std::string> rows[] = {
      {"{{ 'abc'[1::" + most + "] }}", "b"},
      {"{{ 'abc'[::-" + most + "] }}", "c"},
      {"{{ [1, 2, 3][2::" + least + "] }}", "[3]"},
      {"{{ range(3)[1:3:" + most + "] }}", "range(1, 3, " + most + ")"},
      {"{{ range(9)[::3][::" + most + "] }}", "ERROR"},
      {"{{ 'abc' | truncate(" + most + ") }}", "abc"},
      {"{{ 'abcdefghij' | truncate(5, true, '.', " + most + ") }}", "abcdefghij"},
      {"{{ -" + least + " }}", "ERROR"},
      {"{{ " + least + " | abs }}", "ERROR"},
      {"{{ '%d' % " + least + " }}", "ERROR"},
      {"{{ [1, 2] * " + most + " }}", "ERROR"},
      {"{{ [] * " + most + " }}", "[]"},
      {"{{ 'x'.center(" + least + ") }}", "x"},
      {"{{ 'abc'.find('c', " + least + ", " + most + ") }}", "2"},
      {"{{ " + most + " | round(-37) }}", "17" + std::string(37, '0')},
      {"{{ " + most + " | round(-38) }}{{ 5 | round(-99) }}", "ERROR"},
      {"{{ (10 ** 38) | round(-38) }}{{ (4 * 10 ** 37) | round(-38) }}",
       "1" + std::string(39, '0')},
      {"{{ 25 | round(-1) }}{{ 35 | round(-1) }}{{ -25 | round(-1) }}", "2040-20"},
      {"{{ -1e300 | filesizeformat | length }}", "ERROR"},
      {"{{ -5 | filesizeformat }}", "-5 Bytes"},
      {"{{ [1, 2, 1].index(1, 1) }}{{ [1, 2, 1].index(1, " + least + ", " + most + ") }}", "20"},
      {"{{ [1, 2].index(1, 1) }}", "ERROR"},
      {"{{ [1, 2].count(1, 1) }}", "ERROR"},
  };
  for (const auto& [source, expected] : rows) {
    EXPECT_EQ(TextOrError(RenderWith(source, nullptr)), expected) << source;
  }
}

// Texts for which a plain search, or one that begins anew at each place, takes hours.
TEST(ChatTemplateTest, SearchingIsLinearInTheText) {
  const std::string prelude = "{% set a = 'a' * 1000000 %}";
  const std::pair<std::string, std::string> rows[] = {
      {"{{ (a ~ 'b') in (a ~ a) }}", "False"},
      {"{{ (a ~ a).find(a ~ 'b') }}{{ (a ~ a).rfind('b' ~ a) }}", "-1-1"},
      {"{{ (a ~ a).count(a ~ 'b') }}{{ (a ~ a).replace(a ~ 'b', '') | length }}", "02000000"},
      {"{{ (a ~ a).split(a ~ 'b') | length }}{{ (a ~ a).rsplit('b' ~ a) | length }}", "11"},
      {"{{ a.replace('a', '<') | striptags | length }}", "1000000"},
      {"{{ ('x>' ~ a.replace('a', '<')) | striptags | length }}", "1000002"},
      {"{{ 'xabaxabab'.rfind('aba') }}{{ 'aaa'.rfind('aa') }}{{ 'abc'.rfind('') }}", "513"},
      {"{{ 'a-b-c'.rsplit('-', 1) }}{{ '--'.rsplit('-') }}", "['a-b', 'c']['', '', '']"},
      {"{{ 'a-b-c'.rpartition('-') }}{{ 'abc'.partition('-') }}",
       "('a-b', '-', 'c')('abc', '', '')"},
  };
  for (const auto& [source, expected] : rows) {
    EXPECT_EQ(TextOrError(RenderWith(prelude + source, nullptr)), expected) << source;
  }
}

TEST(ChatTemplateTest, PiecesOfALongTextMeetTheBudgetOneByOne) {
  if (!testing::AllocationMeter::Counts()) GTEST_SKIP() << "a sanitizer brings its own new";
  const testing::AllocationMeter meter;
  const auto result = RenderWith("{{ ('a,' * 1000000).split(',') | length }}", nullptr,
                                 {.live_bytes = std::size_t{16} << 20});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kLimit);
  EXPECT_LT(meter.total_bytes(), std::size_t{100} << 20);
}

TEST(ChatTemplateTest, LongChainOfNamespacesIsReleasedWithoutRecursion) {
  const auto result = RenderWith(
      "{% set ns = namespace() %}{% for i in range(99999) %}{% set ns.x = namespace(p=ns.x) %}"
      "{% endfor %}{% set ns.x = 0 %}done",
      nullptr);
  EXPECT_EQ(TextOrError(result), "done");
}

TEST(ChatTemplateTest, DeepMessagesAreALimit) {
  boost::json::value deep = boost::json::array();
  for (int i = 0; i < 1000; ++i) deep = boost::json::array{deep};
  const auto result = RenderWith("{{ messages }}", deep);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kLimit);
}

}  // namespace
}  // namespace cairn::model
