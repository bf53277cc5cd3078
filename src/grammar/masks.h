// SPDX-License-Identifier: Apache-2.0
// The masks of one grammar over one vocabulary, made when they are first wanted and remembered.
//
// A node's configurations fall into groups that share what comes after them. A group alone, with
// kOutside after it, has a local table: tokens that it takes without its end, and those that pass
// its end with bytes left, as a small trie of these rests. Tables depend on the group's states and
// on the bytes with which what comes after may begin (other rests are not kept) alone; that of the
// inside of JSON's strings keeps all rests and is one for every grammar. A node's mask is the union
// of its groups' tables and of the rests that what comes after takes; it is remembered by the
// node's number. Counts that are farther from their bounds than a token is long are looked at as
// one, so that a long text of at most a million characters has a few dozen masks. Tokens of kinds
// of characters that may come freely here are taken together (free_text.h).
// Threads: any; a mutex. Masks are immutable. Owns: the nodes, tables and masks.
// Cost: a remembered mask is a look-up; one whose tables are there, microseconds; a table walks the
// trie as far as the group takes bytes that are not free.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "grammar/configurations.h"
#include "grammar/free_text.h"
#include "grammar/token_mask.h"
#include "grammar/token_trie.h"

namespace cairn::grammar {

// What a group of states takes of a vocabulary.
struct TokenTable {
  std::vector<TokenId> few;         // taken without the end: as a list,
  std::shared_ptr<TokenMask> many;  // or as a mask
  std::vector<TokenTrie::Node> rests;
  std::vector<TokenId> rest_tokens;  // in the order of the rests
  // There are so many rests that the group is looked at with what comes after it instead.
  bool whole = false;
};

// What many grammars share, for one vocabulary: tables of the insides of JSON's strings
// (Grammar::shared_states), and the tokens of kinds of characters. Threads: any.
class SharedTables {
 public:
  std::shared_ptr<const TokenTable> Find(const std::vector<Item>& group) {
    const std::lock_guard lock(mutex_);
    const auto found = tables_.find(group);
    return found != tables_.end() ? found->second : nullptr;
  }
  void Add(std::vector<Item> group, std::shared_ptr<const TokenTable> table) {
    const std::lock_guard lock(mutex_);
    tables_.emplace(std::move(group), std::move(table));
  }
  // TokenKinds::TokensOf.
  std::shared_ptr<const TokenMask> TokensOf(const TokenTrie& trie, KindSet kinds,
                                            std::uint32_t characters);

 private:
  static constexpr std::size_t kMostMasks = 256;

  std::mutex mutex_;
  std::map<std::vector<Item>, std::shared_ptr<const TokenTable>> tables_;
  std::map<std::pair<KindSet, std::uint32_t>, std::shared_ptr<const TokenMask>> of_kinds_;
};

class Masks {
 public:
  // `shared`: of the same trie.
  Masks(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie,
        std::shared_ptr<SharedTables> shared = std::make_shared<SharedTables>());

  NodeId start();
  // Tokens that may come at a node; the ends of an answer where it is complete. Null where the
  // grammar is too ambiguous to say.
  std::shared_ptr<const TokenMask> MaskOf(NodeId node);
  NodeId Advance(NodeId node, std::string_view bytes);  // kDead where they cannot come
  bool Accepts(NodeId node);
  // The bytes that must come, at most `most`.
  std::string Forced(NodeId node, std::size_t most);
  NodeId CopyTo(NodeId node, Masks& to);

  // More memory than kMostBytes, or a mask that could not be made: make another one.
  bool full();
  std::size_t bytes();  // of memory
  const TokenTrie& trie() const { return *trie_; }
  const std::shared_ptr<const TokenTrie>& shared_trie() const { return trie_; }
  const std::shared_ptr<const Grammar>& grammar() const { return grammar_; }
  const std::shared_ptr<SharedTables>& shared_tables() const { return shared_; }

  static constexpr std::size_t kMostBytes = std::size_t{48} << 20;

 private:
  std::size_t Bytes() const { return table_bytes_ + places_.bytes() + free_texts_.bytes(); }
  // The node that no token tells apart from this one: far counts are as one (Grammar::Alike).
  NodeId Alike(NodeId node);
  const TokenTable& TableOf(std::vector<Item> group, NodeId after);
  // `most_rests`: with more the table is of a group to be looked at whole.
  std::shared_ptr<const TokenTable> MakeTable(NodeId group, const ByteSet& follow,
                                              std::size_t most_rests);
  // Adds the tokens that a node takes; with `follow` also tells with which nodes of the trie it may
  // end, where one of these bytes comes behind it.
  void Walk(NodeId node, const ByteSet* follow, TokenMask& taken,
            std::vector<std::uint32_t>& exits);
  void TakeRests(const TokenTable& table, NodeId after, TokenMask& mask);

  std::shared_ptr<const Grammar> grammar_;
  std::shared_ptr<const TokenTrie> trie_;
  std::shared_ptr<SharedTables> shared_;
  std::mutex mutex_;
  Configurations places_;
  FreeTexts free_texts_;
  std::unordered_map<NodeId, NodeId> alike_;
  std::map<std::pair<NodeId, ByteSet>, std::shared_ptr<const TokenTable>> tables_;
  std::unordered_map<NodeId, std::shared_ptr<const TokenMask>> masks_;
  std::size_t table_bytes_ = 0;
};

}  // namespace cairn::grammar
