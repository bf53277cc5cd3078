// SPDX-License-Identifier: Apache-2.0
#include "model/token_table.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>

namespace cairn::model {

TokenTable::TokenTable(std::span<const std::string_view> tokens, const std::vector<bool>& included)
    : tokens_(tokens), slots_(std::bit_ceil(tokens.size() * 3 / 2 + 1), -1) {
  for (const std::string_view token : tokens) {
    seed_ = XXH3_64bits_withSeed(token.data(), token.size(), seed_);
  }
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (!included[id]) continue;
    std::size_t at = XXH3_64bits_withSeed(tokens[id].data(), tokens[id].size(), seed_) & mask;
    while (slots_[at] >= 0 && tokens[static_cast<std::size_t>(slots_[at])] != tokens[id]) {
      at = (at + 1) & mask;
    }
    if (slots_[at] < 0) slots_[at] = static_cast<std::int32_t>(id);
  }
}

std::int32_t TokenTable::Find(std::string_view text) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = XXH3_64bits_withSeed(text.data(), text.size(), seed_) & mask;
       slots_[at] >= 0; at = (at + 1) & mask) {
    if (tokens_[static_cast<std::size_t>(slots_[at])] == text) return slots_[at];
  }
  return -1;
}

void SpecialMatcher::Sort() {
  std::ranges::sort(entries_, [](const Entry& a, const Entry& b) {
    return a.text != b.text ? a.text < b.text : a.id < b.id;
  });
  const auto same = std::ranges::unique(entries_, {}, &Entry::text);
  entries_.erase(same.begin(), same.end());
  first_.fill(0);
  for (const Entry& entry : entries_) ++first_[static_cast<unsigned char>(entry.text[0]) + 1u];
  for (std::size_t b = 0; b < 256; ++b) first_[b + 1] += first_[b];
}

SpecialMatcher::Match SpecialMatcher::At(std::string_view text) const {
  Match best;
  const auto first = static_cast<unsigned char>(text[0]);
  auto low = entries_.begin() + first_[first];
  auto high = entries_.begin() + first_[first + 1u];
  // The range holds what begins with the first `i` bytes of the text; the text that ends there is
  // its first entry.
  for (std::size_t i = 1; low != high; ++i) {
    if (low->text.size() == i) {
      best = {low->id, i};
      ++low;
    }
    if (i >= text.size()) break;
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto at = [i](const Entry& entry) { return static_cast<unsigned char>(entry.text[i]); };
    const auto range = std::ranges::equal_range(low, high, byte, {}, at);
    low = range.begin();
    high = range.end();
  }
  return best;
}

std::size_t SpecialMatcher::Find(std::string_view text, std::size_t from, Match& match) const {
  for (std::size_t at = from; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (first_[byte] == first_[byte + 1u]) continue;
    match = At(text.substr(at));
    if (match.id >= 0) return at;
  }
  return text.size();
}

}  // namespace cairn::model
