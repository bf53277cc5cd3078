// SPDX-License-Identifier: Apache-2.0
#include "kv/prefix_cache.h"

#include <xxhash.h>

#include <algorithm>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/checked.h"
#include "kv/prefix_eviction.h"

namespace cairn::kv {
namespace {

constexpr std::int64_t kTile = kernels::kTilePositions;

using Text = std::span<const std::int32_t>;

Text TileOf(Text tokens, std::int64_t index) {
  const auto from = static_cast<std::size_t>(index * kTile);
  return tokens.subspan(from, std::min<std::size_t>(kTile, tokens.size() - from));
}

}  // namespace

struct PrefixCache::Impl {
  Impl(KvPool& pool_in, std::uint64_t secret, int hash_bits, PrefixCounters& counters_in)
      : pool(pool_in),
        layout(pool_in.layout()),
        counters(counters_in),
        tree(layout.groups(), secret, hash_bits),
        eviction(layout, tree) {}

  // The entries of a beginning, and its positions.
  struct Way {
    std::vector<EntryId> entries;
    std::int64_t size = 0;
  };
  // The longest beginning of `tokens` that has entries.
  Way Follow(CacheSpace space, Text tokens) const;
  // The largest size <= way.size whose next position sees only tiles that are there.
  std::int64_t Usable(const Way& way) const;
  void Touch(const Way& way, std::int64_t size, bool lookup);
  // A tile of a text that is published.
  struct Piece {
    SequenceTiles& tiles;
    std::int64_t index;
    bool last;  // the text ends here
  };
  // Entry and sequence hold the same tiles afterwards, as far as either has them.
  void Unite(EntryId id, const Piece& piece);
  EntryId Add(EntryId parent, Text tokens, const Piece& piece);
  // States are kept at the end of a text, and at some ends of tiles on the way.
  bool Keeps(int group, const Piece& piece) const {
    return group != layout.state_group || piece.last || (piece.index + 1) % layout.state_tiles == 0;
  }
  // No entry holds any of the sequence's tiles there. (One may where the sequence took a beginning
  // of an entry's tile and that entry has given back another of its tiles since.)
  bool Publishable(const SequenceTiles& tiles, std::int64_t index) const {
    for (int g = 0; g < layout.groups(); ++g) {
      if (tiles.tile(g, index).published()) return false;
    }
    return true;
  }
  // The entry that has the sequence's tile or a longer one: with equal tokens (united with it), or
  // for less than a tile one that begins with them and lacks nothing that the sequence has.
  EntryId FindFor(EntryId parent, Text tokens, const Piece& piece);
  // An end of a text without any tile is of no use.
  void RemoveIfEmpty(EntryId id);

  struct PinRecord {
    CacheSpace space = 0;
    std::vector<std::int32_t> tokens;
    std::vector<EntryId> entries;
  };
  static std::uint64_t PinKey(CacheSpace space, Text tokens) {
    return XXH3_64bits_withSeed(tokens.data(), tokens.size_bytes(), space);
  }

  KvPool& pool;
  const KvLayout& layout;
  PrefixCounters& counters;
  PrefixTree tree;
  PrefixEviction eviction;
  std::uint64_t now = 0;  // operations so far
  std::multimap<std::uint64_t, PinRecord> pins;
};

PrefixCache::Impl::Way PrefixCache::Impl::Follow(CacheSpace space, Text tokens) const {
  Way way;
  EntryId at = tree.FindRoot(space);
  if (at == kNoEntry) return way;
  const auto full = static_cast<std::int64_t>(tokens.size()) / kTile;
  for (std::int64_t i = 0; i < full; ++i) {
    const EntryId child = tree.Find(at, TileOf(tokens, i));
    if (child == kNoEntry) break;
    way.entries.push_back(at = child);
    way.size += kTile;
  }
  const Text rest = tokens.subspan(static_cast<std::size_t>(way.size));
  if (rest.empty()) return way;
  const PrefixTree::Common last =
      tree.FindLongest(at, rest.first(std::min<std::size_t>(rest.size(), kTile)));
  if (last.entry != kNoEntry) {
    way.entries.push_back(last.entry);
    way.size += last.tokens;
  }
  return way;
}

std::int64_t PrefixCache::Impl::Usable(const Way& way) const {
  const auto count = static_cast<std::int64_t>(way.entries.size());
  // By group and tile: where the stretch of tiles that are there begins that ends with this tile.
  std::vector<std::vector<std::int64_t>> begins(static_cast<std::size_t>(layout.groups()));
  for (std::size_t g = 0; g < begins.size(); ++g) {
    std::int64_t begin = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      if (!tree[way.entries[static_cast<std::size_t>(i)]].tiles[g].tile) begin = i + 1;
      begins[g].push_back(begin);
    }
  }
  for (std::int64_t last = count - 1; last >= 0; --last) {
    // The largest size that ends in this tile sees least of what is before it.
    const std::int64_t size = std::min(way.size, (last + 1) * kTile);
    // States are those behind an entry's last token.
    const int taken = static_cast<int>(size - last * kTile);
    bool seen =
        !layout.has_states() || tree[way.entries[static_cast<std::size_t>(last)]].count == taken;
    for (int g = 0; g < layout.groups(); ++g) {
      const auto& begin = begins[static_cast<std::size_t>(g)];
      seen = seen && begin[static_cast<std::size_t>(last)] <= layout.FirstTileSeen(g, size);
    }
    if (seen) return size;
  }
  return 0;
}

