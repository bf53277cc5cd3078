// SPDX-License-Identifier: Apache-2.0
#include "engine/constrained_choice.h"

#include <algorithm>
#include <limits>
#include <string>

namespace cairn::engine {
namespace {

constexpr float kMasked = -std::numeric_limits<float>::max();
constexpr std::size_t kMostExpectedBytes = 64;

}  // namespace

std::shared_ptr<const grammar::TokenTrie> TrieOf(const model::Tokenizer& tokenizer) {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> ends;
  tokens.reserve(static_cast<std::size_t>(tokenizer.size()));
  for (std::int32_t id = 0; id < tokenizer.size(); ++id) {
    tokens.push_back(tokenizer.Decode({&id, 1}, false));
    if (tokenizer.IsEndOfGeneration(id)) ends.push_back(id);
  }
  return std::make_shared<grammar::TokenTrie>(tokens, std::move(ends));
}

Result<std::span<const float>> ConstrainedChoice::Mask(std::span<const float> logits) {
  mask_ = OR_RETURN(matcher_.Mask());
  logits_.resize(logits.size());
  const auto words = mask_->words();
  for (std::size_t first = 0; first < logits.size(); first += 64) {
    const std::uint64_t word = words[first / 64];
    const std::size_t last = std::min(first + 64, logits.size());
    for (std::size_t i = first; i < last; ++i) {
      logits_[i] = (word >> (i - first) & 1) != 0 ? logits[i] : kMasked;
    }
  }
  return logits_;
}

std::int32_t ConstrainedChoice::Take(std::int32_t sampled) {
  std::int32_t token = sampled;
  if (!mask_->Has(token)) {
    float most = 0;
    token = -1;
    for (std::size_t i = 0; i < logits_.size(); ++i) {
      const auto id = static_cast<std::int32_t>(i);
      if (!mask_->Has(id) || (token >= 0 && logits_[i] <= most)) continue;
      token = id;
      most = logits_[i];
    }
  }
  if (!tokenizer_.IsEndOfGeneration(token)) matcher_.Accept(token);
  return token;
}

std::vector<std::int32_t> ConstrainedChoice::Expected(int most) const {
  const std::string text = matcher_.Forced(kMostExpectedBytes);
  if (text.empty()) return {};
  auto tokens = tokenizer_.Encode(text, false);
  if (!tokens) return {};
  tokens->resize(std::min(tokens->size(), static_cast<std::size_t>(most)));
  return *std::move(tokens);
}

}  // namespace cairn::engine
