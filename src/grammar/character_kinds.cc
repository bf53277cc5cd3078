// SPDX-License-Identifier: Apache-2.0
#include "grammar/character_kinds.h"

#include <algorithm>
#include <array>

#include "grammar/code_points.h"
#include "grammar/token_trie.h"

namespace cairn::grammar {
namespace {

constexpr std::uint32_t kMostCounted = 255;

constexpr std::array<KindSet, 128> Kinds() {
  // Marks that forms often treat apart from others: each a kind, behind seven of many characters.
  constexpr std::string_view kMarks = "\"'()*+,-./:;<=>[\\]_`{|}";
  std::array<KindSet, 128> kinds{};
  for (unsigned c = 0; c < 128; ++c) {
    const auto mark = kMarks.find(static_cast<char>(c));
    const unsigned kind = c >= 'a' && c <= 'z'                  ? 0
                          : c >= 'A' && c <= 'Z'                ? 1
                          : c >= '0' && c <= '9'                ? 2
                          : c == ' '                            ? 3
                          : c == '\t' || c == '\n' || c == '\r' ? 4
                          : c < ' ' || c == 0x7F                ? 5
                          : mark == std::string_view::npos      ? 6
                                                                : 7 + static_cast<unsigned>(mark);
    kinds[c] = KindSet{1} << kind;
  }
  return kinds;
}
constexpr auto kKinds = Kinds();

}  // namespace

KindSet KindOf(unsigned char ascii) { return kKinds[ascii]; }

TokenKinds::TokenKinds(const TokenTrie& trie) {
  const auto order = trie.order();
  token_kinds_.resize(order.size());
  token_characters_.resize(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    std::string_view text = trie.BytesOf(order[i]);
    std::uint32_t characters = 0;
    for (; !text.empty(); ++characters) {
      const auto first = static_cast<unsigned char>(text[0]);
      const std::size_t bytes = first < 0x80 ? 1 : FirstCodePoint(text).bytes;
      token_kinds_[i] |= first < 0x80 ? KindOf(first) : bytes == 0 ? kNoCharacter : kNotAscii;
      text.remove_prefix(std::max<std::size_t>(bytes, 1));
    }
    token_characters_[i] = static_cast<std::uint8_t>(std::min(characters, kMostCounted));
    most_characters_ = std::max<std::uint32_t>(most_characters_, token_characters_[i]);
  }
  const auto nodes = trie.nodes();
  node_kinds_.resize(nodes.size());
  node_characters_.resize(nodes.size());
  for (std::size_t n = nodes.size(); n > 0; --n) {
    const TokenTrie::Node& node = nodes[n - 1];
    KindSet kinds = 0;
    std::uint8_t characters = 0;
    const auto add = [&](KindSet more, std::uint8_t length) {
      kinds |= more;
      characters = std::max(characters, length);
    };
    for (std::size_t t = node.first_token; t < node.first_token + node.tokens; ++t) {
      add(token_kinds_[t], token_characters_[t]);
    }
    for (std::size_t child = n; child < node.next; child = nodes[child].next) {
      add(node_kinds_[child], node_characters_[child]);
    }
    node_kinds_[n - 1] = kinds;
    node_characters_[n - 1] = characters;
  }
}

TokenMask TokenKinds::TokensOf(const TokenTrie& trie, KindSet kinds,
                               std::uint32_t characters) const {
  TokenMask mask(trie.size());
  for (std::size_t i = 0; i < token_kinds_.size(); ++i) {
    if ((token_kinds_[i] & ~kinds) == 0 && token_characters_[i] <= characters) {
      mask.Set(trie.order()[i]);
    }
  }
  return mask;
}

}  // namespace cairn::grammar