void PrefixCache::Impl::Touch(const Way& way, std::int64_t size, bool lookup) {
  const std::int64_t count = DivideUp(size, kTile);
  for (std::int64_t i = 0; i < count; ++i) {
    const EntryId id = way.entries[static_cast<std::size_t>(i)];
    PrefixEntry& entry = tree[id];
    entry.used = now;
    if (lookup) ++entry.uses;
    for (int g = 0; g < layout.groups(); ++g) {
      EntryTile& t = entry.tiles[static_cast<std::size_t>(g)];
      if (t.tile && i >= layout.FirstTileSeen(g, size)) t.used = now;
    }
    eviction.Place(id);
  }
}

void PrefixCache::Impl::Unite(EntryId id, const Piece& piece) {
  for (int g = 0; g < layout.groups(); ++g) {
    EntryTile& ours = tree[id].tiles[static_cast<std::size_t>(g)];
    const TileRef& theirs = piece.tiles.tile(g, piece.index);
    if (!theirs || theirs == ours.tile) continue;
    if (ours.tile) {
      piece.tiles.SetTile(g, piece.index, ours.tile);
      continue;
    }
    if (theirs.published() || !Keeps(g, piece)) continue;
    ours.tile = theirs;
    ours.tile.set_published(true);
    ours.used = now;
  }
}

EntryId PrefixCache::Impl::Add(EntryId parent, Text tokens, const Piece& piece) {
  // A leaf that this text goes on from has become a part of it. It goes after the new entry is
  // there: the parent keeps a child, so that nothing above goes with the leaf.
  const EntryId leaf = tree.FindBeginning(parent, tokens);
  const EntryId id = tree.Add(parent, tokens);
  if (id == kNoEntry) return kNoEntry;
  Unite(id, piece);
  if (leaf != kNoEntry && tree[leaf].pins == 0) eviction.RemoveLeaf(leaf);
  return id;
}

EntryId PrefixCache::Impl::FindFor(EntryId parent, Text tokens, const Piece& piece) {
  if (const EntryId same = tree.Find(parent, tokens); same != kNoEntry) {
    Unite(same, piece);
    return same;
  }
  // The states of a longer one are not those of its beginning.
  if (std::ssize(tokens) == kTile || layout.has_states()) return kNoEntry;
  const PrefixTree::Common longest = tree.FindLongest(parent, tokens);
  if (longest.tokens < std::ssize(tokens)) return kNoEntry;
  for (int g = 0; g < layout.groups(); ++g) {
    const bool there = bool(tree[longest.entry].tiles[static_cast<std::size_t>(g)].tile);
    if (piece.tiles.tile(g, piece.index) && !there) return kNoEntry;
  }
  return longest.entry;
}

void PrefixCache::Impl::RemoveIfEmpty(EntryId id) {
  const PrefixEntry& entry = tree[id];
  if (tree.IsRoot(id) || entry.children > 0 || entry.pins > 0) return;
  if (std::ranges::any_of(entry.tiles, [](const EntryTile& t) { return bool(t.tile); })) return;
  eviction.RemoveLeaf(id);
}

PrefixCache::PrefixCache(KvPool& pool, std::uint64_t secret, int hash_bits)
    : impl_(std::make_unique<Impl>(pool, secret, hash_bits, counters_)) {
  pool.SetReclaimer([this](int group) { return Evict(group); });
}

PrefixCache::~PrefixCache() {
  impl_->pool.SetReclaimer({});
  for (const auto& [key, record] : impl_->pins) {
    for (const EntryId id : record.entries) {
      impl_->tree[id].pins = 0;
      impl_->eviction.Place(id);
    }
  }
  Clear();
}

std::int64_t PrefixCache::Find(CacheSpace space, Text tokens, std::int64_t most) const {
  const auto size = std::min(tokens.size(), static_cast<std::size_t>(most));
  return impl_->Usable(impl_->Follow(space, tokens.first(size)));
}

