// SPDX-License-Identifier: Apache-2.0
// Writing a BSkiplist: inserting and erasing. Included by bskiplist.h.
//
// Order of locks: higher levels before lower ones, left before right, and the next lock is taken
// before the last is released. So no two writers wait for each other, and nobody overtakes a writer
// on the way to a key: whoever comes behind finds the levels above done and waits for the one that
// is being changed. The nodes of a new tower are an exception that waits for nothing: locked since
// they were made, and unlocked when they are filled.
//
// What a key's presence means is decided at level 0 alone. A key met at its height may be on its
// way in or out, so that an answer "it exists" or "it does not" waits for level 0, where scans
// look.
#pragma once

#include "index/bskiplist.h"

namespace cairn::index {

CAIRN_BSKIPLIST_TEMPLATE
Result<std::unique_ptr<CAIRN_BSKIPLIST>> CAIRN_BSKIPLIST::Create(const Options& options) {
  std::unique_ptr<BSkiplist> map(new BSkiplist(options));
  for (int level = 0; level < map->heights_.levels(); ++level) {
    Node* const head = OR_RETURN(map->NewNode(level, /*head=*/true));
    if (level > 0) head->below.store(map->heads_[level - 1], std::memory_order_relaxed);
    map->heads_[level] = head;
    head->lock.Unlock();
  }
  return map;
}

CAIRN_BSKIPLIST_TEMPLATE
Result<typename CAIRN_BSKIPLIST::Node*> CAIRN_BSKIPLIST::NewNode(int level, bool head) {
  if (level == 0) return new (OR_RETURN(leaves_.Allocate())) Leaf(head);
  return new (OR_RETURN(inners_.Allocate())) Inner(level, head);
}

CAIRN_BSKIPLIST_TEMPLATE
void CAIRN_BSKIPLIST::FreeNode(Node* node) {
  static_assert(std::is_trivially_destructible_v<Inner> && std::is_trivially_destructible_v<Leaf>);
  (node->level == 0 ? leaves_ : inners_).GiveBack(node);
}

CAIRN_BSKIPLIST_TEMPLATE
void CAIRN_BSKIPLIST::AddToSize(int slot, std::int64_t change) {
  // Nobody else writes this part while the guard lives; the slot's own order hands it on.
  std::atomic<std::int64_t>& entries = sizes_[slot].entries;
  entries.store(entries.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
}

CAIRN_BSKIPLIST_TEMPLATE
Result<bool> CAIRN_BSKIPLIST::Put(const Key& key, const Value& value, bool assign) {
  const EpochDomain::Guard guard(epochs_);
  const int height = heights_.Of(key);
  return height == 0 ? PutLow(key, value, assign, guard.slot())
                     : PutTall(key, value, assign, height, guard.slot());
}

// The node of level `height` where `key` is (exists) or would be, locked, and the key's rank or
// that of what is before it.
CAIRN_BSKIPLIST_TEMPLATE
auto CAIRN_BSKIPLIST::LockAt(const Key& key, int height, bool& exists, int& rank) -> Node* {
  for (Backoff backoff;; backoff.Wait()) {
    const Node* found = nullptr;
    Version version = 0;
    if (!Descend<Side::kAtOrBefore>(key, height, found, version)) continue;
    rank = found->Rank(key);
    exists = found->Holds(rank, key);
    Node* const node = const_cast<Node*>(found);
    Pauses::At(PausePoint::kBeforeCheck);
    if (node->lock.TryLock(version)) return node;
  }
}

// Requires `node` locked, and a key to be put behind `rank`. Splits it if it is full; the half that
// is to take the key, locked, with `rank` in it; the other is unlocked. On failure `node` is
// unlocked too.
CAIRN_BSKIPLIST_TEMPLATE
Result<typename CAIRN_BSKIPLIST::Node*> CAIRN_BSKIPLIST::MakeRoom(Node* node, int& rank) {
  if (!node->Full()) return node;
  Result<Node*> made = NewNode(node->level, /*head=*/false);
  if (!made) {
    node->lock.UnlockUnchanged();
    return made;
  }
  Node* const right = *made;
  const int n = node->Count();
  const int kept = n / 2;
  node->CopySlots(kept, n - kept, *right, 0);
  right->SetCount(n - kept);
  right->CopyNextFrom(*node);
  node->SetNext(right, right->keys[0].Load());
  node->SetCount(kept);
  // Behind the last kept key is still the left node: the right one's header stays its first key.
  if (rank < kept) {
    right->lock.Unlock();
    return node;
  }
  rank -= kept;
  node->lock.Unlock();
  return right;
}

// 63 of 64 inserts: one lock, on the leaf.
CAIRN_BSKIPLIST_TEMPLATE
Result<bool> CAIRN_BSKIPLIST::PutLow(const Key& key, const Value& value, bool assign, int slot) {
  bool exists = false;
  int rank = 0;
  Node* node = LockAt(key, 0, exists, rank);
  if (exists) {
    PutExisting(node, 0, rank, value, assign);
    return false;
  }
  node = OR_RETURN(MakeRoom(node, rank));
  node->OpenSlot(rank + 1, key);
  node->AsLeaf().values[rank + 1].Store(value);
  node->SetCount(node->Count() + 1);
  AddToSize(slot, 1);
  node->lock.Unlock();
  return true;
}

CAIRN_BSKIPLIST_TEMPLATE
Result<void> CAIRN_BSKIPLIST::NewTower(Tower& tower, int height) {
  for (int level = 0; level < height; ++level) {
    Result<Node*> node = NewNode(level, /*head=*/false);
    if (!node) {
      GiveBackTower(tower, level);
      return std::unexpected(std::move(node).error());
    }
    tower[level] = *node;
  }
  return {};
}

CAIRN_BSKIPLIST_TEMPLATE
void CAIRN_BSKIPLIST::GiveBackTower(const Tower& tower, int height) {
  for (int level = 0; level < height; ++level) FreeNode(tower[level]);
}

CAIRN_BSKIPLIST_TEMPLATE
Result<bool> CAIRN_BSKIPLIST::PutTall(const Key& key, const Value& value, bool assign, int height,
                                      int slot) {
  Tower tower;
  OR_RETURN(NewTower(tower, height));
  bool exists = false;
  int rank = 0;
  Node* node = LockAt(key, height, exists, rank);
  if (exists) {
    // Nothing was split above: an equal key has the same height.
    GiveBackTower(tower, height);
    PutExisting(node, height, rank, value, assign);
    return false;
  }
  Result<Node*> roomy = MakeRoom(node, rank);
  if (!roomy) {
    GiveBackTower(tower, height);
    return std::unexpected(std::move(roomy).error());
  }
  PutTower(*roomy, rank, key, value, height, tower);
  AddToSize(slot, 1);
  return true;
}

// Requires `node` of `level` locked, with the key at `rank`. Goes down to the key's leaf with
// locks, behind whoever is putting the key there, and gives it the value.
CAIRN_BSKIPLIST_TEMPLATE
void CAIRN_BSKIPLIST::PutExisting(Node* node, int level, int rank, const Value& value,
                                  bool assign) {
  for (; level > 0; --level) {
    Node* const child = node->Child(rank);
    child->lock.Lock();
    node->lock.UnlockUnchanged();
    Pauses::At(PausePoint::kBetweenLevels);
    node = child;
    rank = 0;  // the key begins the nodes below its height
  }
  if (!assign) return node->lock.UnlockUnchanged();
  node->AsLeaf().values[rank].Store(value);
  node->lock.Unlock();
}

// Requires `node` locked; hands over to the right until `key` is not behind it.
CAIRN_BSKIPLIST_TEMPLATE
auto CAIRN_BSKIPLIST::LockRight(Node* node, const Key& key) -> Node* {
  while (node->Next() != nullptr && !(key < node->next_header.Load())) {
    Node* const next = node->Next();
    next->lock.Lock();
    node->lock.UnlockUnchanged();
    node = next;
  }
  return node;
}

// Requires `node` of level `height` locked, with room, and `key` to come behind `rank`. Puts the
// key there, and at every level below begins a node with it that takes what follows it in its node.
CAIRN_BSKIPLIST_TEMPLATE
void CAIRN_BSKIPLIST::PutTower(Node* node, int rank, const Key& key, const Value& value, int height,
                               const Tower& tower) {
  // The way down goes through the old child, left of the new tower; opening the slot moves ranks.
  Node* child = node->Child(rank);
  node->OpenSlot(rank + 1, key);
  node->AsInner().children[rank + 1].store(tower[height - 1], std::memory_order_release);
  node->SetCount(node->Count() + 1);
  for (int level = height - 1;; --level) {
    child->lock.Lock();
    node->lock.Unlock();
    Pauses::At(PausePoint::kBetweenLevels);
    node = LockRight(child, key);
    rank = node->Rank(key);
    Node* const right = tower[level];
    const int moved = node->Count() - (rank + 1);
    right->keys[0].Store(key);
    if (level == 0) {
      right->AsLeaf().values[0].Store(value);
    } else {
      right->AsInner().children[0].store(tower[level - 1], std::memory_order_release);
    }
    node->CopySlots(rank + 1, moved, *right, 1);
    right->SetCount(1 + moved);
    right->CopyNextFrom(*node);
    node->SetNext(right, key);
    node->SetCount(rank + 1);
    right->lock.Unlock();
    if (level == 0) return node->lock.Unlock();
    child = node->Child(rank);
  }
}

CAIRN_BSKIPLIST_TEMPLATE
bool CAIRN_BSKIPLIST::Erase(const Key& key) {
  // Before the guard: this waits for others' guards.
  epochs_.WaitForRoom();
  const EpochDomain::Guard guard(epochs_);
  const int height = heights_.Of(key);
  for (Backoff backoff;; backoff.Wait()) {
    const Erased erased = EraseOnce(key, height);
    if (erased == Erased::kAgain) continue;
    if (erased == Erased::kYes) AddToSize(guard.slot(), -1);
    return erased == Erased::kYes;
  }
}

CAIRN_BSKIPLIST_TEMPLATE
auto CAIRN_BSKIPLIST::EraseOnce(const Key& key, int height) -> Erased {
  const Node* found = nullptr;
  Version version = 0;
  if (!Descend<Side::kBefore>(key, height, found, version)) return Erased::kAgain;
  const bool header = found->Next() != nullptr && found->next_header.Load() == key;
  const int rank = header ? 0 : found->Rank(key);
  if (!header && !found->Holds(rank, key)) {
    if (!found->lock.Unchanged(version)) return Erased::kAgain;
    // Absent here, but perhaps not yet absent at level 0: somebody else is erasing it.
    return height == 0 || !FindGuarded(key) ? Erased::kAbsent : Erased::kAgain;
  }
  Node* const left = const_cast<Node*>(found);
  Pauses::At(PausePoint::kBeforeCheck);
  if (!left->lock.TryLock(version)) return Erased::kAgain;
  EraseTower(left, key, height, header);
  return Erased::kYes;
}

// As LockRight, to the node before the one that `key` begins.
CAIRN_BSKIPLIST_TEMPLATE
auto CAIRN_BSKIPLIST::LockBefore(Node* node, const Key& key) -> Node* {
  while (node->Next() != nullptr && node->next_header.Load() < key) {
    Node* const next = node->Next();
    next->lock.Lock();
    node->lock.UnlockUnchanged();
    node = next;
  }
  CAIRN_CHECK(node->Next() != nullptr);
  return node;
}

// Requires `left` of level `height` locked, and `key` in it, or (header) first in its neighbour.
// Takes the key out of all levels, from the top to the bottom, with the left neighbour always
// locked first.
CAIRN_BSKIPLIST_TEMPLATE
void CAIRN_BSKIPLIST::EraseTower(Node* left, const Key& key, int height, bool header) {
  for (int level = height;; --level) {
    Node* child = nullptr;  // of the slot before the key's: leads to what is before the key below
    if (header) {
      if (level > 0) child = left->Child(left->Count() - 1);
      left = EraseHeader(left);
    } else {
      const int rank = left->Rank(key);
      if (level > 0) child = left->Child(rank - 1);
      left->RemoveSlot(rank);
    }
    if (level == 0) return left->lock.Unlock();
    child->lock.Lock();
    left->lock.Unlock();
    Pauses::At(PausePoint::kBetweenLevels);
    left = LockBefore(child, key);
    header = true;  // the key begins the nodes below its height
  }
}

// Requires `left` locked. Takes the first key out of the right neighbour, to which no child pointer
// leads any more, and joins the two where little is left of them. `left` again.
CAIRN_BSKIPLIST_TEMPLATE
auto CAIRN_BSKIPLIST::EraseHeader(Node* left) -> Node* {
  Node* const right = left->Next();
  right->lock.Lock();
  right->RemoveSlot(0);
  const int n = right->Count();
  if (n > 0 && left->Count() + n > kCapacity / 2) {
    left->next_header.Store(right->keys[0].Load());
    right->lock.Unlock();
    return left;
  }
  right->CopySlots(0, n, *left, left->Count());
  left->SetCount(left->Count() + n);
  left->CopyNextFrom(*right);
  right->lock.UnlockObsolete();
  epochs_.Retire(right, this);
  return left;
}

}  // namespace cairn::index

#undef CAIRN_BSKIPLIST_TEMPLATE
#undef CAIRN_BSKIPLIST
