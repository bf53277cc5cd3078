// SPDX-License-Identifier: Apache-2.0
// Reading a BSkiplist: the descent by versions, look-ups and scans. Included by bskiplist.h.
//
// One rule makes a step from node n to node m right: m's version is read, and after that n is found
// unchanged. So there was a moment at which n led to m and m was as that version says; whatever
// happens to m later changes its version. Nodes that were unlinked meanwhile are still memory: the
// caller has a guard.
#pragma once

#include "index/bskiplist.h"

namespace cairn::index {

#define CAIRN_BSKIPLIST_TEMPLATE \
  template <IndexKey Key, IndexValue Value, int kCapacity, int kSpread, typename Pauses>
#define CAIRN_BSKIPLIST BSkiplist<Key, Value, kCapacity, kSpread, Pauses>

CAIRN_BSKIPLIST_TEMPLATE
inline bool CAIRN_BSKIPLIST::Step(const Node* to, const Node*& node, Version& version) {
  Version to_version = 0;
  if (!to->lock.Read(to_version)) return false;
  Pauses::At(PausePoint::kBeforeCheck);
  if (!node->lock.Unchanged(version)) return false;
  node = to;
  version = to_version;
  return true;
}

CAIRN_BSKIPLIST_TEMPLATE
template <typename CAIRN_BSKIPLIST::Side kSide>
inline bool CAIRN_BSKIPLIST::WalkRight(const Key& key, const Node*& node, Version& version) const {
  for (;;) {
    const Node* const next = node->Next();
    if (next == nullptr) return true;
    const Key header = node->next_header.Load();
    if (kSide == Side::kBefore ? !(header < key) : key < header) return true;
    if (!Step(next, node, version)) return false;
  }
}

// To the node of `level` in which `key` is or would be; with kBefore, to the one that holds what is
// before it, also where the key begins the next node.
CAIRN_BSKIPLIST_TEMPLATE
template <typename CAIRN_BSKIPLIST::Side kSide>
inline bool CAIRN_BSKIPLIST::Descend(const Key& key, int level, const Node*& node,
                                     Version& version) const {
  int at = heights_.levels() - 1;
  node = heads_[at];
  node->lock.Read(version);  // heads are never obsolete
  for (; at > level; --at) {
    if (!WalkRight<Side::kAtOrBefore>(key, node, version)) return false;
    const Node* const child = node->Child(node->Rank(key));
    if (child == nullptr) return false;
    child->Prefetch();
    if (!Step(child, node, version)) return false;
  }
  return WalkRight<kSide>(key, node, version);
}

CAIRN_BSKIPLIST_TEMPLATE
std::optional<Value> CAIRN_BSKIPLIST::Find(const Key& key) const {
  const EpochDomain::Guard guard(epochs_);
  return FindGuarded(key);
}

// Requires a guard. Who has one must not ask for another: guards are limited, and all might wait.
CAIRN_BSKIPLIST_TEMPLATE
std::optional<Value> CAIRN_BSKIPLIST::FindGuarded(const Key& key) const {
  for (Backoff backoff;; backoff.Wait()) {
    const Node* node = nullptr;
    Version version = 0;
    if (!Descend<Side::kAtOrBefore>(key, 0, node, version)) continue;
    std::optional<Value> found;
    const int rank = node->Rank(key);
    if (node->Holds(rank, key)) found = node->AsLeaf().values[rank].Load();
    Pauses::At(PausePoint::kBeforeCheck);
    if (node->lock.Unchanged(version)) return found;
  }
}

// Copies from `from` on (after it, where `after`; from the beginning, where there is none) until
// `out` is full or the map ends: true. False: to be called again; `copied` entries are there and
// `from` is the last of them.
CAIRN_BSKIPLIST_TEMPLATE
bool CAIRN_BSKIPLIST::CopyOnce(std::optional<Key>& from, bool& after, std::span<Entry> out,
                               std::size_t& copied) const {
  const Node* node = heads_[0];
  Version version = 0;
  int rank = 0;
  if (!from) {
    node->lock.Read(version);
  } else {
    if (!Descend<Side::kAtOrBefore>(*from, 0, node, version)) return false;
    rank = node->Rank(*from);
    if (after || !node->Holds(rank, *from)) ++rank;
  }
  for (;; rank = 0) {
    const Node* const next = node->Next();
    const std::size_t room = out.size() - copied;
    // Torn reads may make the difference negative.
    const int left = std::max(node->Count() - rank, 0);
    const std::size_t n = std::min(static_cast<std::size_t>(left), room);
    if (next != nullptr && n < room)
      next->PrefetchEntries(static_cast<int>(std::min<std::size_t>(room - n, kCapacity)));
    for (std::size_t i = 0; i < n; ++i) {
      out[copied + i] = {node->keys[rank + i].Load(), node->AsLeaf().values[rank + i].Load()};
    }
    const bool last = n >= room || next == nullptr;
    // As a step to a neighbour: its version first.
    Version next_version = 0;
    if (!last && !next->lock.Read(next_version)) return false;
    Pauses::At(PausePoint::kBeforeCheck);
    if (!node->lock.Unchanged(version)) return false;
    if (n > 0) {
      copied += n;
      from = out[copied - 1].key;
      after = true;
    }
    if (last) return true;
    node = next;
    version = next_version;
  }
}

CAIRN_BSKIPLIST_TEMPLATE
std::size_t CAIRN_BSKIPLIST::CopyRange(const Key* from, bool after, std::span<Entry> out) const {
  std::size_t copied = 0;
  if (out.empty()) return 0;
  std::optional<Key> begin;
  if (from != nullptr) begin = *from;
  const EpochDomain::Guard guard(epochs_);
  Backoff backoff;
  while (!CopyOnce(begin, after, out, copied)) backoff.Wait();
  return copied;
}

CAIRN_BSKIPLIST_TEMPLATE
std::optional<typename CAIRN_BSKIPLIST::Entry> CAIRN_BSKIPLIST::LowerBound(const Key& key) const {
  Entry entry;
  if (CopyRange(&key, /*after=*/false, {&entry, 1}) == 0) return std::nullopt;
  return entry;
}

CAIRN_BSKIPLIST_TEMPLATE
std::optional<typename CAIRN_BSKIPLIST::Entry> CAIRN_BSKIPLIST::First() const {
  Entry entry;
  if (CopyRange(nullptr, /*after=*/false, {&entry, 1}) == 0) return std::nullopt;
  return entry;
}

CAIRN_BSKIPLIST_TEMPLATE
template <typename Visit>
std::size_t CAIRN_BSKIPLIST::ScanRange(const Key* from, std::size_t limit, Visit& visit) const {
  std::array<Entry, kScanEntries> entries;
  std::size_t visited = 0;
  bool after = false;
  Key last;
  while (visited < limit) {
    const std::size_t wanted = std::min(kScanEntries, limit - visited);
    const std::size_t n = CopyRange(from, after, std::span(entries).first(wanted));
    if (n == 0) break;
    visited += n;
    const std::span<const Entry> slice = std::span(entries).first(n);
    if constexpr (std::is_void_v<decltype(visit(slice))>) {
      visit(slice);
    } else if (!visit(slice)) {
      break;
    }
    if (n < wanted) break;
    last = entries[n - 1].key;
    from = &last;
    after = true;
  }
  return visited;
}

CAIRN_BSKIPLIST_TEMPLATE
std::size_t CAIRN_BSKIPLIST::size() const {
  std::int64_t sum = 0;
  for (const SizePart& part : sizes_) sum += part.entries.load(std::memory_order_relaxed);
  return static_cast<std::size_t>(std::max<std::int64_t>(sum, 0));
}

}  // namespace cairn::index