std::int64_t PrefixCache::Take(CacheSpace space, Text tokens, std::int64_t most,
                               SequenceTiles& tiles) {
  CAIRN_CHECK(tiles.tile_count() == 0);
  Impl& s = *impl_;
  const auto limit = std::min(tokens.size(), static_cast<std::size_t>(most));
  const Impl::Way way = s.Follow(space, tokens.first(limit));
  const std::int64_t size = s.Usable(way);
  ++counters_.lookups;
  counters_.looked_up_tokens += static_cast<std::int64_t>(limit);
  if (size == 0) return 0;
  ++counters_.hits;
  counters_.hit_tokens += size;
  ++s.now;
  s.Touch(way, size, true);
  for (int g = 0; g < s.layout.groups(); ++g) {
    const std::int64_t first = s.layout.FirstTileSeen(g, size);
    for (std::int64_t i = 0; i * kTile < size; ++i) {
      const EntryId id = way.entries[static_cast<std::size_t>(i)];
      tiles.SetTile(g, i,
                    i < first ? TileRef() : s.tree[id].tiles[static_cast<std::size_t>(g)].tile);
    }
  }
  return size;
}

void PrefixCache::Publish(CacheSpace space, Text tokens, SequenceTiles& tiles, bool last) {
  Impl& s = *impl_;
  const auto size = static_cast<std::int64_t>(tokens.size());
  CAIRN_CHECK(tiles.tile_count() * kTile >= size);
  const std::int64_t count = last ? DivideUp(size, kTile) : size / kTile;
  ++s.now;
  Impl::Way way;
  EntryId at = s.tree.FindRoot(space);
  for (std::int64_t i = 0; i < count; ++i) {
    const Text text = TileOf(tokens, i);
    const Impl::Piece piece{tiles, i, last && i == count - 1};
    EntryId child = at == kNoEntry ? kNoEntry : s.FindFor(at, text, piece);
    if (child == kNoEntry) {
      if (!s.Publishable(tiles, i)) break;
      if (at == kNoEntry) at = s.tree.MakeRoot(space);
      child = s.Add(at, text, piece);
      if (child == kNoEntry) {  // no memory: what is there already is as good as it was
        at = way.entries.empty() ? kNoEntry : way.entries.back();
        break;
      }
    }
    way.entries.push_back(at = child);
    way.size += static_cast<std::int64_t>(text.size());
  }
  s.Touch(way, way.size, false);
  if (at != kNoEntry) s.RemoveIfEmpty(at);
  counters_.entries = static_cast<std::int64_t>(s.tree.size());
}

std::int64_t PrefixCache::Pin(CacheSpace space, Text tokens) {
  Impl& s = *impl_;
  Impl::Way way = s.Follow(space, tokens);
  for (const EntryId id : way.entries) {
    ++s.tree[id].pins;
    s.eviction.Place(id);
  }
  s.pins.emplace(Impl::PinKey(space, tokens),
                 Impl::PinRecord{space, {tokens.begin(), tokens.end()}, std::move(way.entries)});
  return way.size;
}

void PrefixCache::Unpin(CacheSpace space, Text tokens) {
  Impl& s = *impl_;
  const auto [begin, end] = s.pins.equal_range(Impl::PinKey(space, tokens));
  const auto it = std::find_if(begin, end, [&](const auto& pin) {
    return pin.second.space == space && std::ranges::equal(pin.second.tokens, tokens);
  });
  if (it == end) return;
  for (const EntryId id : it->second.entries) {
    --s.tree[id].pins;
    s.eviction.Place(id);
  }
  s.pins.erase(it);
}

bool PrefixCache::Evict(int group) {
  const bool freed = impl_->eviction.Evict(group, counters_.evicted_entries);
  counters_.entries = static_cast<std::int64_t>(impl_->tree.size());
  return freed;
}

void PrefixCache::Clear() {
  counters_.evicted_entries += impl_->eviction.RemoveAll();
  counters_.entries = static_cast<std::int64_t>(impl_->tree.size());
}

std::size_t PrefixCache::evictable(int group) const {
  std::vector<EntryId> pinned;
  for (const auto& [key, record] : impl_->pins) {
    pinned.insert(pinned.end(), record.entries.begin(), record.entries.end());
  }
  std::ranges::sort(pinned);
  pinned.erase(std::ranges::unique(pinned).begin(), pinned.end());
  const auto kept = std::ranges::count_if(pinned, [&](EntryId id) {
    const TileRef& tile = impl_->tree[id].tiles[static_cast<std::size_t>(group)].tile;
    return tile && !tile.shared();
  });
  return impl_->pool.published_alone(group) - static_cast<std::size_t>(kept);
}

std::uint64_t DrawSecret() {
  std::random_device system;
  return std::uint64_t{system()} << 32 | system();
}

}  // namespace cairn::kv
