// SPDX-License-Identifier: Apache-2.0
#include "grammar/masks.h"

#include <algorithm>

namespace cairn::grammar {

using Places = Configurations;

namespace {
constexpr ByteSet kAnyByte{~std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint64_t{0},
                           ~std::uint64_t{0}};

constexpr std::size_t kMostRests = 1'000;  // to sort and follow more is more than to walk anew

// A character of one of these kinds may begin with one of these bytes.
bool MayBegin(KindSet kinds, const ByteSet& bytes) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    const KindSet kind = byte < 0x80 ? KindOf(static_cast<unsigned char>(byte)) : kNotAscii;
    if ((kinds & kind) != 0 && (bytes[byte / 64] >> (byte % 64) & 1) != 0) return true;
  }
  return false;
}

}  // namespace

std::shared_ptr<const TokenMask> SharedTables::TokensOf(const TokenTrie& trie, KindSet kinds,
                                                        std::uint32_t characters) {
  characters = std::min(characters, trie.kinds().most_characters());
  const std::lock_guard lock(mutex_);
  auto& kept = of_kinds_[{kinds, characters}];
  if (kept != nullptr) return kept;
  if (of_kinds_.size() > kMostMasks) of_kinds_.clear();
  auto mask = std::make_shared<TokenMask>(trie.kinds().TokensOf(trie, kinds, characters));
  of_kinds_[{kinds, characters}] = mask;
  return mask;
}

Masks::Masks(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie,
             std::shared_ptr<SharedTables> shared)
    : grammar_(std::move(grammar)),
      trie_(std::move(trie)),
      shared_(std::move(shared)),
      places_(*grammar_),
      free_texts_(places_, [this](NodeId node) { return Alike(node); }) {}

NodeId Masks::start() {
  const std::lock_guard lock(mutex_);
  return places_.start();
}

NodeId Masks::Advance(NodeId node, std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  places_.ResetWork();
  for (const char byte : bytes) node = places_.StepByte(node, static_cast<unsigned char>(byte));
  return node;
}

bool Masks::Accepts(NodeId node) {
  const std::lock_guard lock(mutex_);
  return places_.Accepts(node);
}

std::string Masks::Forced(NodeId node, std::size_t most) {
  const std::lock_guard lock(mutex_);
  places_.ResetWork();
  std::string text;
  while (text.size() < most) {
    const auto byte = places_.OnlyByte(node);
    if (!byte) break;
    text += static_cast<char>(*byte);
    node = places_.StepByte(node, *byte);
  }
  return text;
}

NodeId Masks::CopyTo(NodeId node, Masks& to) {
  const std::scoped_lock lock(mutex_, to.mutex_);
  return places_.CopyTo(node, to.places_);
}

std::size_t Masks::bytes() {
  const std::lock_guard lock(mutex_);
  return Bytes();
}

bool Masks::full() {
  const std::lock_guard lock(mutex_);
  return places_.exhausted() || Bytes() > kMostBytes;
}

const TokenTable& Masks::TableOf(std::vector<Item> items, NodeId after) {
  std::ranges::sort(items);
  const NodeId group = places_.Group(items);
  const bool shared = std::ranges::all_of(
      items, [&](const Item& item) { return item.state < grammar_->shared_states(); });
  const ByteSet follow = shared ? kAnyByte : places_.FirstBytes(places_.After(after));
  const auto found = tables_.find({group, follow});
  if (found != tables_.end()) return *found->second;
  auto table = shared ? shared_->Find(items) : nullptr;
  if (table == nullptr) {
    table = MakeTable(group, follow, shared ? ~std::size_t{0} : kMostRests);
    if (shared && !places_.exhausted()) shared_->Add(std::move(items), table);
  }
  table_bytes_ += table->few.size() * 4 + (table->many ? trie_->size() / 8 : 0) +
                  table->rests.size() * sizeof(TokenTrie::Node) + table->rest_tokens.size() * 4 +
                  128;
  return *tables_.emplace(std::pair(group, follow), std::move(table)).first->second;
}

// Tokens of kinds that are free at the node are known, and need not be walked through: all of them
// where longer ones cannot come, and cannot pass the node's end either.
void Masks::Walk(NodeId node, const ByteSet* follow, TokenMask& taken,
                 std::vector<std::uint32_t>& exits) {
  const auto nodes = trie_->nodes();
  const auto order = trie_->order();
  const TokenKinds& kinds = trie_->kinds();
  const FreeText free = free_texts_.At(node, kinds.most_characters());
  const bool all_known = free.only && (follow == nullptr || !MayBegin(free.kinds, *follow));
  const std::uint32_t known = all_known ? kEndless : free.characters;
  if (free.kinds != 0) taken.Add(*shared_->TokensOf(*trie_, free.kinds, free.characters));
  std::vector<NodeId> path(trie_->longest() + 1, Places::kDead);
  path[0] = node;
  for (std::size_t i = 0; i < nodes.size();) {
    const TokenTrie::Node& at = nodes[i];
    if ((kinds.AtNode(i) & ~free.kinds) == 0 && kinds.CharactersAtNode(i) <= known) {
      i = at.next;
      continue;
    }
    const NodeId place = places_.StepByte(path[at.depth - 1u], at.byte);
    if (place == Places::kDead) {
      i = at.next;
      continue;
    }
    path[at.depth] = place;
    for (std::uint32_t t = 0; t < at.tokens; ++t) taken.Set(order[at.first_token + t]);
    if (places_.HasOutside(place)) exits.push_back(static_cast<std::uint32_t>(i));
    ++i;
  }
}

