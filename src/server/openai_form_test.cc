// SPDX-License-Identifier: Apache-2.0
#include "server/openai_form.h"

#include <gtest/gtest.h>

#include "server/openai_request.h"

namespace cairn::server {
namespace {

using grammar::FormKind;

Result<std::optional<RequiredForm>> Read(const std::string& members) {
  const auto body = OR_RETURN(ParseJson("{" + members + "}", kMostBodyBytes));
  return ReadForm(Members(body.get_object(), ""));
}

TEST(OpenAiFormTest, EveryMemberBecomesItsForm) {
  struct Row {
    const char* members;
    const char* member;
    FormKind kind;
    const char* text;
  };
  const Row rows[] = {
      {R"("response_format": {"type": "json_object"})", "response_format", FormKind::kJsonObject,
       ""},
      {R"("response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": false,
          "schema": {"type": "null"}}})",
       "response_format.json_schema.schema", FormKind::kJsonSchema, R"({"type":"null"})"},
      {R"("response_format": {"type": "json_object", "schema": {}})", "response_format.schema",
       FormKind::kJsonSchema, "{}"},
      {R"("structured_outputs": {"json": {"const": 1}})", "structured_outputs.json",
       FormKind::kJsonSchema, R"({"const":1})"},
      {R"("structured_outputs": {"json": "true"})", "structured_outputs.json",
       FormKind::kJsonSchema, "true"},
      {R"("structured_outputs": {"json_object": true})", "structured_outputs.json_object",
       FormKind::kJsonObject, ""},
      {R"("structured_outputs": {"choice": ["a", "b"]})", "structured_outputs.choice",
       FormKind::kChoices, R"(["a","b"])"},
      {R"("guided_regex": "a+")", "guided_regex", FormKind::kRegex, "a+"},
      {R"("guided_choice": ["a"])", "guided_choice", FormKind::kChoices, R"(["a"])"},
      {R"("grammar": "root ::= x")", "grammar", FormKind::kGrammar, "root ::= x"},
      {R"("guided_grammar": "start: x")", "guided_grammar", FormKind::kGrammar, "start: x"},
      {R"("grammar": {"syntax": "lark", "definition": "start: x"})", "grammar.definition",
       FormKind::kLark, "start: x"},
      {R"("structured_outputs": {"grammar": {"syntax": "ebnf", "definition": "root ::= x"}})",
       "structured_outputs.grammar.definition", FormKind::kGbnf, "root ::= x"},
      {R"("response_format": {"type": "grammar", "grammar": "start: x"})",
       "response_format.grammar", FormKind::kGrammar, "start: x"},
      {R"("response_format": {"type": "grammar", "syntax": "regex", "definition": "a+"})",
       "response_format.definition", FormKind::kRegex, "a+"},
      {R"("json_schema": {"type": "null"})", "json_schema", FormKind::kJsonSchema,
       R"({"type":"null"})"},
  };
  for (const Row& row : rows) {
    const auto form = Read(row.members);
    ASSERT_TRUE(form && *form) << row.members;
    EXPECT_EQ((*form)->member, row.member);
    EXPECT_EQ((*form)->form.kind, row.kind) << row.members;
    EXPECT_EQ((*form)->form.text, row.text);
  }
  for (const char* none : {R"("response_format": {"type": "text"})", R"("grammar": "")",
                           R"("structured_outputs": {})", R"("guided_json": null)"}) {
    const auto form = Read(none);
    ASSERT_TRUE(form) << none;
    EXPECT_FALSE(*form) << none;
  }
}

TEST(OpenAiFormTest, WhatIsWrongIsNamed) {
  const std::pair<const char*, const char*> rows[] = {
      {R"("grammar": "x", "guided_regex": "y")", "grammar"},
      {R"("guided_regex": 3)", "guided_regex"},
      {R"("guided_choice": "a")", "guided_choice"},
      {R"("structured_outputs": [])", "structured_outputs"},
      {R"("response_format": {"type": "json_schema", "json_schema": {}})", "schema is missing"},
      {R"("response_format": {"type": "json_schema", "json_schema": {"schema": 3}})", "schema"},
      {R"("response_format": {"type": "json_schema", "json_schema": {"schema": {}, "strict": 1}})",
       "strict"},
      {R"("response_format": {})", "response_format.type"},
      {R"("response_format": {"type": "grammar"})", "response_format.grammar"},
      {R"("grammar": {"syntax": "yacc", "definition": "x"})", "grammar.syntax"},
      {R"("grammar": {"syntax": "lark"})", "grammar.definition"},
      {R"("grammar": {"syntax": 1, "definition": "x"})", "grammar.syntax"},
  };
  for (const auto& [members, named] : rows) {
    const auto form = Read(members);
    ASSERT_FALSE(form) << members;
    EXPECT_NE(form.error().message.find(named), std::string::npos) << form.error().message;
  }
}

TEST(OpenAiFormTest, AFormThatComesAgainIsCompiledOnce) {
  grammar::CompiledForms forms;
  const RequiredForm form{"guided_regex", {FormKind::kRegex, "a+"}};
  const auto first = CompileForm(form, forms), again = CompileForm(form, forms);
  ASSERT_TRUE(first && again);
  EXPECT_EQ(*first, *again);
  const auto wrong = CompileForm({"guided_regex", {FormKind::kRegex, "("}}, forms);
  ASSERT_FALSE(wrong);
  EXPECT_TRUE(wrong.error().message.starts_with("guided_regex: ")) << wrong.error().message;
}

}  // namespace
}  // namespace cairn::server
