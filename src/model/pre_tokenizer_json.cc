// SPDX-License-Identifier: Apache-2.0
#include "model/pre_tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "model/import_tokenizer.h"
#include "model/pre_tokenizer_table.h"

namespace cairn::model {
namespace {

namespace json = boost::json;

// Patterns as tokenizer.json files spell them (scripts/pre_tokenizers.py has the same).
#define CAIRN_SHORT "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define CAIRN_TAIL R"(|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define CAIRN_BEFORE R"([^\r\n\p{L}\p{N}]?)"
#define CAIRN_CL(number) \
  CAIRN_SHORT "|" CAIRN_BEFORE R"(\p{L}+|)" number R"(| ?[^\s\p{L}\p{N}]+[\r\n]*)" CAIRN_TAIL
#define CAIRN_UP R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define CAIRN_LOW R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
#define CAIRN_O2(shortened, number)                                                         \
  CAIRN_BEFORE CAIRN_UP "*" CAIRN_LOW "+" shortened "|" CAIRN_BEFORE CAIRN_UP "+" CAIRN_LOW \
                        "*" shortened "|" number R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*)" CAIRN_TAIL
#define CAIRN_GPT2 R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"
#define CAIRN_THREE R"(\p{N}{1,3})"
#define CAIRN_ONE R"(\p{N})"
#define CAIRN_SIGNED                                                                        \
  R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+)" \
  R"(| ?[\p{P}\p{S}]+[\r\n]*)" CAIRN_TAIL
// cl100k as its makers write it, which never gives back what a word took.
#define CAIRN_POSSESSIVE(number)                               \
  R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|)" number \
  R"(| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"

struct Described {
  std::string_view steps;
  std::string_view name;  // a row of the table
};
constexpr Described kDescribed[] = {
    {"Split " CAIRN_GPT2, "gpt-2"},
    {"Digits, Split " CAIRN_GPT2, "smollm"},
    {"Split " CAIRN_CL(CAIRN_THREE), "llama-bpe"},
    {"Split " CAIRN_POSSESSIVE(CAIRN_THREE), "dbrx"},
    {"Split " CAIRN_CL(CAIRN_ONE), "qwen2"},
    {"Split " CAIRN_O2("", CAIRN_ONE), "tekken"},
    {"Split " CAIRN_O2(CAIRN_SHORT "?", CAIRN_THREE), "gpt-4o"},
    {"Split " CAIRN_SHORT "|" CAIRN_BEFORE
     R"([\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)" CAIRN_TAIL,
     "qwen35"},
    {"Split " CAIRN_THREE ", Split [\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+, Split " CAIRN_SIGNED,
     "deepseek-v3"},
    {"Split [\r\n], Split \\s?\\p{L}+, Split \\s?\\p{P}+, "
     "Split [\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+, Digits",
     "deepseek-coder"},
    {"Split " CAIRN_POSSESSIVE(CAIRN_ONE), "bailingmoe"},
    {"Split " CAIRN_BEFORE R"(\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)" CAIRN_TAIL, "ufakzeka"},
    {"Split " CAIRN_THREE ", Split " CAIRN_CL(R"(\p{N}+)"), "minicpm5"},
    {R"(Split \p{N}+, Split (?=(\d{3})+(?!\d)))", "superbpe"},
};

void Describe(const json::object& step, std::string& out) {
  const std::string_view type = TextAt(step, "type");
  const auto add = [&](std::string_view what) {
    out += (out.empty() ? "" : ", ") + std::string(what);
  };
  if (type == "Sequence") {
    const json::array* parts = ArrayAt(step, "pretokenizers");
    if (parts == nullptr) return;
    for (const json::value& part : *parts) {
      // Files nest no deeper; what does is no sequence of steps.
      if (part.is_object() && TextAt(part.get_object(), "type") != "Sequence") {
        Describe(part.get_object(), out);
      } else {
        add("Sequence");
      }
    }
  } else if (type == "ByteLevel") {
    if (FlagAt(step, "add_prefix_space", true)) add("a space before texts");
    if (FlagAt(step, "use_regex", true)) add("Split " CAIRN_GPT2);
  } else if (type == "Digits") {
    add(FlagAt(step, "individual_digits") ? "Digits" : "Digits together");
  } else if (type == "Split") {
    const json::object* pattern = ObjectAt(step, "pattern");
    const std::string_view regex = pattern != nullptr ? TextAt(*pattern, "Regex") : "";
    const std::string_view text = pattern != nullptr ? TextAt(*pattern, "String") : "";
    const std::string_view behavior = TextAt(step, "behavior");
    // What is removed between matches that are kept is nothing where patterns match everything.
    const bool matches_stay = (behavior == "Isolated" && !FlagAt(step, "invert")) ||
                              (behavior == "Removed" && FlagAt(step, "invert"));
    if (matches_stay && !regex.empty()) {
      add(fmt::format("Split {}", regex));
    } else {
      add(fmt::format("Split ({}) {}", behavior, regex.empty() ? text : regex));
    }
  } else {
    add(type.empty() ? "a step without a type" : type);
  }
}

}  // namespace

std::string DescribePreTokenizer(const json::object& tokenizer) {
  std::string out;
  if (const json::object* own = ObjectAt(tokenizer, "pre_tokenizer")) Describe(*own, out);
  return out.empty() ? "none" : out;
}

std::string NameOfPreTokenizer(const json::object& tokenizer, bool whole_words) {
  const std::string steps = DescribePreTokenizer(tokenizer);
  const auto found = std::ranges::find(kDescribed, steps, &Described::steps);
  if (found == std::end(kDescribed)) return steps;
  const PreTokenizerRow* named = FindPreTokenizer(found->name);
  if (named->whole_words == whole_words) return std::string(named->name);
  // The same pattern has another name where words that are tokens are not merged, or are.
  for (const PreTokenizerRow& row : PreTokenizerRows()) {
    if (row.steps.data() == named->steps.data() && row.whole_words == whole_words) {
      return std::string(row.name);
    }
  }
  return steps + (whole_words ? ", with ignore_merges" : ", without ignore_merges");
}

}  // namespace cairn::model
