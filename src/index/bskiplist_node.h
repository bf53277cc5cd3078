// SPDX-License-Identifier: Apache-2.0
// Nodes of the B-skiplist (bskiplist.h) and what is done inside one of them.
//
// Threads: reads from any thread under an epoch guard, to be confirmed by the version; the
// functions
//   that change a node require its lock, or that nobody else knows the node.
// Owns: nothing; nodes point at each other, the map's arenas own them.
// Invariants, whenever the lock is free: keys ascend; next_header is next->keys[0]; every slot
// below
//   count holds a pointer to a node that was linked when it was stored. The last holds at every
//   moment, also to torn reads: slots are written before count is raised.
#pragma once

#include <algorithm>
#include <atomic>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include "index/epoch.h"
#include "index/version_lock.h"

namespace cairn::index {

template <typename Key, typename Value, int kCapacity>
struct BSkiplistNode : Retiree {
  static_assert(kCapacity % 8 == 0 && kCapacity >= 8);
  struct Inner;
  struct Leaf;

  // Nodes begin locked and empty: they are filled before anybody may read them.
  BSkiplistNode(int level, bool head)
      : lock(VersionLock::State::kLocked), level(static_cast<std::uint8_t>(level)), head(head) {}

  VersionLock lock;
  std::atomic<std::uint32_t> count{0};
  const std::uint8_t level;  // 0: a Leaf
  const bool head;           // the first of its level, with room for keys below all others
  std::atomic<BSkiplistNode*> next{nullptr};
  // A head's node of the level below: what lies left of its first key. Others have none.
  std::atomic<BSkiplistNode*> below{nullptr};
  // The neighbour's first key, kept here so that whether to go right costs no look at it.
  Cell<Key> next_header;
  Cell<Key> keys[kCapacity];

  int Count() const { return static_cast<int>(count.load(std::memory_order_acquire)); }
  void SetCount(int n) { count.store(static_cast<std::uint32_t>(n), std::memory_order_release); }
  BSkiplistNode* Next() const { return next.load(std::memory_order_acquire); }
  BSkiplistNode* Below() const { return below.load(std::memory_order_acquire); }
  void SetNext(BSkiplistNode* node, const Key& header) {
    next.store(node, std::memory_order_release);
    next_header.Store(header);
  }
  void CopyNextFrom(const BSkiplistNode& from) { SetNext(from.Next(), from.next_header.Load()); }

  // A head keeps one slot free: split at a key below all of its own, the new node takes them all
  // and the key.
  bool Full() const { return Count() + (head ? 1 : 0) >= kCapacity; }

  Inner& AsInner() { return static_cast<Inner&>(*this); }
  const Inner& AsInner() const { return static_cast<const Inner&>(*this); }
  Leaf& AsLeaf() { return static_cast<Leaf&>(*this); }
  const Leaf& AsLeaf() const { return static_cast<const Leaf&>(*this); }

  // The largest rank whose key is at or before `key`, -1 where there is none. Not a binary search:
  // the last key of every eighth first, then the eight, all of them independent loads; the lines
  // come together, and little is left for the branch predictor to miss.
  int Rank(const Key& key) const {
    const int n = Count();
    int whole = 0;
    for (int last = 7; last < n; last += 8) whole += AtOrBefore(last, key);
    const int first = 8 * whole;
    if (first >= n) return first - 1;
    int at_or_before = 0;
    for (int i = first; i < first + 8; ++i) at_or_before += AtOrBefore(i, key) & int{i < n};
    return first + at_or_before - 1;
  }
  bool Holds(int rank, const Key& key) const { return rank >= 0 && keys[rank].Load() == key; }

  // The node of the level below that covers what follows `rank`. Null only to a torn read.
  BSkiplistNode* Child(int rank) const {
    return rank < 0 ? Below() : AsInner().children[rank].load(std::memory_order_acquire);
  }

  // Copies `n` slots to `to` (another node of the level, or this one), from `at` on.
  void CopySlots(int from, int n, BSkiplistNode& to, int at) {
    const bool upwards = &to != this || at < from;
    for (int i = 0; i < n; ++i) {
      const int offset = upwards ? i : n - 1 - i;
      to.keys[at + offset].Store(keys[from + offset].Load());
    }
    if (level == 0) {
      CopyPayload(AsLeaf().values, to.AsLeaf().values, from, n, at, upwards);
    } else {
      CopyPayload(AsInner().children, to.AsInner().children, from, n, at, upwards);
    }
  }

  // Makes slot `rank` free and gives it `key`; the caller stores the payload, then raises count.
  void OpenSlot(int rank, const Key& key) {
    CopySlots(rank, Count() - rank, *this, rank + 1);
    keys[rank].Store(key);
  }
  void RemoveSlot(int rank) {
    const int n = Count();
    CopySlots(rank + 1, n - rank - 1, *this, rank);
    SetCount(n - 1);
  }

  // Asks for the lines that a search of this node will most likely read.
  void Prefetch() const {
    const char* const bytes = reinterpret_cast<const char*>(this);
    for (int line = 0; line < kPrefetchLines; ++line) __builtin_prefetch(bytes + 64 * line);
  }
  // The same for a scan that will copy up to `n` entries from the first on. A leaf's.
  void PrefetchEntries(int n) const {
    __builtin_prefetch(this);
    n = std::min(n, kCapacity / 2);
    for (int i = 0; i < n; i += static_cast<int>(64 / sizeof(Cell<Key>))) {
      __builtin_prefetch(&keys[i]);
    }
    for (int i = 0; i < n; i += static_cast<int>(64 / sizeof(Cell<Value>))) {
      __builtin_prefetch(&AsLeaf().values[i]);
    }
  }

 private:
  // A node is filled to about 0.4, so these are its header and most of its keys.
  static constexpr int kPrefetchLines = 8;

  int AtOrBefore(int rank, const Key& key) const { return int{!(key < keys[rank].Load())}; }

  template <typename T>
  static void CopyPayload(const Cell<T>* from_cells, Cell<T>* to_cells, int from, int n, int at,
                          bool upwards) {
    for (int i = 0; i < n; ++i) {
      const int offset = upwards ? i : n - 1 - i;
      to_cells[at + offset].Store(from_cells[from + offset].Load());
    }
  }
  static void CopyPayload(const std::atomic<BSkiplistNode*>* from_nodes,
                          std::atomic<BSkiplistNode*>* to_nodes, int from, int n, int at,
                          bool upwards) {
    for (int i = 0; i < n; ++i) {
      const int offset = upwards ? i : n - 1 - i;
      to_nodes[at + offset].store(from_nodes[from + offset].load(std::memory_order_acquire),
                                  std::memory_order_release);
    }
  }
};

template <typename Key, typename Value, int kCapacity>
struct BSkiplistNode<Key, Value, kCapacity>::Inner : BSkiplistNode {
  explicit Inner(int level, bool head) : BSkiplistNode(level, head) {}
  std::atomic<BSkiplistNode*> children[kCapacity];
};

template <typename Key, typename Value, int kCapacity>
struct BSkiplistNode<Key, Value, kCapacity>::Leaf : BSkiplistNode {
  explicit Leaf(bool head) : BSkiplistNode(0, head) {}
  Cell<Value> values[kCapacity];
};

}  // namespace cairn::index
