// SPDX-License-Identifier: Apache-2.0
#include "grammar/masks.h"

#include <algorithm>

namespace cairn::grammar {

using Places = Configurations;

namespace {
constexpr ByteSet kAnyByte{~std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint64_t{0},
                           ~std::uint64_t{0}};
}  // namespace

Masks::Masks(std::shared_ptr<const Grammar> grammar, std::shared_ptr<const TokenTrie> trie,
             std::shared_ptr<SharedTables> shared)
    : grammar_(std::move(grammar)),
      trie_(std::move(trie)),
      shared_(std::move(shared)),
      places_(*grammar_) {}

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
  return table_bytes_ + places_.bytes();
}

bool Masks::full() {
  const std::lock_guard lock(mutex_);
  return places_.exhausted() || table_bytes_ + places_.bytes() > kMostBytes;
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
    table = MakeTable(group, follow);
    if (shared && !places_.exhausted()) shared_->Add(std::move(items), table);
  }
  table_bytes_ += table->few.size() * 4 + (table->many ? trie_->size() / 8 : 0) +
                  table->rests.size() * sizeof(TokenTrie::Node) + table->rest_tokens.size() * 4 +
                  128;
  return *tables_.emplace(std::pair(group, follow), std::move(table)).first->second;
}

std::shared_ptr<const TokenTable> Masks::MakeTable(NodeId group, const ByteSet& follow) {
  TokenTable table;
  const auto nodes = trie_->nodes();
  const auto order = trie_->order();
  std::vector<NodeId> path(trie_->longest() + 1, Places::kDead);
  path[0] = group;
  std::vector<std::uint32_t> exits;  // nodes of the trie with whose bytes the group may end
  auto taken = std::make_shared<TokenMask>(trie_->size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < nodes.size();) {
    const TokenTrie::Node& node = nodes[i];
    const NodeId place = places_.StepByte(path[node.depth - 1u], node.byte);
    if (place == Places::kDead) {
      i = node.next;
      continue;
    }
    path[node.depth] = place;
    for (std::uint32_t t = 0; t < node.tokens; ++t) taken->Set(order[node.first_token + t]);
    count += node.tokens;
    if (places_.HasOutside(place)) exits.push_back(static_cast<std::uint32_t>(i));
    ++i;
  }
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
  }
  std::ranges::sort(rests);
  std::vector<std::string_view> texts;
  for (const auto& [text, token] : rests) {
    texts.push_back(text);
    table.rest_tokens.push_back(token);
  }
  table.rests = TrieOf(texts);
  if (count * sizeof(TokenId) * 8 < trie_->size()) {
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
    std::vector<Item> group;
    for (; i < items.size() && items[i].after == after; ++i) {
      if (items[i].state < Places::kAcceptedState)
        group.push_back({items[i].state, Places::kOutside});
    }
    if (group.empty()) continue;
    const TokenTable& table = TableOf(std::move(group), after);
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
