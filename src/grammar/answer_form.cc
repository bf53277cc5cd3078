// SPDX-License-Identifier: Apache-2.0
#include "grammar/answer_form.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <new>

#include "grammar/gbnf.h"
#include "grammar/json_schema.h"
#include "grammar/lark.h"
#include "grammar/regex.h"
#include "grammar/tool_calls.h"

namespace cairn::grammar {
namespace {

namespace json = boost::json;

constexpr std::size_t kMostParsedDepth = 400;

Result<json::value> Parse(std::string_view text) {
  json::parse_options options;
  options.max_depth = kMostParsedDepth;
  boost::system::error_code failed;
  try {
    json::value value =
        json::parse(json::string_view(text.data(), text.size()), failed, {}, options);
    if (!failed) return value;
  } catch (const std::bad_alloc&) {
    return Fail(ErrorCode::kOutOfMemory, "no memory to read the schema");
  }
  if (failed == json::error::too_deep) {
    return Fail(ErrorCode::kLimit,
                fmt::format("the schema nests more than {} deep", kMostParsedDepth));
  }
  return Fail(ErrorCode::kInvalidArgument,
              fmt::format("the schema is no JSON: {}", failed.message()));
}

Result<std::shared_ptr<const Grammar>> CompileRegex(std::string_view pattern) {
  Expressions out;
  const RuleId root = out.AddRule("root");
  out.Define(root,
             OR_RETURN(ReadRegex(out, pattern, RegexExtent::kWhole,
                                 [&](const CodePoints& set) { return out.Characters(set); })));
  return Grammar::Compile(out, root);
}

Result<std::shared_ptr<const Grammar>> CompileChoices(std::string_view text) {
  const json::value given = OR_RETURN(Parse(text));
  std::vector<std::string> choices;
  if (const auto* list = given.if_array()) {
    for (const json::value& choice : *list) {
      const auto* one = choice.if_string();
      if (one == nullptr || one->empty()) {
        return Fail(ErrorCode::kInvalidArgument, "a choice must be a text that is not empty");
      }
      choices.emplace_back(one->data(), one->size());
    }
  }
  if (choices.empty())
    return Fail(ErrorCode::kInvalidArgument, "there must be at least one choice");
  Expressions out;
  const RuleId root = out.AddRule("root");
  out.Define(root, out.OneOf(std::move(choices)));
  return Grammar::Compile(out, root);
}

}  // namespace

Result<std::shared_ptr<const Grammar>> CompileForm(const AnswerForm& form) {
  if (form.text.size() > kMostFormBytes) {
    return Fail(ErrorCode::kLimit, fmt::format("it has {} bytes, at most {} are taken",
                                               form.text.size(), kMostFormBytes));
  }
  switch (form.kind) {
    case FormKind::kJsonObject: return CompileJsonObject();
    case FormKind::kJsonSchema: return CompileJsonSchema(OR_RETURN(Parse(form.text)));
    case FormKind::kGrammar:
      return LooksLikeLark(form.text) ? CompileLark(form.text) : CompileGbnf(form.text);
    case FormKind::kGbnf: return CompileGbnf(form.text);
    case FormKind::kLark: return CompileLark(form.text);
    case FormKind::kRegex: return CompileRegex(form.text);
    case FormKind::kChoices: return CompileChoices(form.text);
    case FormKind::kToolCalls: return CompileToolCalls(OR_RETURN(Parse(form.text)));
  }
  return Fail(ErrorCode::kInvalidArgument, "no form of an answer");
}

AnswerForm FormOfChoices(const std::vector<std::string>& choices) {
  json::array list;
  for (const std::string& choice : choices) {
    list.emplace_back(json::string_view(choice.data(), choice.size()));
  }
  return {.kind = FormKind::kChoices, .text = json::serialize(list)};
}

Result<std::shared_ptr<const Grammar>> CompiledForms::Get(const AnswerForm& form) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(kept_, form, &Kept::form);
    if (found != kept_.end()) {
      kept_.splice(kept_.begin(), kept_, found);
      return found->grammar;
    }
  }
  auto made = OR_RETURN(CompileForm(form));
  const std::lock_guard lock(mutex_);
  kept_.push_front({.form = form, .grammar = made, .bytes = made->bytes() + form.text.size()});
  bytes_ += kept_.front().bytes;
  while (kept_.size() > kMostKept || (bytes_ > kMostKeptBytes && kept_.size() > 1)) {
    bytes_ -= kept_.back().bytes;
    kept_.pop_back();
  }
  return made;
}

}  // namespace cairn::grammar
