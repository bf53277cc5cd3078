// SPDX-License-Identifier: Apache-2.0
#include "apps/form.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "apps/options.h"
#include "apps/text.h"
#include "grammar/answer_form.h"

namespace cairn::apps {
namespace {

constexpr const char* kForm = "What the answer must be";

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t first = 0; first <= text.size();) {
    const std::size_t comma = std::min(text.find(',', first), text.size());
    parts.push_back(text.substr(first, comma - first));
    first = comma + 1;
  }
  return parts;
}

Result<grammar::AnswerForm> FormOf(const FormOptions& o, std::string& name) {
  if (!o.schema.empty()) {
    name = o.schema;
    return grammar::AnswerForm{grammar::FormKind::kJsonSchema, OR_RETURN(ReadTextFile(o.schema))};
  }
  if (!o.grammar.empty()) {
    name = o.grammar;
    const auto kind = o.grammar.ends_with(".lark")   ? grammar::FormKind::kLark
                      : o.grammar.ends_with(".gbnf") ? grammar::FormKind::kGbnf
                                                     : grammar::FormKind::kGrammar;
    return grammar::AnswerForm{kind, OR_RETURN(ReadTextFile(o.grammar))};
  }
  name = o.regex.empty() ? "--choices" : "--regex";
  if (!o.regex.empty()) return grammar::AnswerForm{grammar::FormKind::kRegex, o.regex};
  return grammar::FormOfChoices(Split(o.choices));
}

}  // namespace

void AddFormOptions(CLI::App& command, FormOptions& o) {
  const auto add = [&](const char* name, std::string& value, const char* type, const char* help) {
    return command.add_option(name, value, help)->type_name(type)->check(NotEmpty())->group(kForm);
  };
  const std::array<CLI::Option*, 4> options{
      add("--schema", o.schema, "FILE", "JSON that fits the JSON schema in this file"),
      add("--grammar", o.grammar, "FILE", "A text of the grammar in this file (GBNF or Lark)"),
      add("--regex", o.regex, "PATTERN", "A text that this regular expression matches whole"),
      add("--choices", o.choices, "A,B,...", "One of these texts, separated by commas")};
  for (CLI::Option* option : options) {
    for (CLI::Option* other : options) {
      if (other != option) option->excludes(other);
    }
  }
}

Result<std::shared_ptr<const grammar::Grammar>> ReadForm(const FormOptions& options) {
  if (!options.any()) return nullptr;
  std::string name;
  const grammar::AnswerForm form = OR_RETURN(FormOf(options, name));
  auto compiled = grammar::CompileForm(form);
  if (!compiled) return std::unexpected(std::move(compiled).error().Within(name));
  return compiled;
}

}  // namespace cairn::apps
