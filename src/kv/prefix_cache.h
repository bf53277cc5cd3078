// SPDX-License-Identifier: Apache-2.0
// Keys and values of texts that were computed before, found by their tokens.
//
// Sequences publish their committed tiles; a new sequence takes the longest beginning of its tokens
// that is here and computes only the rest. Entries form a tree: one per tile, below the entry of
// the tile before it; a tile that is not full may be a leaf. A hit may end inside a tile: the
// sequence copies it before it writes (SequenceTiles). Nothing is ever wrong by a hash: tokens are
// always compared. Where there are states (layout.h) a hit ends where the cache has them: at the
// end of a text, or at an end of a tile at which they are kept. Keys are hashed with a secret, so
// that nobody can choose colliding texts. Threads: the engine's thread. Owns: its holds on tiles.
// The pool must outlive the cache. Cost: a lookup hashes and compares each token once, and compares
// the beginnings of the last
//   entry's children; eviction takes the least recently used entry in O(log entries).
// Source: design.md, "KV memory".
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "kv/pool.h"
#include "kv/prefix_tree.h"
#include "kv/sequence_tiles.h"

namespace cairn::kv {

struct PrefixCounters {
  std::int64_t entries = 0;
  std::int64_t lookups = 0;
  std::int64_t hits = 0;        // lookups that found something
  std::int64_t hit_tokens = 0;  // positions handed out
  std::int64_t looked_up_tokens = 0;
  std::int64_t evicted_entries = 0;
};

// A secret from the system for the hashes of a cache, so that nobody can choose texts whose hashes
// are equal.
std::uint64_t DrawSecret();

class PrefixCache {
 public:
  // `secret` keys the hashes, of which `hash_bits` are used: fewer than 32 make collisions, for
  // tests. Becomes the pool's reclaimer.
  PrefixCache(KvPool& pool, std::uint64_t secret, int hash_bits = 32);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // Gives `tiles` (empty) the longest beginning of `tokens` that is here, at most `most` positions,
  // and returns how many: positions [0, result) are committed in `tiles`. Shortened to where every
  // windowed group still has what the next position sees.
  std::int64_t Take(CacheSpace space, std::span<const std::int32_t> tokens, std::int64_t most,
                    SequenceTiles& tiles);

  // How many positions Take would give, without taking or counting as a use.
  std::int64_t Find(CacheSpace space, std::span<const std::int32_t> tokens,
                    std::int64_t most) const;

  // Publishes the tiles of the committed positions [0, tokens.size()): full ones, and the last one
  // that is not full where `last` says so (a sequence that ends). Where an entry exists already,
  // the sequence's tile is exchanged for the entry's, whose bytes are the same, and its own is
  // free.
  void Publish(CacheSpace space, std::span<const std::int32_t> tokens, SequenceTiles& tiles,
               bool last);

  // Entries on the way of `tokens` (all of them that are here) are not evicted until Unpin with the
  // same arguments. Returns the positions pinned.
  std::int64_t Pin(CacheSpace space, std::span<const std::int32_t> tokens);
  void Unpin(CacheSpace space, std::span<const std::int32_t> tokens);

  // Lets go of least recently used holds until at least one tile of `group` becomes free, or of any
  // group if that group has none to give; false where everything is pinned or in use. Interior
  // entries give windowed tiles first that no end of a text and no branch below still needs, then
  // leaves go, then the windowed tiles that are needed. An entry that n lookups have shared counts
  // as used later than it was, growing with log2(n). Where nothing can become free, leaves that one
  // sequence uses are let go of, so that it may write its tile without a copy.
  bool Evict(int group);
  // Drops everything that nobody pins.
  void Clear();

  // Tiles of `group` that only the cache holds and no pin keeps: what Evict can make free.
  std::size_t evictable(int group) const;
  const PrefixCounters& counters() const { return counters_; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  PrefixCounters counters_;
};

}  // namespace cairn::kv
