// SPDX-License-Identifier: Apache-2.0
// The tree of texts behind the prefix cache: one entry per tile, below the entry of the tile before
// it. Private to src/kv.
//
// Entries are found by (parent, keyed hash of the tile's tokens) in one ordered index, so that the
// children of an entry are a range of it. Tokens are always compared: entries whose hashes are
// equal form a chain. A root stands for a CacheSpace and holds nothing.
// Threads: the engine's thread. Owns: the entries and their holds on tiles.
// Cost: a look-up hashes a tile's tokens once.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "index/bskiplist.h"
#include "kernels/kernels.h"
#include "kv/pool.h"

namespace cairn::kv {

// What must be equal beside the tokens for tiles to be shared: the adapter and the tenant's salt
// (KV formats and models have pools of their own).
using CacheSpace = std::uint64_t;

using EntryId = std::uint32_t;
inline constexpr EntryId kNoEntry = 0;

// Where an interior entry's windowed tile stands among those that can go (PrefixCache).
enum class TilePlace { kNone, kBehind, kNeeded };

struct EntryTile {
  TileRef tile;  // empty: a windowed tile that is gone
  std::uint64_t used = 0;
  TilePlace place = TilePlace::kNone;
  std::uint64_t order = 0;  // in the set of its place
};

struct PrefixEntry {
  EntryId parent = kNoEntry;  // kNoEntry: a root, or free
  EntryId next = kNoEntry;    // the next child of the parent with the same hash
  std::uint64_t key = 0;      // in the map; of a root: its space
  int children = 0;
  int count = 0;  // tokens: 1 to kTilePositions; with fewer than that it is a leaf
  int pins = 0;
  bool in_leaves = false;
  std::uint64_t order = 0;  // in the set of leaves
  std::uint64_t used = 0;   // when, in operations of the cache
  std::uint64_t uses = 0;   // lookups that it was part of
  std::array<std::int32_t, kernels::kTilePositions> tokens;
  std::vector<EntryTile> tiles;  // by group

  std::span<const std::int32_t> text() const {
    return {tokens.data(), static_cast<std::size_t>(count)};
  }
};

class PrefixTree {
 public:
  // Of the hash `hash_bits` are used, 0 to 32: fewer make collisions, for tests.
  PrefixTree(int groups, std::uint64_t secret, int hash_bits);

  // kNoEntry where the space has no entries.
  EntryId FindRoot(CacheSpace space) const;
  EntryId MakeRoot(CacheSpace space);

  // The child with exactly these tokens, or kNoEntry.
  EntryId Find(EntryId parent, std::span<const std::int32_t> tokens) const;
  // The child with the longest common beginning, of at least one token, or kNoEntry. Of equals the
  // one with most tiles. Looks at kMostCompared children at most: what it may miss is less than a
  // tile of computing, and comparing more would cost as much.
  struct Common {
    EntryId entry = kNoEntry;
    int tokens = 0;
  };
  Common FindLongest(EntryId parent, std::span<const std::int32_t> tokens) const;
  static constexpr int kMostCompared = 4096;
  // The longest child whose tokens are a beginning of `tokens`, and fewer; or kNoEntry.
  EntryId FindBeginning(EntryId parent, std::span<const std::int32_t> tokens) const;
  EntryId AnyChild(EntryId parent) const;  // kNoEntry: none

  // Requires that no child has these tokens. kNoEntry: the index has no memory for it.
  EntryId Add(EntryId parent, std::span<const std::int32_t> tokens);
  // Requires a leaf that is no root. A root that loses its last child goes with it.
  void Remove(EntryId id);

  PrefixEntry& operator[](EntryId id) { return entries_[id]; }
  const PrefixEntry& operator[](EntryId id) const { return entries_[id]; }
  bool IsRoot(EntryId id) const { return entries_[id].count == 0; }
  std::size_t size() const { return size_; }  // without roots

 private:
  // From keys to the first entry of a chain; the one place that knows which map it is.
  using Index = index::BSkiplist<std::uint64_t, EntryId>;

  std::uint64_t Key(EntryId parent, std::span<const std::int32_t> tokens) const;
  EntryId Make();
  void Unlink(EntryId id);
  // Calls take(id) for each child until it returns false.
  void ForChildren(EntryId parent, const std::function<bool(EntryId)>& take) const;

  int groups_;
  std::uint64_t secret_;
  std::uint64_t hash_mask_;
  std::size_t size_ = 0;
  std::unique_ptr<Index> index_;
  std::map<CacheSpace, EntryId> roots_;
  std::deque<PrefixEntry> entries_;  // by id; the first is nobody's
  std::vector<EntryId> free_;
};

// Tokens that two texts have in common at their beginning.
int CommonTokens(std::span<const std::int32_t> a, std::span<const std::int32_t> b);

}  // namespace cairn::kv
