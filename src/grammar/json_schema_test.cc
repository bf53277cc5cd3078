// SPDX-License-Identifier: Apache-2.0
#include "grammar/json_schema.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "grammar/answer_form.h"
#include "grammar/test_texts.h"

namespace cairn::grammar {
namespace {

using Texts = std::vector<std::string_view>;

Result<std::shared_ptr<const Grammar>> Compile(std::string_view schema) {
  return CompileForm({.kind = FormKind::kJsonSchema, .text = std::string(schema)});
}

void Expect(std::string_view schema, const Texts& taken, const Texts& refused) {
  const auto grammar = Compile(schema);
  ASSERT_TRUE(grammar) << schema << ": " << grammar.error().message;
  for (const auto text : taken) EXPECT_TRUE(Takes(*grammar, text)) << schema << " on " << text;
  for (const auto text : refused) EXPECT_FALSE(Takes(*grammar, text)) << schema << " on " << text;
}

void Refused(std::string_view schema, std::string_view named,
             ErrorCode code = ErrorCode::kUnsupported) {
  const auto grammar = Compile(schema);
  ASSERT_FALSE(grammar) << schema;
  EXPECT_EQ(grammar.error().code, code) << schema << ": " << grammar.error().message;
  EXPECT_NE(grammar.error().message.find(named), std::string::npos)
      << schema << ": " << grammar.error().message;
}

TEST(JsonSchemaTest, TypesAreWhatTheySay) {
  Expect(R"({"type": "null"})", {"null"}, {"0", "\"\"", ""});
  Expect(R"({"type": "boolean"})", {"true", "false"}, {"True", "1"});
  Expect(R"({"type": "integer"})", {"0", "-12", "123456789012345"},
         {"01", "1.0", "-", "+1", "-0.5"});
  Expect(R"({"type": "number"})", {"0", "-1.25", "1e5", "2.5E-10"},
         {".5", "1.", "1e", "NaN", "00"});
  Expect(R"({"type": "string"})",
         {R"("")", "\"a\u00e9\U0001f600\"", R"("\n\"\\\u00e9\ud83d\ude00")"},
         {"\"\n\"", R"("\x")", R"("\ud83d")", R"("a)", "\"\xff\""});
  Expect(R"({"type": "array"})", {"[]", "[1, \"a\", [null]]", "[\n  1\n]"},
         {"[1,]", "[,1]", "[1 2]"});
  Expect(R"({"type": "object"})", {"{}", R"({"a": {"b": [1]}})"},
         {"{a: 1}", R"({"a"})", R"({"a":1,})"});
  Expect(R"({"type": ["integer", "null"]})", {"1", "null"}, {"1.5", "\"\""});
  Expect("true", {"1", "{}", "\"a\""}, {"", "a"});
  Expect("{}", {"1", "{}"}, {"x"});
}

TEST(JsonSchemaTest, WhiteSpaceIsBounded) {
  Expect(R"({"type": "array", "items": {"type": "integer"}, "minItems": 2})",
         {"[1,2]", "[ 1, 2 ]", "[\n    1,\n    2\n]"},
         {"[1,  2]", "[1,\n\n2]", "[1,\t2]", " [1,2]"});
}

TEST(JsonSchemaTest, ObjectsHaveTheirMembersInOrder) {
  constexpr std::string_view kSchema =
      R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"},
          "c": {"type": "integer"}}, "required": ["b"]})";
  Expect(kSchema,
         {R"({"b":1})", R"({"a":1,"b":2})", R"({"b": 1, "c": 2})", R"({"a":1,"b":1,"c":1})"},
         {"{}", R"({"a":1})", R"({"b":1,"a":2})", R"({"b":1,"d":2})", R"({"b":1,"b":2})"});
  Expect(R"({"properties": {"a": {"type": "null"}}, "required": ["z"], "additionalProperties":
             {"type": "integer"}})",
         {R"({"z":1})", R"({"a":null,"z":1,"x":2,"ab":3})"}, {R"({"z":null})", R"({"z":1,"a":2})"});
  Expect(R"({"type": "object", "properties": {"a": false, "b": true}})", {"{}", R"({"b":1})"},
         {R"({"a":1})"});
  Expect(R"({"type": "object", "additionalProperties": false})", {"{}"}, {R"({"a":1})"});
  Expect(R"({"type": "object", "properties": {"q\"\n": {"const": 1}}, "required": ["q\"\n"]})",
         {R"({"q\"\n":1})"}, {"{\"q\"\n\":1}"});
  Expect(R"({"type": "object", "minProperties": 1, "maxProperties": 2, "properties": {"a": true,
             "b": true, "c": true}})",
         {R"({"a":1})", R"({"a":1,"c":2})"}, {"{}", R"({"a":1,"b":2,"c":3})"});
  Expect(R"({"type": "object", "maxProperties": 1})", {"{}", R"({"x":1})"}, {R"({"x":1,"y":2})"});
  Expect(R"({"type": "object", "patternProperties": {"^x_": {"type": "integer"}},
             "additionalProperties": false})",
         {"{}", R"({"x_a":1,"x_":2})"}, {R"({"a":1})", R"({"x_a":null})"});
  Expect(R"({"type": "object", "propertyNames": {"maxLength": 2}, "additionalProperties":
             {"type": "integer"}})",
         {R"({"ab":1})"}, {R"({"abc":1})"});
}

