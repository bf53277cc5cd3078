// SPDX-License-Identifier: Apache-2.0
#include "model/pre_tokenizer.h"

#include <fmt/format.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <string>

#include "base/check.h"

namespace cairn::model {
namespace {

constexpr const char* kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// Each pattern is applied to the pieces that the one before left: its matches and what lies between
// them are the next pieces. A new pre-tokenizer is a row.
struct Rule {
  std::string_view name;
  std::vector<const char*> patterns;
};
const std::vector<Rule>& Rules() {
  static const std::vector<Rule> kRules = {
      {"gpt-2", {kGpt2}},
      {"smollm", {R"(\p{N})", kGpt2}},
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

  void Split(std::string_view text, std::size_t level,
             const std::function<void(std::string_view)>& word) const {
    if (text.empty()) return;
    if (level == patterns.size()) return word(text);
    const pcre2_code* code = patterns[level].get();
    const std::unique_ptr<pcre2_match_data, FreeMatch> match(
        pcre2_match_data_create_from_pattern(code, nullptr));
    CAIRN_CHECK(match != nullptr);
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    std::size_t at = 0;
    while (at < text.size()) {
      // The text is well-formed. Any error (none is known: the patterns do not backtrack) leaves
      // the rest as one piece.
      if (pcre2_match(code, subject, text.size(), at, PCRE2_NO_UTF_CHECK, match.get(), nullptr) <
          1) {
        break;
      }
      const PCRE2_SIZE* range = pcre2_get_ovector_pointer(match.get());
      if (range[1] <= range[0]) break;  // patterns never match nothing
      Split(text.substr(at, range[0] - at), level + 1, word);
      Split(text.substr(range[0], range[1] - range[0]), level + 1, word);
      at = range[1];
    }
    Split(text.substr(at), level + 1, word);
  }
};

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
      pcre2_code* code =
          pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED,
                        PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
      CAIRN_CHECK(code != nullptr);
      pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where refused, matching interprets
      state->patterns.emplace_back(code);
    }
    return PreTokenizer(std::move(state));
  }
  return Fail(ErrorCode::kUnsupported,
              fmt::format("pre-tokenizer '{}' is not known; known are {}", name.substr(0, 80), known));
}

void PreTokenizer::Split(std::string_view text,
                         const std::function<void(std::string_view)>& word) const {
  state_->Split(text, 0, word);
}

}  // namespace cairn::model
