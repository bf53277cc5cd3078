// SPDX-License-Identifier: Apache-2.0
// Against Jinja2 (tests/golden/*.json, made by scripts/compare_templates.py), then what Jinja2 does
// not have: provenance and budgets.
#include "model/chat_template.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

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
  int differences = 0;
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
    if (++differences > 5000) break;
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