TEST(JsonSchemaTest, ArraysHaveTheirItems) {
  Expect(R"({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3})",
         {"[1]", "[1,2,3]"}, {"[]", "[1,2,3,4]", "[null]"});
  Expect(R"({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "null"}], "items":
             {"type": "boolean"}})",
         {"[]", "[1]", "[1,null]", "[1,null,true,false]"}, {"[null]", "[1,true]", "[1,null,1]"});
  Expect(
      R"({"type": "array", "prefixItems": [{"type": "integer"}], "items": false, "minItems": 1})",
      {"[1]"}, {"[]", "[1,2]"});
  Expect(R"({"type": "array", "maxItems": 0})", {"[]"}, {"[1]"});
  Expect(R"({"type": "array", "items": {"type": "array", "items": {"type": "integer"}}})",
         {"[[1,2],[]]"}, {"[1]"});
}

TEST(JsonSchemaTest, StringsHaveLengthsPatternsAndFormats) {
  Expect(R"({"type": "string", "minLength": 2, "maxLength": 3})",
         {R"("ab")", "\"\u00e9\\n\U0001f600\"", R"("\ud83d\ude00a")"}, {R"("a")", R"("abcd")"});
  Expect(R"({"type": "string", "pattern": "^[a-c]+$"})", {R"("abc")"}, {R"("")", R"("abcd")"});
  Expect(R"({"type": "string", "pattern": "b"})", {R"("b")", R"("abc")"}, {R"("ac")"});
  Expect(R"({"type": "string", "pattern": "^a|z$"})", {R"("ab")", R"("bz")"}, {R"("b")"});
  Expect(R"({"type": "string", "pattern": "^[\"\\\\\\n]$"})", {R"("\"")", R"("\\")", R"("\n")"},
         {R"(""")"});
  Expect(R"({"type": "string", "pattern": "^[0-9]+$", "maxLength": 2})", {R"("1")", R"("12")"},
         {R"("")", R"("123")"});
  Expect(R"({"type": "string", "format": "date"})", {R"("2024-02-28")"},
         {R"("2024-02-31")", R"("24-1-1")"});
  Expect(R"({"format": "uuid"})", {R"("123e4567-e89b-12d3-a456-426614174000")"}, {R"("123")"});
}

TEST(JsonSchemaTest, NumbersStayBetweenTheirBounds) {
  Expect(R"({"type": "integer", "minimum": -5, "maximum": 120})", {"-5", "0", "7", "99", "120"},
         {"-6", "121", "1200", "-0"});
  Expect(R"({"type": "integer", "exclusiveMinimum": 0.5, "exclusiveMaximum": 10})", {"1", "9"},
         {"0", "10"});
  Expect(R"({"type": "integer", "minimum": 1000})", {"1000", "98765"}, {"999", "-1000"});
  Expect(R"({"type": "integer", "maximum": -3})", {"-3", "-40"}, {"-2", "0", "5"});
  Expect(R"({"type": "number", "minimum": 0, "maximum": 1})",
         {"0", "1", "0.5", "0.0", "1.0", "0.99"}, {"1.01", "-0.1", "2", "-1", "1e0"});
  Expect(R"({"type": "number", "exclusiveMinimum": 0, "maximum": 12.5})",
         {"0.001", "12.5", "12.4999", "7.25", "12"}, {"0", "0.0", "12.51", "13", "-1"});
  Expect(R"({"type": "number", "minimum": -1.5, "exclusiveMaximum": 2.25})",
         {"-1.5", "-1", "-0.25", "0", "2", "2.2499", "1.99"}, {"-1.51", "-2", "2.25", "2.3", "3"});
  Expect(R"({"type": "number", "minimum": 99.5})", {"99.5", "100", "123456.75", "1234567890123"},
         {"99.4", "99", "-100", "9"});
  Expect(R"({"type": "number", "maximum": -0.5})", {"-0.5", "-1", "-77.25"}, {"-0.4", "0", "1"});
  Expect(R"({"type": "integer", "multipleOf": 5, "minimum": 0, "maximum": 20})", {"0", "15", "20"},
         {"3", "25", "-5"});
  Expect(R"({"type": "integer", "multipleOf": 7})", {"0", "7", "-14", "700000007"},
         {"1", "8", "70001"});
  Expect(R"({"type": "integer", "multipleOf": 10, "exclusiveMinimum": 0})", {"10", "120"},
         {"0", "-10", "5"});
}

