// SPDX-License-Identifier: Apache-2.0
// Characters in some thirty kinds, and of which kinds the tokens of a vocabulary consist.
//
// Where a form takes any text of some kinds (the inside of a string), the tokens that are of these
// kinds alone need not be walked through one by one (free_text.h, masks.h). Letters, digits and
// what is not ASCII are kinds as a whole, most punctuation marks are their own.
// Threads: immutable once made. Owns: its tables. Cost: 5 bytes for every node of the trie and
// every token; made in one pass over both.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "grammar/token_mask.h"

namespace cairn::grammar {

class TokenTrie;

using KindSet = std::uint32_t;                            // a bit for each kind
inline constexpr KindSet kLowerCase = 1, kUpperCase = 2;  // letters of ASCII
inline constexpr KindSet kNotAscii = KindSet{1} << 30;
inline constexpr KindSet kNoCharacter = KindSet{1} << 31;  // bytes that are no whole characters

// Requires ascii < 0x80.
KindSet KindOf(unsigned char ascii);

class TokenKinds {
 public:
  TokenKinds() = default;
  // Of the trie's nodes and of the tokens in its order.
  explicit TokenKinds(const TokenTrie& trie);

  // The kinds in the tokens that begin with the node's bytes, and the characters of the longest;
  // 255 means that many or more.
  KindSet AtNode(std::size_t node) const { return node_kinds_[node]; }
  std::uint32_t CharactersAtNode(std::size_t node) const { return node_characters_[node]; }
  // Characters of the longest token, at most 255.
  std::uint32_t most_characters() const { return most_characters_; }
  // The tokens of these kinds alone that have at most `characters`.
  TokenMask TokensOf(const TokenTrie& trie, KindSet kinds, std::uint32_t characters) const;

 private:
  std::vector<KindSet> node_kinds_, token_kinds_;
  std::vector<std::uint8_t> node_characters_, token_characters_;
  std::uint32_t most_characters_ = 0;
};

}  // namespace cairn::grammar
