// SPDX-License-Identifier: Apache-2.0
#include "grammar/token_trie.h"

#include <algorithm>

namespace cairn::grammar {
namespace {

constexpr std::size_t kMostTokenBytes = 65'535;

}  // namespace

std::vector<TokenTrie::Node> TrieOf(std::span<const std::string_view> sorted) {
  std::vector<TokenTrie::Node> nodes;
  std::vector<std::uint32_t> open;  // nodes above, by depth - 1
  const auto close = [&](std::size_t depth) {
    while (open.size() > depth) {
      nodes[open.back()].next = static_cast<std::uint32_t>(nodes.size());
      open.pop_back();
    }
  };
  std::string_view last;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const std::string_view text = sorted[i];
    const auto differ = std::ranges::mismatch(text, last);
    const auto common = static_cast<std::size_t>(differ.in1 - text.begin());
    close(common);
    for (std::size_t at = common; at < text.size(); ++at) {
      open.push_back(static_cast<std::uint32_t>(nodes.size()));
      nodes.push_back({.first_token = static_cast<std::uint32_t>(i),
                       .depth = static_cast<std::uint16_t>(at + 1),
                       .byte = static_cast<unsigned char>(text[at])});
    }
    if (!open.empty()) ++nodes[open.back()].tokens;
    last = text;
  }
  close(0);
  return nodes;
}

TokenTrie::TokenTrie(std::span<const std::string> tokens, std::vector<TokenId> ends)
    : ends_(std::move(ends)) {
  std::ranges::sort(ends_);
  std::size_t total = 0;
  for (const std::string& token : tokens) total += token.size();
  bytes_.reserve(total);
  first_byte_.reserve(tokens.size() + 1);
  first_byte_.push_back(0);
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    const std::string& token = tokens[id];
    const auto signed_id = static_cast<TokenId>(id);
    if (!token.empty() && token.size() <= kMostTokenBytes &&
        !std::ranges::binary_search(ends_, signed_id)) {
      bytes_ += token;
      order_.push_back(signed_id);
      longest_ = std::max(longest_, static_cast<std::uint32_t>(token.size()));
    }
    first_byte_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  }
  std::ranges::sort(order_, [this](TokenId a, TokenId b) {
    const std::string_view x = BytesOf(a), y = BytesOf(b);
    return x != y ? x < y : a < b;
  });
  std::vector<std::string_view> sorted;
  sorted.reserve(order_.size());
  for (const TokenId id : order_) sorted.push_back(BytesOf(id));
  nodes_ = TrieOf(sorted);
  kinds_ = TokenKinds(*this);
}

}  // namespace cairn::grammar