// Every number of a few decimals, against the comparison of doubles.
TEST(JsonSchemaTest, DecimalsAgreeWithComparison) {
  for (const auto& [low, high] : std::vector<std::pair<double, double>>{
           {0.3, 0.75}, {-2.05, 1.1}, {9.99, 10.01}, {-0.5, -0.25}, {0, 0.01}, {1.5, 1.5}}) {
    for (const bool exclusive : {false, true}) {
      const char* name = exclusive ? "exclusiveM" : "m";
      const auto grammar = Compile(fmt::format(
          R"({{"type": "number", "{}inimum": {}, "{}aximum": {}}})", name, low, name, high));
      if (low == high && exclusive) {
        EXPECT_FALSE(grammar);
        continue;
      }
      ASSERT_TRUE(grammar) << grammar.error().message;
      Configurations places(**grammar);
      for (int thousandths = -12'000; thousandths <= 12'000; ++thousandths) {
        const double value = thousandths / 1000.0;
        const std::string text =
            fmt::format("{}{}.{:03}", thousandths < 0 ? "-" : "", std::abs(thousandths) / 1000,
                        std::abs(thousandths) % 1000);
        const bool inside = exclusive ? value > low && value < high : value >= low && value <= high;
        ASSERT_EQ(places.Accepts(Walk(places, text)), inside)
            << low << " to " << high << ": " << text;
      }
    }
  }
}

TEST(JsonSchemaTest, ListedValuesAreThemselves) {
  Expect(R"({"enum": ["a", 1, 1.5, null, {"b": [true]}]})",
         {"\"a\"", "1", "1.5", "null", R"({"b":[true]})"}, {"\"b\"", "2", "true"});
  Expect(R"({"const": "x\ny"})", {R"("x\ny")"}, {"\"x\ny\""});
  Expect(R"({"type": "string", "enum": ["a", 1]})", {"\"a\""}, {"1"});
}

