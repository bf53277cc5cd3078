// SPDX-License-Identifier: Apache-2.0
#include "model/unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

#include "model/tokenizer_state.h"
#include "model/utf8.h"

namespace cairn::model {

// The best way to the place after a token: its sum, the token and its bytes.
struct Unigram::Step {
  double score = 0;
  std::int32_t id = -1;    // -1: an unknown character
  std::int32_t bytes = 0;  // 0: no way found yet
};

Result<Unigram> Unigram::Create(const Vocabulary& v, std::span<const std::int32_t, 256> byte_tokens,
                                std::vector<std::string_view> before_marks) {
  if (!v.unknown) {
    return Fail(ErrorCode::kCorrupt,
                "'tokenizer.ggml.unknown_token_id' is missing, as kind 't5' needs it");
  }
  std::vector<TokenPrefixes::Entry> entries;
  double least = 0;
  bool any = false;
  for (std::size_t id = 0; id < v.tokens.size(); ++id) {
    if (v.types[id] != TokenType::kNormal) continue;
    entries.push_back({v.tokens[id], static_cast<std::int32_t>(id)});
    least = any ? std::min<double>(least, v.scores[id]) : v.scores[id];
    any = true;
  }
  Unigram unigram(v, OR_RETURN(TokenPrefixes::Create(std::move(entries))));
  constexpr double kPenalty = 10;  // SentencePiece's
  unigram.unknown_score_ = least - kPenalty;
  unigram.map_ = OR_RETURN(CharMap::Create(v.char_map));
  std::ranges::copy(byte_tokens, unigram.byte_tokens_.begin());
  unigram.byte_fallback_ = std::ranges::count(byte_tokens, -1) == 0;
  unigram.before_marks_ = std::move(before_marks);
  return unigram;
}

// As SentencePiece does it: the map's replacements, spaces as marks; where asked for, a mark before
// the text, and of spaces in a row one, at the ends none.
std::string Unigram::Normalise(std::string_view text) const {
  std::string out;
  const auto next = [&](std::string_view rest) {
    CharMap::Match match = map_.Longest(rest);
    if (match.bytes > 0) return match;
    const std::size_t bytes = std::min(rest.size(), Utf8Bytes(static_cast<unsigned char>(rest[0])));
    return CharMap::Match{bytes, rest.substr(0, bytes)};
  };
  std::size_t at = 0;
  bool after_space = v_->remove_extra_spaces;
  while (after_space && at < text.size()) {
    const CharMap::Match match = next(text.substr(at));
    if (match.replacement != " ") break;
    at += match.bytes;
  }
  if (at == text.size()) return out;
  if (v_->add_space_prefix) out += kSpaceMark;
  while (at < text.size()) {
    const CharMap::Match match = next(text.substr(at));
    at += match.bytes;
    std::string_view piece = match.replacement;
    while (after_space && piece.starts_with(' ')) piece.remove_prefix(1);
    if (!piece.empty()) {
      AppendMarked(piece, out);
      after_space = piece.ends_with(' ');
    }
    if (!v_->remove_extra_spaces) after_space = false;
  }
  while (v_->remove_extra_spaces && out.ends_with(kSpaceMark)) {
    out.resize(out.size() - kSpaceMark.size());
  }
  return out;
}

Result<void> Unigram::Encode(std::string_view text, std::vector<std::int32_t>& out) const {
  const std::string normal = Normalise(text);
  const std::string_view rest = normal;
  std::vector<Step> steps;
  std::size_t begin = 0;
  std::string_view before = kSpaceMark;
  const auto stretch = [&](std::size_t end) -> Result<void> {
    if (end - begin > kMostStretchBytes) {
      return Fail(ErrorCode::kLimit,
                  fmt::format("the text has {} bytes without a space, at most {} can be tokenized",
                              end - begin, kMostStretchBytes));
    }
    EncodeStretch(rest.substr(begin, end - begin), steps, out);
    begin = end;
    return {};
  };
  for (std::size_t at = 0; at < rest.size();) {
    const std::size_t bytes =
        std::min(rest.size() - at, Utf8Bytes(static_cast<unsigned char>(rest[at])));
    const std::string_view character = rest.substr(at, bytes);
    if (character == kSpaceMark && before != kSpaceMark &&
        !std::ranges::binary_search(before_marks_, before)) {
      OR_RETURN(stretch(at));
    }
    before = character;
    at += bytes;
  }
  return stretch(rest.size());
}

void Unigram::EncodeStretch(std::string_view text, std::vector<Step>& steps,
                            std::vector<std::int32_t>& out) const {
  if (text.empty()) return;
  steps.assign(text.size() + 1, {});
  const auto offer = [&](std::size_t from, std::int32_t id, std::size_t bytes, double score) {
    Step& step = steps[from + bytes];
    const double sum = steps[from].score + score;
    if (step.bytes == 0 || sum > step.score) step = {sum, id, static_cast<std::int32_t>(bytes)};
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t character =
        std::min(text.size() - at, Utf8Bytes(static_cast<unsigned char>(text[at])));
    bool whole = false;
    prefixes_.ForEach(text.substr(at), [&](std::int32_t id, std::size_t bytes) {
      whole |= bytes == character;
      if (bytes >= character) offer(at, id, bytes, v_->scores[static_cast<std::size_t>(id)]);
    });
    if (!whole) offer(at, -1, character, unknown_score_);
    at += character;
  }
  // Back from the end; then unknown characters become bytes, or one token for all in a row.
  std::vector<std::pair<std::int32_t, std::string_view>> tokens;
  for (std::size_t end = text.size(); end > 0;) {
    const auto bytes = static_cast<std::size_t>(steps[end].bytes);
    tokens.emplace_back(steps[end].id, text.substr(end - bytes, bytes));
    end -= bytes;
  }
  bool after_unknown = false;
  for (const auto& [id, piece] : std::views::reverse(tokens)) {
    if (id >= 0) {
      out.push_back(id);
    } else if (byte_fallback_) {
      for (const char c : piece) out.push_back(byte_tokens_[static_cast<unsigned char>(c)]);
    } else if (!after_unknown) {
      out.push_back(*v_->unknown);
    }
    after_unknown = id < 0;
  }
}

}  // namespace cairn::model
