// SPDX-License-Identifier: Apache-2.0
#include "kv/prefix_tree.h"

#include <xxhash.h>

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace cairn::kv {

namespace {

// Tiles of 70 GB of SmolLM2's KV.
constexpr std::uint64_t kExpectedEntries = std::uint64_t{1} << 16;
constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

}  // namespace

int CommonTokens(std::span<const std::int32_t> a, std::span<const std::int32_t> b) {
  const std::size_t most = std::min(a.size(), b.size());
  return static_cast<int>(
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(most), b.begin()).first -
      a.begin());
}

PrefixTree::PrefixTree(int groups, std::uint64_t secret, int hash_bits)
    : groups_(groups),
      secret_(secret),
      hash_mask_((std::uint64_t{1} << hash_bits) - 1),
      entries_(1) {
  auto made = Index::Create({.expected_entries = kExpectedEntries, .seed = secret});
  CAIRN_CHECK(made);  // a few kilobytes
  index_ = *std::move(made);
}

EntryId PrefixTree::FindRoot(CacheSpace space) const {
  const auto it = roots_.find(space);
  return it == roots_.end() ? kNoEntry : it->second;
}

EntryId PrefixTree::MakeRoot(CacheSpace space) {
  EntryId& root = roots_[space];
  if (root == kNoEntry) {
    root = Make();
    entries_[root].key = space;
  }
  return root;
}

std::uint64_t PrefixTree::Key(EntryId parent, std::span<const std::int32_t> tokens) const {
  const std::uint64_t hash = XXH3_64bits_withSeed(tokens.data(), tokens.size_bytes(), secret_);
  return std::uint64_t{parent} << 32 | (hash & hash_mask_);
}

EntryId PrefixTree::Find(EntryId parent, std::span<const std::int32_t> tokens) const {
  EntryId id = index_->Find(Key(parent, tokens)).value_or(kNoEntry);
  while (id != kNoEntry && !std::ranges::equal(entries_[id].text(), tokens)) id = entries_[id].next;
  return id;
}

void PrefixTree::ForChildren(EntryId parent, const std::function<bool(EntryId)>& take) const {
  const std::uint64_t end = (std::uint64_t{parent} + 1) << 32;
  index_->Scan(std::uint64_t{parent} << 32, kNoLimit, [&](std::span<const Index::Entry> some) {
    for (const Index::Entry& first : some) {
      if (first.key >= end) return false;
      for (EntryId id = first.value; id != kNoEntry; id = entries_[id].next) {
        if (!take(id)) return false;
      }
    }
    return true;
  });
}

PrefixTree::Common PrefixTree::FindLongest(EntryId parent,
                                           std::span<const std::int32_t> tokens) const {
  const auto tiles = [this](EntryId id) {
    return std::ranges::count_if(entries_[id].tiles,
                                 [](const EntryTile& t) { return bool(t.tile); });
  };
  Common best;
  int left = kMostCompared;
  ForChildren(parent, [&](EntryId id) {
    const int common = CommonTokens(entries_[id].text(), tokens);
    if (common > best.tokens ||
        (common > 0 && common == best.tokens && tiles(id) > tiles(best.entry))) {
      best = {id, common};
    }
    return --left > 0;
  });
  return best;
}

EntryId PrefixTree::FindBeginning(EntryId parent, std::span<const std::int32_t> tokens) const {
  for (std::size_t length = tokens.size(); length-- > 1;) {
    const EntryId id = Find(parent, tokens.first(length));
    if (id != kNoEntry) return id;
  }
  return kNoEntry;
}

EntryId PrefixTree::AnyChild(EntryId parent) const {
  EntryId child = kNoEntry;
  ForChildren(parent, [&](EntryId id) {
    child = id;
    return false;
  });
  return child;
}

EntryId PrefixTree::Make() {
  if (!free_.empty()) {
    const EntryId id = free_.back();
    free_.pop_back();
    return id;
  }
  entries_.emplace_back();
  return static_cast<EntryId>(entries_.size() - 1);
}

EntryId PrefixTree::Add(EntryId parent, std::span<const std::int32_t> tokens) {
  CAIRN_CHECK(!tokens.empty() && tokens.size() <= kernels::kTilePositions);
  const EntryId id = Make();
  PrefixEntry& entry = entries_[id];
  entry.parent = parent;
  entry.key = Key(parent, tokens);
  entry.count = static_cast<int>(tokens.size());
  std::ranges::copy(tokens, entry.tokens.begin());
  entry.tiles.resize(static_cast<std::size_t>(groups_));
  entry.next = index_->Find(entry.key).value_or(kNoEntry);
  if (!index_->Insert(entry.key, id)) {
    entry = PrefixEntry();
    free_.push_back(id);
    return kNoEntry;
  }
  ++entries_[parent].children;
  ++size_;
  return id;
}

void PrefixTree::Unlink(EntryId id) {
  const PrefixEntry& entry = entries_[id];
  const auto first = index_->Find(entry.key);
  CAIRN_CHECK(first);
  if (*first != id) {
    EntryId before = *first;
    while (entries_[before].next != id) before = entries_[before].next;
    entries_[before].next = entry.next;
  } else if (entry.next == kNoEntry) {
    index_->Erase(entry.key);
  } else {
    // No new key, so it takes no memory.
    CAIRN_CHECK(index_->Insert(entry.key, entry.next));
  }
}

void PrefixTree::Remove(EntryId id) {
  CAIRN_CHECK(!IsRoot(id) && entries_[id].children == 0);
  const EntryId parent = entries_[id].parent;
  Unlink(id);
  entries_[id] = PrefixEntry();
  free_.push_back(id);
  --size_;
  if (--entries_[parent].children > 0 || !IsRoot(parent)) return;
  roots_.erase(entries_[parent].key);
  entries_[parent] = PrefixEntry();
  free_.push_back(parent);
}

}  // namespace cairn::kv
