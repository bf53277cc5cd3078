// SPDX-License-Identifier: Apache-2.0
// Which entry of the prefix cache goes next. Private to src/kv.
//
// Leaves go by their last use, and so a text shrinks from its end. Interior entries can give their
// windowed tiles apart: those that lie behind every window (no end of a text and no branch is near
// enough to see them) before any leaf, the others after all leaves. Whether a tile lies behind is
// found when its turn comes; an entry whose tile turns out to be needed waits in another set until
// the text grows.
// Threads: the engine's thread.
// Cost: a look at the oldest candidates, past those that are in use; O(log entries) each.
#pragma once

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "kv/pool.h"
#include "kv/prefix_tree.h"

namespace cairn::kv {

class PrefixEviction {
 public:
  PrefixEviction(const KvLayout& layout, PrefixTree& tree) : layout_(layout), tree_(tree) {
    behind_.resize(layout.windows.size());
    needed_.resize(layout.windows.size());
  }

  // Puts an entry where it belongs now: after its use, children, pins or tiles have changed.
  void Place(EntryId id);

  // See PrefixCache::Evict. Returns whether a tile became free.
  bool Evict(int group, std::int64_t& removed_entries);

  // Lets go of a leaf, and of entries above it that become leaves without a tile. Returns how many.
  std::int64_t RemoveLeaf(EntryId id);
  // Lets go of everything that is not pinned. Returns how many entries.
  std::int64_t RemoveAll();

 private:
  using Order = std::set<std::pair<std::uint64_t, EntryId>>;

  void Withdraw(EntryId id);
  bool EvictOf(int group, std::int64_t& removed_entries);
  bool EvictBehind(int group);
  bool EvictNeeded(int group);
  bool EvictLeaf(int group, std::int64_t& removed_entries);
  void Strip(EntryId id, int group);
  bool IsNeeded(EntryId id, int group) const;
  EntryTile& tile(EntryId id, int group) {
    return tree_[id].tiles[static_cast<std::size_t>(group)];
  }

  const KvLayout& layout_;
  PrefixTree& tree_;
  Order leaves_;
  std::vector<Order> behind_, needed_;  // by group
};

}  // namespace cairn::kv
