// SPDX-License-Identifier: Apache-2.0
// cairn support: what this program can read and run, from its own tables.
#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "apps/command.h"
#include "apps/json.h"
#include "apps/options.h"
#include "model/architectures.h"
#include "model/pre_tokenizer_table.h"
#include "model/vocabulary.h"
#include "tensor/format.h"

namespace cairn::apps {
namespace {

struct SupportOptions {
  bool json = false;
  bool markdown = false;
};

// A table of the report: its rows come from the tables that the code itself works with.
struct Section {
  std::string name;
  std::string about;
  std::string evidence;  // the tests that every row of it passes
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};

Section ArchitectureSection() {
  Section section{
      .name = "architectures",
      .about = "what `general.architecture` of a file that runs may be",
      .evidence = "src/testing/architectures_test.cc, encoders: src/testing/encoders_test.cc",
      .columns = {"architecture", "models"}};
  for (const model::Architecture& one : model::Architectures()) {
    section.rows.push_back({std::string(one.name), std::string(one.about)});
  }
  return section;
}

Section TokenizerSection() {
  Section section{.name = "tokenizers",
                  .about = "`tokenizer.ggml.model`",
                  .evidence = "src/model/tokenizer_test.cc, scripts/compare_tokenizers.py",
                  .columns = {"tokenizer", "is"}};
  for (const model::TokenizerKindName& one : model::TokenizerKinds()) {
    section.rows.push_back({std::string(one.name), std::string(one.about)});
  }
  return section;
}

Section PreTokenizerSection() {
  Section section{.name = "pre_tokenizers",
                  .about = "`tokenizer.ggml.pre`; what --pre takes",
                  .evidence =
                      "PreTokenizerTest in src/model/tokenizer_test.cc, "
                      "scripts/pre_tokenizers.py",
                  .columns = {"pre-tokenizer", "whole words", "begin token"}};
  for (const model::PreTokenizerRow& one : model::PreTokenizerRows()) {
    section.rows.push_back(
        {std::string(one.name), one.whole_words ? "left whole" : "merged",
         one.add_bos ? "where the file says nothing" : "where the file says so"});
  }
  return section;
}

Section FormatSection() {
  Section section{.name = "formats",
                  .about = "element types of tensors; those without a matmul are only metadata",
                  .evidence = "src/tensor/dequantise_test.cc, src/kernels/matmul_test.cc",
                  .columns = {"format", "number", "values a block", "bytes a block", "matmul"}};
  for (const tensor::FormatTraits& one : tensor::kFormats) {
    section.rows.push_back({std::string(one.name), fmt::format("{}", one.gguf_type),
                            fmt::format("{}", one.block_values), fmt::format("{}", one.block_bytes),
                            one.has_matmul ? "yes" : "no"});
  }
  return section;
}

void PrintMarkdown(const std::vector<Section>& sections, Console& console) {
  console.Write(
      "# What Cairn reads and runs\n\nWritten by `cairn support --markdown`; the tables are those "
      "that the program works with. `cairn show MODEL` says what a file needs that is missing.\n");
  for (const Section& section : sections) {
    console.Write(fmt::format("\n## {}\n\n{}. Every row passes: {}.\n\n", section.name,
                              section.about, section.evidence));
    std::string head = "|", rule = "|";
    for (const std::string& column : section.columns) {
      head += fmt::format(" {} |", column);
      rule += "---|";
    }
    console.Write(head + "\n" + rule + "\n");
    for (const auto& row : section.rows) {
      std::string line = "|";
      for (std::size_t i = 0; i < row.size(); ++i) {
        line += i == 0 ? fmt::format(" `{}` |", row[i]) : fmt::format(" {} |", row[i]);
      }
      console.Write(line + "\n");
    }
  }
}

void PrintText(const std::vector<Section>& sections, Console& console) {
  for (const Section& section : sections) {
    console.Write(fmt::format("{} ({})\n ", section.name, section.rows.size()));
    std::size_t column = 1;
    for (const auto& row : section.rows) {
      if (column + 1 + row[0].size() > 96) {
        console.Write("\n ");
        column = 1;
      }
      console.Write(" " + row[0]);
      column += 1 + row[0].size();
    }
    console.Write("\n");
  }
}

Result<void> Support(const SupportOptions& o, Console& console) {
  const std::vector<Section> sections = {ArchitectureSection(), TokenizerSection(),
                                         PreTokenizerSection(), FormatSection()};
  if (o.markdown) {
    PrintMarkdown(sections, console);
    return {};
  }
  if (!o.json) {
    PrintText(sections, console);
    return {};
  }
  boost::json::object value;
  for (const Section& section : sections) {
    boost::json::array rows;
    for (const auto& row : section.rows) {
      boost::json::object one;
      for (std::size_t i = 0; i < row.size(); ++i) one[section.columns[i]] = row[i];
      rows.push_back(std::move(one));
    }
    value[section.name] =
        boost::json::object{{"evidence", section.evidence}, {"rows", std::move(rows)}};
  }
  console.WriteJson(value);
  return {};
}

}  // namespace

void AddSupport(CLI::App& app, Chosen& chosen) {
  auto o = std::make_shared<SupportOptions>();
  CLI::App* command =
      NewCommand(app, kMeasure, "support", "What this program reads and runs",
                 "cairn support\n"
                 "cairn support --json | jq .pre_tokenizers\n"
                 "cairn show model.gguf   # what one file needs, and what of it is missing");
  AddJson(*command, o->json);
  command->add_flag("--markdown", o->markdown, "As the page docs/models.md")->excludes("--json");
  OnChosen(*command, chosen, o, Support);
}

}  // namespace cairn::apps
