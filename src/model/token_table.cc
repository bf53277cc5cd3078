// SPDX-License-Identifier: Apache-2.0
#include "model/token_table.h"

#include <xxhash.h>

#include <bit>

namespace cairn::model {

TokenTable::TokenTable(std::span<const std::string_view> tokens)
    : tokens_(tokens), slots_(std::bit_ceil(tokens.size() * 2 + 1), -1) {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    std::size_t at = XXH3_64bits(tokens[id].data(), tokens[id].size()) & mask;
    while (slots_[at] >= 0 && tokens[static_cast<std::size_t>(slots_[at])] != tokens[id]) {
      at = (at + 1) & mask;
    }
    if (slots_[at] < 0) slots_[at] = static_cast<std::int32_t>(id);
  }
}

std::int32_t TokenTable::Find(std::string_view text) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = XXH3_64bits(text.data(), text.size()) & mask; slots_[at] >= 0;
       at = (at + 1) & mask) {
    if (tokens_[static_cast<std::size_t>(slots_[at])] == text) return slots_[at];
  }
  return -1;
}

SpecialMatcher::SpecialMatcher() : first_(256, -1) {}

void SpecialMatcher::Add(std::string_view text, std::int32_t id) {
  std::int32_t* link = &first_[static_cast<unsigned char>(text[0])];
  for (std::size_t i = 0;; ++i) {
    if (*link < 0) {
      *link = static_cast<std::int32_t>(nodes_.size());
      nodes_.emplace_back();  // may move the node that `link` points into: it is not used again
    }
    const std::int32_t node = i == 0 ? first_[static_cast<unsigned char>(text[0])]
                                     : static_cast<std::int32_t>(*link);
    Node& at = nodes_[static_cast<std::size_t>(node)];
    if (i + 1 == text.size()) {
      if (at.id < 0) at.id = id;
      return;
    }
    const auto byte = static_cast<unsigned char>(text[i + 1]);
    link = nullptr;
    for (auto& [key, child] : at.children) {
      if (key == byte) link = &child;
    }
    if (link == nullptr) {
      at.children.emplace_back(byte, static_cast<std::int32_t>(nodes_.size()));
      nodes_.emplace_back();
      link = &nodes_[static_cast<std::size_t>(node)].children.back().second;
    }
  }
}

SpecialMatcher::Match SpecialMatcher::At(std::string_view text) const {
  Match best;
  std::int32_t node = first_[static_cast<unsigned char>(text[0])];
  for (std::size_t i = 1; node >= 0; ++i) {
    const Node& at = nodes_[static_cast<std::size_t>(node)];
    if (at.id >= 0) best = {at.id, i};
    if (i >= text.size()) break;
    node = -1;
    for (const auto& [key, child] : at.children) {
      if (key == static_cast<unsigned char>(text[i])) node = child;
    }
  }
  return best;
}

}  // namespace cairn::model
