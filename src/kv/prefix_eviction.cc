// SPDX-License-Identifier: Apache-2.0
#include "kv/prefix_eviction.h"

#include <algorithm>
#include <bit>
#include <cstddef>

namespace cairn::kv {
namespace {

constexpr std::int64_t kTile = kernels::kTilePositions;
// Operations of the cache (lookups and publications) by which a doubling of an entry's lookups
// delays its going. A day's shared beginning outlives some hundreds of texts that nobody repeats.
constexpr std::uint64_t kSharedBonus = 32;

std::uint64_t Effective(std::uint64_t used, std::uint64_t uses) {
  return used + kSharedBonus * static_cast<std::uint64_t>(std::bit_width(uses));
}

// Only the cache holds it.
bool CanBecomeFree(const TileRef& tile) { return tile && !tile.shared(); }

}  // namespace

void PrefixEviction::Withdraw(EntryId id) {
  PrefixEntry& entry = tree_[id];
  if (entry.in_leaves) leaves_.erase({entry.order, id});
  entry.in_leaves = false;
  for (std::size_t g = 0; g < entry.tiles.size(); ++g) {
    EntryTile& t = entry.tiles[g];
    if (t.place == TilePlace::kBehind) behind_[g].erase({t.order, id});
    if (t.place == TilePlace::kNeeded) needed_[g].erase({t.order, id});
    t.place = TilePlace::kNone;
  }
}

void PrefixEviction::Place(EntryId id) {
  if (tree_.IsRoot(id)) return;
  Withdraw(id);
  PrefixEntry& entry = tree_[id];
  if (entry.pins > 0) return;
  if (entry.children == 0) {
    entry.order = Effective(entry.used, entry.uses);
    entry.in_leaves = true;
    leaves_.emplace(entry.order, id);
    return;
  }
  for (std::size_t g = 0; g < entry.tiles.size(); ++g) {
    EntryTile& t = entry.tiles[g];
    if (layout_.windows[g] == 0 || !t.tile) continue;
    t.order = Effective(t.used, entry.uses);
    t.place = TilePlace::kBehind;
    behind_[g].emplace(t.order, id);
  }
}

bool PrefixEviction::Evict(int group, std::int64_t& removed_entries) {
  if (EvictOf(group, removed_entries)) return true;
  for (int other = 0; other < layout_.groups(); ++other) {
    if (other != group && EvictOf(other, removed_entries)) return true;
  }
  // A sequence that is about to write into a tile that only it and the cache hold needs no other
  // tile once the cache has let go of it.
  std::vector<EntryId> used_once;
  for (const auto& [order, id] : leaves_) {
    const TileRef& held = tile(id, group).tile;
    if (held && held.holders() == 2) used_once.push_back(id);
  }
  for (const EntryId id : used_once) removed_entries += RemoveLeaf(id);
  return false;
}

bool PrefixEviction::EvictOf(int group, std::int64_t& removed_entries) {
  return EvictBehind(group) || EvictLeaf(group, removed_entries) || EvictNeeded(group);
}

bool PrefixEviction::EvictBehind(int group) {
  Order& behind = behind_[static_cast<std::size_t>(group)];
  for (auto it = behind.begin(); it != behind.end();) {
    const EntryId id = it->second;
    EntryTile& t = tile(id, group);
    if (IsNeeded(id, group)) {
      it = behind.erase(it);
      t.place = TilePlace::kNeeded;
      needed_[static_cast<std::size_t>(group)].emplace(t.order, id);
      continue;
    }
    if (CanBecomeFree(t.tile)) {
      Strip(id, group);
      return true;
    }
    ++it;
  }
  return false;
}

bool PrefixEviction::EvictNeeded(int group) {
  for (const auto& [order, id] : needed_[static_cast<std::size_t>(group)]) {
    if (!CanBecomeFree(tile(id, group).tile)) continue;
    Strip(id, group);
    return true;
  }
  return false;
}

bool PrefixEviction::EvictLeaf(int group, std::int64_t& removed_entries) {
  for (const auto& [order, id] : leaves_) {
    if (!CanBecomeFree(tile(id, group).tile)) continue;
    removed_entries += RemoveLeaf(id);
    return true;
  }
  return false;
}

void PrefixEviction::Strip(EntryId id, int group) {
  Withdraw(id);
  EntryTile& t = tile(id, group);
  t.tile.set_published(false);
  t.tile = TileRef();
  Place(id);
}

std::int64_t PrefixEviction::RemoveLeaf(EntryId id) {
  std::int64_t removed = 0;
  while (true) {
    Withdraw(id);
    const EntryId parent = tree_[id].parent;
    const bool last_of_root = tree_.IsRoot(parent) && tree_[parent].children == 1;
    for (EntryTile& t : tree_[id].tiles) {
      if (t.tile) t.tile.set_published(false);
    }
    tree_.Remove(id);
    ++removed;
    if (last_of_root) return removed;
    Place(parent);
    const PrefixEntry& above = tree_[parent];
    const bool useful = tree_.IsRoot(parent) || above.children > 0 || above.pins > 0 ||
                        std::ranges::any_of(above.tiles, [](auto& t) { return bool(t.tile); });
    if (useful) return removed;
    id = parent;
  }
}

std::int64_t PrefixEviction::RemoveAll() {
  std::int64_t removed = 0;
  while (!leaves_.empty()) removed += RemoveLeaf(leaves_.begin()->second);
  return removed;
}

// Whether an end of a text or a branch at or below the entry lies so near that a text which goes on
// from there sees the entry's tile. Positions are counted from the beginning of that tile.
bool PrefixEviction::IsNeeded(EntryId id, int group) const {
  const std::int64_t window = layout_.windows[static_cast<std::size_t>(group)];
  for (std::int64_t begin = 0;; begin += kTile) {
    const PrefixEntry& entry = tree_[id];
    const std::int64_t end = begin + entry.count;
    if (end - window + 1 >= kTile) return false;
    if (entry.children != 1) return true;
    id = tree_.AnyChild(id);
  }
}

}  // namespace cairn::kv
