// SPDX-License-Identifier: Apache-2.0
#include "kv/pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <limits>

#include "base/check.h"
#include "base/checked.h"
#include "base/virtual_range.h"
#include "kv/mapped_memory.h"

namespace cairn::kv {
namespace {

// Addresses that are made usable at once, and at least one tile: sixteen huge pages.
constexpr std::size_t kSlabBytes = std::size_t{32} << 20;
// A huge page under the newest tile of a group reaches up to 2 MB beyond it. Below this budget per
// group that would be more than 2 % of the memory, and small pages serve.
constexpr std::size_t kLeastForHugePages = std::size_t{100} << 20;

// Whole pages; a size that has none is left as it is and finds no memory later.
std::size_t InPages(std::size_t bytes) {
  return CheckedRoundUp(std::max<std::size_t>(bytes, 1), VirtualRange::page_bytes())
      .value_or(bytes);
}

}  // namespace

struct KvPool::Group {
  std::size_t tile_bytes = 0;  // in whole pages
  std::size_t slab_tiles = 1;
  bool huge_pages = false;
  std::size_t published_alone = 0;
  std::deque<Tile> tiles;           // in the order of addresses
  std::vector<VirtualRange> slabs;  // of slab_tiles tiles each
  std::vector<Tile*> kept;          // free, with memory; the last was freed last
  std::vector<Tile*> without;       // free, whose memory went back to the system

  std::size_t offset(const Tile& tile) const { return tile.index % slab_tiles * tile_bytes; }
  VirtualRange& slab(const Tile& tile) { return slabs[tile.index / slab_tiles]; }
};

RoomOfText RoomOf(const KvLayout& layout) {
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
  RoomOfText room;
  for (int g = 0; g < layout.groups(); ++g) {
    const std::size_t bytes = InPages(layout.tile_bytes[static_cast<std::size_t>(g)]);
    if (g == layout.state_group) {
      room.states = CheckedMul<std::size_t>(bytes, kStatesOfSequence).value_or(kMost);
    } else {
      room.tile = CheckedAdd(room.tile, bytes).value_or(kMost);
    }
  }
  return room;
}

std::size_t KvPool::LeastBudget(const KvLayout& layout) {
  const RoomOfText room = RoomOf(layout);
  return CheckedAdd(room.tile, room.states).value_or(std::numeric_limits<std::size_t>::max());
}

Result<std::unique_ptr<KvPool>> KvPool::Create(KvLayout layout, const KvPoolOptions& options) {
  const std::size_t least = LeastBudget(layout);
  if (options.budget_bytes < least) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("{} bytes of KV memory were asked for, {} positions of this model take "
                            "{}; raise --kv-memory to that at least",
                            options.budget_bytes, kernels::kTilePositions, least));
  }
  if (layout.has_states() && options.backend == KvBackend::kMapped) {
    return Fail(ErrorCode::kUnsupported,
                "a model with states keeps them in the arena; leave out --kv-backend mapped");
  }
  std::unique_ptr<KvPool> pool(new KvPool(std::move(layout), options));
  if (options.backend == KvBackend::kMapped) {
    std::vector<std::size_t> bytes, most;
    for (const Group& group : pool->groups_) {
      bytes.push_back(group.tile_bytes);
      most.push_back(options.budget_bytes / group.tile_bytes);
    }
    const auto tiles = DivideUp<std::int64_t>(options.most_positions, kernels::kTilePositions);
    pool->mapped_ = OR_RETURN(MappedMemory::Create(
        std::move(bytes), most, static_cast<std::size_t>(tiles), options.keep_mapped));
    pool->map_ahead_ = options.map_ahead;
  }
  return pool;
}

KvPool::KvPool(KvLayout layout, const KvPoolOptions& options)
    : layout_(std::move(layout)), groups_(layout_.tile_bytes.size()) {
  use_.budget = options.budget_bytes;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    Group& group = groups_[i];
    group.tile_bytes = InPages(layout_.tile_bytes[i]);
    // No slab has addresses that the budget could never fill.
    group.slab_tiles =
        std::max<std::size_t>(1, std::min(kSlabBytes, use_.budget) / group.tile_bytes);
    group.huge_pages = use_.budget / groups_.size() >= kLeastForHugePages;
  }
}

KvPool::~KvPool() { CAIRN_CHECK(use_.used == 0); }

std::size_t KvPool::tile_bytes(int group) const {
  return groups_[static_cast<std::size_t>(group)].tile_bytes;
}