std::shared_ptr<const TokenTable> Masks::MakeTable(NodeId group, const ByteSet& follow,
                                                   std::size_t most_rests) {
  TokenTable table;
  const auto nodes = trie_->nodes();
  const auto order = trie_->order();
  std::vector<std::uint32_t> exits;  // nodes of the trie with whose bytes the group may end
  auto taken = std::make_shared<TokenMask>(trie_->size());
  Walk(group, &follow, *taken, exits);
  std::vector<std::pair<std::string_view, TokenId>> rests;
  const auto first_token = [&](std::uint32_t node) {
    return node < nodes.size() ? nodes[node].first_token : order.size();
  };
  for (const std::uint32_t exit : exits) {
    for (std::uint32_t child = exit + 1; child < nodes[exit].next; child = nodes[child].next) {
      const unsigned char byte = nodes[child].byte;
      if ((follow[byte / 64] >> (byte % 64) & 1) == 0) continue;
      for (std::size_t i = first_token(child); i < first_token(nodes[child].next); ++i) {
        if (taken->Has(order[i])) continue;
        rests.emplace_back(trie_->BytesOf(order[i]).substr(nodes[exit].depth), order[i]);
      }
    }
    if (rests.size() > most_rests) {
      table.whole = true;
      return std::make_shared<const TokenTable>(std::move(table));
    }
  }
  std::ranges::sort(rests);
  std::vector<std::string_view> texts;
  for (const auto& [text, token] : rests) {
    texts.push_back(text);
    table.rest_tokens.push_back(token);
  }
  table.rests = TrieOf(texts);
  if (taken->Count() * sizeof(TokenId) * 8 < trie_->size()) {
    for (std::size_t w = 0; w < taken->words().size(); ++w) {
      for (std::uint64_t word = taken->words()[w]; word != 0; word &= word - 1) {
        table.few.push_back(static_cast<TokenId>(w * 64) + std::countr_zero(word));
      }
    }
  } else {
    table.many = std::move(taken);
  }
  return std::make_shared<const TokenTable>(std::move(table));
}

void Masks::TakeRests(const TokenTable& table, NodeId after, TokenMask& mask) {
  if (table.rests.empty()) return;
  std::vector<NodeId> path{places_.After(after)};
  for (std::size_t i = 0; i < table.rests.size();) {
    const TokenTrie::Node& node = table.rests[i];
    const NodeId place = places_.StepByte(path[node.depth - 1u], node.byte);
    if (place == Places::kDead) {
      i = node.next;
      continue;
    }
    path.resize(std::max<std::size_t>(path.size(), node.depth + 1u));
    path[node.depth] = place;
    for (std::uint32_t t = 0; t < node.tokens; ++t)
      mask.Set(table.rest_tokens[node.first_token + t]);
    ++i;
  }
}

NodeId Masks::Alike(NodeId node) {
  if (node <= Places::kAccepted) return node;
  if (const auto found = alike_.find(node); found != alike_.end()) return found->second;
  std::vector<Item> items(places_.ItemsOf(node).begin(), places_.ItemsOf(node).end());
  for (Item& item : items) {
    if (item.state >= Places::kAcceptedState) continue;
    item = {grammar_->Alike(item.state, trie_->longest()), Alike(item.after)};
  }
  const NodeId alike = places_.Group(std::move(items));
  alike_.emplace(node, alike);
  table_bytes_ += 32;
  return alike;
}

std::shared_ptr<const TokenMask> Masks::MaskOf(NodeId given) {
  const std::lock_guard lock(mutex_);
  places_.ResetWork();
  const NodeId node = Alike(given);
  if (const auto found = masks_.find(node); found != masks_.end()) return found->second;
  auto mask = std::make_shared<TokenMask>(trie_->size());
  std::vector<Item> items(places_.ItemsOf(node).begin(), places_.ItemsOf(node).end());
  std::ranges::sort(items, {}, &Item::after);
  for (std::size_t i = 0; i < items.size();) {
    const NodeId after = items[i].after;
    std::vector<Item> group, with_after;
    for (; i < items.size() && items[i].after == after; ++i) {
      if (items[i].state >= Places::kAcceptedState) continue;
      group.push_back({items[i].state, Places::kOutside});
      with_after.push_back(items[i]);
    }
    if (group.empty()) continue;
    const TokenTable& table = TableOf(std::move(group), after);
    if (table.whole) {
      std::vector<std::uint32_t> none;
      Walk(places_.Group(std::move(with_after)), nullptr, *mask, none);
      continue;
    }
    for (const TokenId token : table.few) mask->Set(token);
    if (table.many) mask->Add(*table.many);
    TakeRests(table, after, *mask);
  }
  if (places_.Accepts(node)) {
    for (const TokenId end : trie_->ends()) mask->Set(end);
  }
  if (places_.exhausted()) return nullptr;
  table_bytes_ += trie_->size() / 8 + 64;
  masks_.emplace(node, mask);
  return mask;
}

}  // namespace cairn::grammar
