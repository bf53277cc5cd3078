// SPDX-License-Identifier: Apache-2.0
#include "model/plamo_pieces.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/utf8.h"

namespace cairn::model {
namespace {

constexpr double kParts = 1e4;                       // of a score
constexpr std::int32_t kUnknown = -10'000'000;       // score of a character without a token
constexpr double kLeast = -20'000'000, kMost = 1e9;  // scores outside are none
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

Result<PlamoPieces> PlamoPieces::Create(const Vocabulary& v,
                                        std::span<const std::int32_t, 256> byte_tokens) {
  const auto lacking = std::ranges::count(byte_tokens, -1);
  if (lacking != 0) {
    return Fail(ErrorCode::kCorrupt, fmt::format("'tokenizer.ggml.tokens' lacks {} of the 256 byte "
                                                 "tokens, as kind 'plamo2' needs them",
                                                 lacking));
  }
  std::vector<TokenPrefixes::Entry> entries;
  for (std::size_t id = 0; id < v.tokens.size(); ++id) {
    const double score = std::round(v.scores[id] * kParts);
    if (v.types[id] != TokenType::kNormal || !(score > kLeast && score < kMost)) continue;
    entries.push_back({v.tokens[id], static_cast<std::int32_t>(id)});
  }
  PlamoPieces pieces(v, OR_RETURN(TokenPrefixes::Create(entries)));
  for (const TokenPrefixes::Entry& entry : entries) {
    const auto id = static_cast<std::size_t>(entry.id);
    pieces.scores_[id] = static_cast<std::int32_t>(std::round(v.scores[id] * kParts));
  }
  std::ranges::copy(byte_tokens, pieces.byte_tokens_.begin());
  return pieces;
}

Result<void> PlamoPieces::Encode(std::string_view text, std::vector<std::int32_t>& out) const {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  if (text.size() > kMostBytes) {
    return Fail(ErrorCode::kLimit, fmt::format("the text has {} bytes, at most {} can be tokenized "
                                               "with kind 'plamo2'",
                                               text.size(), kMostBytes));
  }
  struct Best {
    std::int64_t score = 0;  // of the text from here on
    std::int32_t id = -1;    // -1: the bytes of a character
    std::int32_t bytes = 0;
  };
  std::vector<Best> best(text.size() + 1);
  for (std::size_t at = text.size(); at-- > 0;) {
    if ((static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) continue;  // inside a character
    const std::size_t character = Utf8Bytes(static_cast<unsigned char>(text[at]));
    Best& here = best[at];
    here = {best[at + character].score + kUnknown, -1, static_cast<std::int32_t>(character)};
    prefixes_.ForEach(text.substr(at), [&](std::int32_t id, std::size_t bytes) {
      // A token of an ill-formed spelling may end inside a character.
      if (at + bytes < text.size() &&
          (static_cast<unsigned char>(text[at + bytes]) & 0xc0) == 0x80) {
        return;
      }
      const std::int64_t score = best[at + bytes].score + scores_[static_cast<std::size_t>(id)];
      if (score >= here.score) here = {score, id, static_cast<std::int32_t>(bytes)};
    });
  }
  for (std::size_t at = 0; at < text.size();) {
    const auto bytes = static_cast<std::size_t>(best[at].bytes);
    if (best[at].id >= 0) {
      out.push_back(best[at].id);
    } else {
      for (const char c : text.substr(at, bytes)) {
        out.push_back(byte_tokens_[static_cast<unsigned char>(c)]);
      }
    }
    at += bytes;
  }
  return {};
}

}  // namespace cairn::model
