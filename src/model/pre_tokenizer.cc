// SPDX-License-Identifier: Apache-2.0
#include "model/pre_tokenizer.h"

#include <fmt/format.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <string>

#include "base/check.h"
#include "base/printable.h"
#include "model/pre_tokenizer_table.h"
#include "model/utf8.h"

namespace cairn::model {
namespace {

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};

}  // namespace

struct PreTokenizer::Step {
  std::unique_ptr<pcre2_code, FreeCode> code;
  SplitHow how{};
};
struct PreTokenizer::State {
  std::vector<Step> steps;
};

namespace {

using Matches = std::vector<std::unique_ptr<pcre2_match_data, FreeMatch>>;
using Word = std::function<void(std::string_view)>;

// The places inside a run of digits where groups of three, counted from its end, begin.
template <typename Cut>
void CutThrees(std::string_view digits, const Cut& cut) {
  std::size_t characters = 0;
  for (const char c : digits) characters += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  for (std::size_t at = 0; at < digits.size();) {
    if (characters % 3 == 0) cut(at);
    at += Utf8Bytes(static_cast<unsigned char>(digits[at]));
    --characters;
  }
}

// Cuts a text by one step and calls piece(text) for what it leaves, in order, until that is false.
// False: that, or the pattern gave up.
template <typename Piece>
bool ForEachPiece(const PreTokenizer::Step& step, pcre2_match_data* data, std::string_view text,
                  const Piece& piece) {
  std::size_t begin = 0;  // of the piece that is not ended yet
  bool goes_on = true;
  const auto end = [&](std::size_t at) {
    if (at > begin && goes_on) goes_on = piece(text.substr(begin, at - begin));
    begin = at;
  };
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  for (std::size_t at = 0; at < text.size() && goes_on;) {
    const int found =
        pcre2_match(step.code.get(), subject, text.size(), at, PCRE2_NO_UTF_CHECK, data, nullptr);
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 1) return false;
    const PCRE2_SIZE* range = pcre2_get_ovector_pointer(data);
    const std::size_t first = range[0], last = range[1];
    CAIRN_CHECK(last > first);  // patterns never match nothing
    if (step.how != SplitHow::kThreesBefore) end(first);
    if (step.how != SplitHow::kIsolate) {
      CutThrees(text.substr(first, last - first), [&](std::size_t cut) { end(first + cut); });
    }
    if (step.how != SplitHow::kThreesBefore) end(last);
    at = last;
  }
  end(text.size());
  return goes_on;
}

// Applies the steps from `level` on. False: a pattern gave up.
bool SplitFrom(const std::vector<PreTokenizer::Step>& steps, const Matches& matches,
               std::string_view text, std::size_t level, const Word& word) {
  if (level == steps.size()) {
    word(text);
    return true;
  }
  return ForEachPiece(steps[level], matches[level].get(), text, [&](std::string_view piece) {
    return SplitFrom(steps, matches, piece, level + 1, word);
  });
}

}  // namespace

PreTokenizer::PreTokenizer(std::unique_ptr<State> state) : state_(std::move(state)) {}
PreTokenizer::PreTokenizer(PreTokenizer&&) noexcept = default;
PreTokenizer& PreTokenizer::operator=(PreTokenizer&&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

Result<PreTokenizer> PreTokenizer::Create(std::string_view name) {
  const PreTokenizerRow* row = FindPreTokenizer(name);
  if (row == nullptr) {
    return Fail(ErrorCode::kUnsupported, fmt::format("pre-tokenizer '{}' is not known; {}",
                                                     Printable(name), HowToForcePreTokenizer()));
  }
  auto state = std::make_unique<State>();
  for (const SplitStep& step : row->steps) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    pcre2_code* code =
        pcre2_compile(reinterpret_cast<PCRE2_SPTR>(step.pattern), PCRE2_ZERO_TERMINATED,
                      PCRE2_UTF | PCRE2_UCP, &error, &offset, nullptr);
    CAIRN_CHECK(code != nullptr);
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where refused, matching interprets
    state->steps.push_back({std::unique_ptr<pcre2_code, FreeCode>(code), step.how});
  }
  return PreTokenizer(std::move(state));
}

Result<void> PreTokenizer::Split(std::string_view text, const Word& word) const {
  Matches matches;
  for (const Step& step : state_->steps) {
    matches.emplace_back(pcre2_match_data_create_from_pattern(step.code.get(), nullptr));
    CAIRN_CHECK(matches.back() != nullptr);
  }
  if (text.empty() || SplitFrom(state_->steps, matches, text, 0, word)) return {};
  return Fail(ErrorCode::kLimit,
              "the text needs more backtracking in the tokenizer's patterns than is allowed");
}

}  // namespace cairn::model
