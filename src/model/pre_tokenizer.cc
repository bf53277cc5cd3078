// SPDX-License-Identifier: Apache-2.0
#include "model/pre_tokenizer.h"

#include <fmt/format.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <string>

#include "base/check.h"
#include "base/printable.h"
#include "model/unicode_additions.h"

namespace cairn::model {
namespace {

// Unicode's White_Space. PCRE2's own \s also has U+180E, which left that class in Unicode 6.3.
#define CAIRN_SPACE R"(\t-\r\x{85}\p{Z})"

#define CAIRN_LETTER R"(\p{L})" CAIRN_NEW_LETTERS
#define CAIRN_NUMBER R"(\p{N})" CAIRN_NEW_NUMBERS

// GPT-2: contractions, then words, numbers and other characters, each with a space before it; then
// white space, which leaves its last character to the word after it.
constexpr const char* kGpt2 =
    "'s|'t|'re|'ve|'m|'ll|'d"
    "| ?[" CAIRN_LETTER
    "]+"
    "| ?[" CAIRN_NUMBER
    "]+"
    "| ?[^" CAIRN_SPACE CAIRN_LETTER CAIRN_NUMBER
    "]+"
    "|[" CAIRN_SPACE "]+(?![^" CAIRN_SPACE
    "])"
    "|[" CAIRN_SPACE "]+";
constexpr const char* kOneDigit = "[" CAIRN_NUMBER CAIRN_NEWEST_NUMBERS "]";

// Each pattern is applied to the pieces that the one before left: its matches and what lies between
// them are the next pieces. A new pre-tokenizer is a row.
struct Rule {
  std::string_view name;
  std::vector<const char*> patterns;
};
const std::vector<Rule>& Rules() {
  static const std::vector<Rule> kRules = {
      {"gpt-2", {kGpt2}},
      {"smollm", {kOneDigit, kGpt2}},
  };
  return kRules;
}

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};

}  // namespace

struct PreTokenizer::State {
  std::vector<std::unique_ptr<pcre2_code, FreeCode>> patterns;
};

namespace {

using Patterns = std::vector<std::unique_ptr<pcre2_code, FreeCode>>;
using Matches = std::vector<std::unique_ptr<pcre2_match_data, FreeMatch>>;
using Word = std::function<void(std::string_view)>;

// Applies the patterns from `level` on. False: a pattern gave up.
bool SplitFrom(const Patterns& patterns, const Matches& matches, std::string_view text,
               std::size_t level, const Word& word) {
  if (text.empty()) return true;
  if (level == patterns.size()) {
    word(text);
    return true;
  }
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  std::size_t at = 0;
  while (at < text.size()) {
    const int found = pcre2_match(patterns[level].get(), subject, text.size(), at,
                                  PCRE2_NO_UTF_CHECK, matches[level].get(), nullptr);
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 1) return false;
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(matches[level].get());
    const PCRE2_SIZE begin = range[0], end = range[1];
    CAIRN_CHECK(end > begin);  // patterns never match nothing
    if (!SplitFrom(patterns, matches, text.substr(at, begin - at), level + 1, word)) return false;
    if (!SplitFrom(patterns, matches, text.substr(begin, end - begin), level + 1, word))
      return false;
    at = end;
  }
  return SplitFrom(patterns, matches, text.substr(at), level + 1, word);
}

}  // namespace

PreTokenizer::PreTokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

Result<PreTokenizer> PreTokenizer::Create(std::string_view name) {
  std::string known;
  for (const Rule& rule : Rules()) {
    if (rule.name != name) {
      known += known.empty() ? std::string(rule.name) : ", " + std::string(rule.name);
      continue;
    }
    auto state = std::make_unique<State>();
    for (const char* pattern : rule.patterns) {
      int error = 0;
      PCRE2_SIZE offset = 0;
      pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED,
                                       PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
      CAIRN_CHECK(code != nullptr);
      pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where refused, matching interprets
      state->patterns.emplace_back(code);
    }
    return PreTokenizer(std::move(state));
  }
  return Fail(ErrorCode::kUnsupported,
              fmt::format("pre-tokenizer '{}' is not known; known are {}", Printable(name), known));
}

Result<void> PreTokenizer::Split(std::string_view text, const Word& word) const {
  Matches matches;
  for (const auto& pattern : state_->patterns) {
    matches.emplace_back(pcre2_match_data_create_from_pattern(pattern.get(), nullptr));
    CAIRN_CHECK(matches.back() != nullptr);
  }
  if (SplitFrom(state_->patterns, matches, text, 0, word)) return {};
  return Fail(ErrorCode::kLimit,
              "the text needs more backtracking in the tokenizer's patterns than is allowed");
}

}  // namespace cairn::model