TEST(JsonSchemaTest, ReferencesAreFollowed) {
  Expect(R"({"$defs": {"n": {"type": "object", "properties": {"v": {"type": "integer"}, "next":
             {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}}, "required": ["v", "next"]}},
             "$ref": "#/$defs/n"})",
         {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":null}})"}, {R"({"v":1})"});
  Expect(R"({"definitions": {"a b/c": {"type": "null"}}, "properties": {"x": {"$ref":
             "#/definitions/a%20b~1c"}}})",
         {R"({"x":null})"}, {R"({"x":1})"});
  Expect(R"({"type": "array", "items": {"$ref": "#"}})", {"[]", "[[],[[]]]"}, {"[1]"});
  Refused(R"({"$ref": "#/$defs/none"})", "names nothing", ErrorCode::kInvalidArgument);
  Refused(R"({"$ref": "https://example.com/x"})", "$ref");
  Refused(R"({"$ref": "#"})", "no text", ErrorCode::kInvalidArgument);
}

TEST(JsonSchemaTest, CombinationsAreJoined) {
  Expect(R"({"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 1}]})", {"1", "\"a\""},
         {"\"ab\"", "null"});
  Expect(R"({"oneOf": [{"type": "integer"}, {"type": "string"}]})", {"1", "\"a\""}, {"null"});
  Expect(R"({"oneOf": [{"type": "object", "properties": {"k": {"const": "a"}, "x": {"type":
             "integer"}}, "required": ["k", "x"]}, {"type": "object", "properties": {"k": {"const":
             "b"}}, "required": ["k"]}]})",
         {R"({"k":"a","x":1})", R"({"k":"b"})"}, {R"({"k":"a"})", R"({"k":"b","x":1})"});
  Expect(R"({"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 5}]})", {"3", "5"},
         {"2", "6"});
  Expect(
      R"({"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
             {"type": "object", "properties": {"a": {"minimum": 5}, "b": {"type": "null"}}}]})",
      {R"({"a":5})", R"({"a":7,"b":null})"}, {R"({"a":4})", "{}"});
  Expect(R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
             "anyOf": [{"required": ["a"]}, {"required": ["b"]}]})",
         {R"({"a":1})", R"({"b":1})", R"({"a":1,"b":2})"}, {"{}"});
  Expect(
      R"({"$defs": {"s": {"type": "string", "maxLength": 3}}, "$ref": "#/$defs/s", "minLength": 2})",
      {"\"ab\""}, {"\"a\"", "\"abcd\""});
  Expect(R"({"allOf": [{"type": "object", "properties": {"a": true}, "additionalProperties": false},
             {"properties": {"b": true}}]})",
         {"{}", R"({"a":1})"}, {R"({"b":1})"});
  Expect(R"({"allOf": [{"enum": [1, 2, 3]}, {"enum": [2, 3, 4]}]})", {"2", "3"}, {"1", "4"});
  Refused(R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})", "oneOf");
  Refused(R"({"oneOf": [{"minLength": 3}, {"minimum": 3}]})", "oneOf");
  Refused(R"({"allOf": [{"type": "integer"}, {"type": "null"}]})", "no text",
          ErrorCode::kInvalidArgument);
  Refused(R"({"allOf": [{"pattern": "a"}, {"pattern": "b"}]})", "pattern");
}

TEST(JsonSchemaTest, WhatIsNotTakenIsNamed) {
  for (const char* keyword :
       {"not", "if", "then", "contains", "uniqueItems", "dependentRequired", "dependentSchemas",
        "unevaluatedItems", "$dynamicRef", "minContains", "nullable", "additionalItems"}) {
    Refused(fmt::format(R"({{"properties": {{"deep": {{"{}": true}}}}}})", keyword), keyword);
  }
  Refused(R"({"properties": {"deep": {"not": {}}}})", "#/properties/deep");
  Refused(R"({"format": "colour"})", "colour");
  Refused(R"({"type": "integer", "format": "int32"})", "int32");
  Refused("{\"type\": \"string\", \"pattern\": \"(?=a)\"}", "look-around");
  Refused(R"({"type": "string", "pattern": "ab", "maxLength": 3})", "maxLength");
  Refused(R"({"type": "number", "multipleOf": 0.5})", "multipleOf");
  Refused(R"({"items": [{"type": "null"}]})", "prefixItems");
  Refused(R"({"enum": ["a"], "minLength": 1})", "minLength");
  Refused(R"({"properties": {"a": {"$id": "x"}}})", "$id");
  Refused(R"({"type": "txt"})", "type", ErrorCode::kInvalidArgument);
  Refused(R"({"minLength": -1})", "minLength", ErrorCode::kInvalidArgument);
  Refused(R"({"required": [1]})", "required", ErrorCode::kInvalidArgument);
  Refused(R"([])", "a schema is", ErrorCode::kInvalidArgument);
  Refused(R"({"a": )", "no JSON", ErrorCode::kInvalidArgument);
  Refused(R"({"minItems": 2, "maxItems": 1, "type": "array"})", "no text",
          ErrorCode::kInvalidArgument);
}

TEST(JsonSchemaTest, AnnotationsSayNothing) {
  Expect(R"({"$schema": "x", "$id": "y", "title": "t", "description": "d", "default": 1, "examples":
             [1], "deprecated": false, "x-order": 3, "type": "integer"})",
         {"1"}, {"null"});
}

TEST(JsonSchemaTest, AJsonObjectIsAnyObject) {
  const auto grammar = CompileForm({.kind = FormKind::kJsonObject, .text = ""});
  ASSERT_TRUE(grammar);
  EXPECT_TRUE(Takes(*grammar, R"({"a": [1, {"b": null}]})"));
  EXPECT_FALSE(Takes(*grammar, "[]"));
  EXPECT_TRUE(MayBegin(*grammar, R"({"a": [[[)"));
}

}  // namespace
}  // namespace cairn::grammar