Result<TileRef> KvPool::Take(int index, std::size_t wanted) {
  Group& group = groups_[static_cast<std::size_t>(index)];
  if (group.kept.empty() && !MakeRoom(index)) {
    return Fail(ErrorCode::kLimit,
                fmt::format("the KV memory of {:.1f} MB is full and all of it is in use; ask for "
                            "more with --kv-memory, or for less context",
                            static_cast<double>(use_.budget) / (1 << 20)));
  }
  Tile* tile = nullptr;
  if (group.kept.empty()) {
    tile = OR_RETURN(Fresh(index));
    use_.reserved += group.tile_bytes;
  } else {
    if (wanted != static_cast<std::size_t>(-1)) {
      const auto it = std::ranges::find(group.kept, wanted, &Tile::index);
      if (it != group.kept.end()) std::swap(*it, group.kept.back());
    }
    tile = group.kept.back();
    group.kept.pop_back();
    use_.kept -= group.tile_bytes;
  }
  use_.used += group.tile_bytes;
  use_.most_used = std::max(use_.most_used, use_.used);
  return TileRef(tile);
}

void KvPool::SharedBegins(const Tile& tile) {
  Group& group = groups_[static_cast<std::size_t>(tile.group)];
  use_.shared += group.tile_bytes;
  if (tile.published) --group.published_alone;
}

void KvPool::SharedEnds(const Tile& tile) {
  Group& group = groups_[static_cast<std::size_t>(tile.group)];
  use_.shared -= group.tile_bytes;
  if (tile.published) ++group.published_alone;
}

void KvPool::SetPublished(Tile& tile, bool published) {
  if (tile.published == published) return;
  tile.published = published;
  if (tile.holders > 1) return;
  std::size_t& alone = groups_[static_cast<std::size_t>(tile.group)].published_alone;
  published ? ++alone : --alone;
}

void KvPool::Free(Tile* tile) {
  Group& group = groups_[static_cast<std::size_t>(tile->group)];
  if (tile->published) --group.published_alone;
  tile->published = false;
  group.kept.push_back(tile);
  use_.used -= group.tile_bytes;
  use_.kept += group.tile_bytes;
}

// A kept tile of the group, or budget for a fresh one.
bool KvPool::MakeRoom(int index) {
  Group& group = groups_[static_cast<std::size_t>(index)];
  while (group.kept.empty()) {
    GiveUpOthers(index);
    if (use_.budget - use_.reserved >= group.tile_bytes) return true;
    const std::size_t used = use_.used;
    // A reclaimer that frees nothing is not asked again.
    if (!reclaimer_ || !reclaimer_(index) || use_.used >= used) return false;
  }
  return true;
}

// Until the budget has room for a tile of the group, or no other group keeps any.
void KvPool::GiveUpOthers(int index) {
  const std::size_t wanted = groups_[static_cast<std::size_t>(index)].tile_bytes;
  for (Group& other : groups_) {
    if (&other == &groups_[static_cast<std::size_t>(index)]) continue;
    while (use_.budget - use_.reserved < wanted && !other.kept.empty()) {
      if (!GiveUp(other)) break;
    }
  }
}

// The tile that was free for longest gives its memory to the system.
bool KvPool::GiveUp(Group& group) {
  Tile* tile = group.kept.front();
  if (mapped_ != nullptr) {
    if (!mapped_->Discard(tile->group, tile->index)) return false;
  } else {
    VirtualRange& slab = group.slab(*tile);
    const std::size_t before = slab.committed_bytes();
    slab.Decommit(group.offset(*tile), group.tile_bytes);
    if (slab.committed_bytes() == before) return false;  // the kernel could not split the mapping
  }
  group.kept.erase(group.kept.begin());
  group.without.push_back(tile);
  use_.reserved -= group.tile_bytes;
  use_.kept -= group.tile_bytes;
  return true;
}

Result<Tile*> KvPool::Fresh(int index) {
  Group& group = groups_[static_cast<std::size_t>(index)];
  if (!group.without.empty()) {
    Tile* tile = group.without.back();
    if (mapped_ == nullptr) {
      OR_RETURN(group.slab(*tile).Commit(group.offset(*tile), group.tile_bytes));
    }
    group.without.pop_back();
    return tile;
  }
  if (mapped_ == nullptr && group.tiles.size() == group.slabs.size() * group.slab_tiles) {
    const std::size_t bytes = group.slab_tiles * group.tile_bytes;
    VirtualRange slab = OR_RETURN(VirtualRange::Reserve(bytes, {.huge_pages = group.huge_pages}));
    OR_RETURN(slab.Commit(0, bytes));
    group.slabs.push_back(std::move(slab));
  }
  Tile& tile = group.tiles.emplace_back();
  tile.pool = this;
  tile.group = index;
  tile.index = group.tiles.size() - 1;
  if (mapped_ == nullptr) tile.data = group.slab(tile).data() + group.offset(tile);
  return &tile;
}

std::size_t KvPool::published_alone(int group) const {
  return groups_[static_cast<std::size_t>(group)].published_alone;
}

std::size_t KvPool::available(int index) const {
  const Group& group = groups_[static_cast<std::size_t>(index)];
  const std::size_t kept = group.kept.size() * group.tile_bytes;
  return group.kept.size() + (use_.budget - use_.used - kept) / group.tile_bytes;
}

}  // namespace cairn::kv
