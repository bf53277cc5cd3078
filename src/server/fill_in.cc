// SPDX-License-Identifier: Apache-2.0
#include "server/fill_in.h"

#include <algorithm>
#include <array>

namespace cairn::server {
namespace {

struct Family {
  std::string_view prefix, suffix, middle;
};
// As their tokenizers spell them.
constexpr std::array<Family, 6> kFamilies = {
    {{"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"},
     {"<fim_prefix>", "<fim_suffix>", "<fim_middle>"},
     {"<fim-prefix>", "<fim-suffix>", "<fim-middle>"},
     {"<|fim_begin|>", "<|fim_hole|>", "<|fim_end|>"},
     {"<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"},
     {"\xE2\x96\x81<PRE>", "\xE2\x96\x81<SUF>", "\xE2\x96\x81<MID>"}}};

std::optional<std::int32_t> IdOf(const model::Tokenizer& tokenizer, std::string_view piece) {
  const auto& tokens = tokenizer.vocabulary().tokens;
  const auto place = std::ranges::find(tokens, piece);
  if (place == tokens.end()) return std::nullopt;
  return static_cast<std::int32_t>(place - tokens.begin());
}

}  // namespace

std::optional<FillInTokens> FillInTokensOf(const model::Tokenizer& tokenizer) {
  for (const Family& family : kFamilies) {
    const auto prefix = IdOf(tokenizer, family.prefix);
    if (!prefix) continue;
    const auto suffix = IdOf(tokenizer, family.suffix), middle = IdOf(tokenizer, family.middle);
    if (suffix && middle) return FillInTokens{*prefix, *suffix, *middle};
  }
  return std::nullopt;
}

Result<std::vector<std::int32_t>> EncodeFillIn(const model::Tokenizer& tokenizer,
                                               std::string_view before, std::string_view behind) {
  const auto marks = FillInTokensOf(tokenizer);
  if (!marks) {
    return Fail(ErrorCode::kUnsupported,
                "this model was not trained to fill in texts: it has no tokens for that");
  }
  std::vector<std::int32_t> tokens;
  const auto add = [&](std::int32_t mark, std::string_view text) -> Result<void> {
    const auto encoded = OR_RETURN(tokenizer.Encode(text, false));
    tokens.push_back(mark);
    tokens.insert(tokens.end(), encoded.begin(), encoded.end());
    return {};
  };
  if (tokenizer.vocabulary().add_bos && tokenizer.vocabulary().bos) {
    tokens.push_back(*tokenizer.vocabulary().bos);
  }
  OR_RETURN(add(marks->prefix, before));
  OR_RETURN(add(marks->suffix, behind));
  tokens.push_back(marks->middle);
  return tokens;
}

}  // namespace cairn::server
