// SPDX-License-Identifier: Apache-2.0
#include "kv/sequence_tiles.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/checked.h"
#include "kernels/kernels.h"
#include "kv/mapped_memory.h"

namespace cairn::kv {
namespace {

constexpr std::int64_t kTile = kernels::kTilePositions;

}  // namespace

SequenceTiles::SequenceTiles(KvPool& pool)
    : pool_(&pool), groups_(static_cast<std::size_t>(pool.layout().groups())) {}

std::int64_t SequenceTiles::tile_count() const {
  return groups_.empty() ? 0 : static_cast<std::int64_t>(groups_[0].held.size());
}

Result<void> SequenceTiles::Grow(std::int64_t committed, std::int64_t size) {
  const std::int64_t held = tile_count() * kTile;
  if (unmapped_) OR_RETURN(MapAll());
  auto grown = GrowAll(committed, size);
  if (!grown && DropKeptStates()) grown = GrowAll(committed, size);
  if (!grown) {
    Shrink(held);
    return std::unexpected(std::move(grown).error().Within("KV memory"));
  }
  if (pool_->mapped() == nullptr) return {};
  if (auto mapped = MapAll(); !mapped) {
    Shrink(held);
    return mapped;
  }
  Prepare(size);
  return {};
}

Result<void> SequenceTiles::GrowAll(std::int64_t committed, std::int64_t size) {
  const std::int64_t count = DivideUp(size, kTile);
  for (int index = 0; index < pool_->layout().groups(); ++index) {
    if (index == pool_->layout().state_group) {
      OR_RETURN(GrowStates(committed, size));
    } else {
      OR_RETURN(GrowGroup(index, committed, count));
    }
  }
  return {};
}

Result<void> SequenceTiles::GrowGroup(int index, std::int64_t committed, std::int64_t count) {
  Group& g = group(index);
  CAIRN_CHECK(g.first <= pool_->layout().FirstTileSeen(index, committed));
  const auto held = static_cast<std::int64_t>(g.held.size());
  for (std::int64_t i = committed / kTile; i < std::min(held, count); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (g.held[at].writable()) continue;
    auto taken = TakeFor(index, i);
    if (!taken && g.held[at].writable()) continue;  // the reclaimer let go of the other holds
    TileRef fresh = OR_RETURN(std::move(taken));
    // Of the tiles that will be written, only the first may hold committed positions.
    if (i * kTile < committed) {
      std::memcpy(OR_RETURN(Writable(index, fresh)), g.data[at],
                  pool_->layout().tile_bytes[static_cast<std::size_t>(index)]);
    }
    SetTile(index, i, std::move(fresh));
  }
  for (std::int64_t i = held; i < count; ++i) SetTile(index, i, OR_RETURN(TakeFor(index, i)));
  return {};
}

void SequenceTiles::Shrink(std::int64_t size) {
  const auto count = static_cast<std::size_t>(DivideUp(size, kTile));
  DropSteps();
  if (pool_->layout().has_states() && size < state_size_) {
    CAIRN_CHECK(UsableStates(size) == size);
    state_size_ = size;
  }
  for (Group& g : groups_) {
    if (g.held.size() <= count) continue;
    g.held.resize(count);
    g.data.resize(count);
    g.first = std::min(g.first, static_cast<std::int64_t>(count));
  }
}

void SequenceTiles::Release(std::int64_t next) {
  for (int index = 0; index < pool_->layout().groups(); ++index) {
    Group& g = group(index);
    const std::int64_t seen = std::min(pool_->layout().FirstTileSeen(index, next),
                                       static_cast<std::int64_t>(g.held.size()));
    for (; g.first < seen; ++g.first) {
      g.held[static_cast<std::size_t>(g.first)] = TileRef();
      g.data[static_cast<std::size_t>(g.first)] = nullptr;
    }
  }
}

std::int64_t SequenceTiles::UsableSize(std::int64_t size) const {
  if (pool_->layout().has_states()) size = UsableStates(size);
  // A smaller size sees further back, so it cannot be usable where a larger one is not.
  for (int index = 0; index < pool_->layout().groups(); ++index) {
    if (pool_->layout().FirstTileSeen(index, size) < group(index).first) return 0;
  }
  return std::min(size, tile_count() * kTile);
}

void SequenceTiles::Share(const SequenceTiles& other, std::int64_t size) {
  CAIRN_CHECK(tile_count() == 0 && other.UsableSize(size) == size);
  const auto count = static_cast<std::ptrdiff_t>(DivideUp(size, kTile));
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const Group& from = other.groups_[i];
    groups_[i].held.assign(from.held.begin(), from.held.begin() + count);
    groups_[i].data.assign(from.data.begin(), from.data.begin() + count);
    groups_[i].first = std::min<std::int64_t>(from.first, count);
    if (pool_->mapped() != nullptr) std::ranges::fill(groups_[i].data, nullptr);
  }
  if (pool_->layout().has_states()) state_size_ = size;
  unmapped_ = pool_->mapped() != nullptr;
  if (unmapped_) IgnoreResult(MapAll(), "Grow tries again and reports it");
}

Result<void> SequenceTiles::TakeUnfilled(std::span<const std::int64_t> first, std::int64_t count) {
  CAIRN_CHECK(tile_count() == 0 && std::ssize(first) == pool_->layout().groups());
  const auto take = [&]() -> Result<void> {
    for (int g = 0; g < pool_->layout().groups(); ++g) {
      for (std::int64_t i = 0; i < count; ++i) {
        const bool there = i >= first[static_cast<std::size_t>(g)];
        SetTile(g, i, there ? OR_RETURN(pool_->Take(g)) : TileRef());
        if (!there || tiles(g)[i] != nullptr) continue;
        return Fail(ErrorCode::kUnsupported, "a tile to be filled is not mapped");
      }
    }
    return {};
  };
  auto taken = take();
  if (!taken) Shrink(0);
  return taken;
}

const TileRef& SequenceTiles::tile(int index, std::int64_t at) const {
  static const TileRef kNone;
  // States of a step that was grown for and has not been made are not there yet.
  const auto& held = group(index).held;
  const auto i = static_cast<std::size_t>(at);
  return i < held.size() ? held[i] : kNone;
}

void SequenceTiles::SetTile(int index, std::int64_t at, TileRef tile) {
  Group& g = group(index);
  const auto i = static_cast<std::size_t>(at);
  CAIRN_CHECK(i <= g.held.size() && (tile || at <= g.first));
  if (!tile) g.first = std::max(g.first, at + 1);
  if (i == g.held.size()) {
    g.held.emplace_back();
    g.data.push_back(nullptr);
  }
  g.data[i] = tile.data();
  g.held[i] = std::move(tile);
  if (pool_->mapped() == nullptr || !g.held[i]) return;
  if (!Map(index, i)) unmapped_ = true;  // Grow tries again and reports it
}

// --- states -------------------------------------------------------------------------------------

Result<void> SequenceTiles::GrowStates(std::int64_t committed, std::int64_t size) {
  CAIRN_CHECK(committed == state_size_);
  if (committed == size) return {};
  if (!steps_.empty() && steps_.back().end == size) return {};  // grown for this before
  DropSteps();
  const KvLayout& layout = pool_->layout();
  TileRef last = OR_RETURN(pool_->Take(layout.state_group));
  const std::int64_t every = layout.state_tiles * kTile;
  for (std::int64_t end = committed - committed % every + every; end < size; end += every) {
    // What is kept on the way is of use and not needed.
    auto kept = pool_->Take(layout.state_group);
    if (!kept) break;
    steps_.push_back({end, kept->data()});
    grown_.push_back(*std::move(kept));
  }
  steps_.push_back({size, last.data()});
  grown_.push_back(std::move(last));
  return {};
}

void SequenceTiles::DropSteps() {
  steps_.clear();
  grown_.clear();
}

// Lets go of states that are of use for others alone. False: there are none.
bool SequenceTiles::DropKeptStates() {
  if (!pool_->layout().has_states()) return false;
  bool dropped = false;
  for (std::int64_t i = 0; i < (state_size_ - 1) / kTile; ++i) {
    dropped |= bool(tile(pool_->layout().state_group, i));
    PutStates(i, TileRef());
  }
  return dropped;
}

const std::byte* SequenceTiles::state() const {
  if (state_size_ == 0) return nullptr;
  const Group& g = group(pool_->layout().state_group);
  return g.data[static_cast<std::size_t>((state_size_ - 1) / kTile)];
}

void SequenceTiles::PutStates(std::int64_t index, TileRef tile) {
  Group& g = group(pool_->layout().state_group);
  const auto i = static_cast<std::size_t>(index);
  if (i >= g.held.size()) {
    g.held.resize(i + 1);
    g.data.resize(i + 1, nullptr);
  }
  g.data[i] = tile.data();
  g.held[i] = std::move(tile);
}

void SequenceTiles::Commit(std::int64_t size) {
  const KvLayout& layout = pool_->layout();
  if (!layout.has_states() || size == state_size_) return;
  if (!steps_.empty()) {
    CAIRN_CHECK(steps_.back().end == size);
    // States behind the end of a tile may stay beside the new ones, others are of the past.
    if (state_size_ % (layout.state_tiles * kTile) != 0) {
      PutStates((state_size_ - 1) / kTile, TileRef());
    }
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      PutStates((steps_[i].end - 1) / kTile, std::move(grown_[i]));
    }
    DropSteps();
  }
  state_size_ = size;
  CAIRN_CHECK(size == 0 || (tile_count() >= DivideUp(size, kTile) && state() != nullptr));
}

std::int64_t SequenceTiles::UsableStates(std::int64_t size) const {
  if (size >= state_size_) return state_size_;
  const Group& g = group(pool_->layout().state_group);
  std::int64_t tiles = size / kTile;
  while (tiles > 0 && !g.held[static_cast<std::size_t>(tiles - 1)]) --tiles;
  return tiles * kTile;
}

// --- mapped pools -------------------------------------------------------------------------------

SlotRef::~SlotRef() {
  if (memory_ != nullptr) memory_->GiveSlot(slot_);
}

Result<void> SequenceTiles::Map(int index, std::size_t i) {
  MappedMemory& memory = *pool_->mapped();
  if (!slot_) slot_ = SlotRef(memory, OR_RETURN(memory.TakeSlot()));
  Group& g = group(index);
  g.data[i] = OR_RETURN(memory.Map(slot_.slot(), index, i, g.held[i].index()));
  return {};
}

Result<void> SequenceTiles::MapAll() {
  if (!unmapped_) return {};
  for (int index = 0; index < pool_->layout().groups(); ++index) {
    Group& g = group(index);
    for (std::size_t i = 0; i < g.held.size(); ++i) {
      if (g.held[i] && g.data[i] == nullptr) OR_RETURN(Map(index, i));
    }
  }
  unmapped_ = false;
  return {};
}

// The tile that was mapped ahead, or one that the slot has mapped there from before, or any.
Result<TileRef> SequenceTiles::TakeFor(int index, std::int64_t at) {
  if (pool_->mapped() == nullptr) return pool_->Take(index);
  Group& g = group(index);
  if (g.ahead) return std::move(g.ahead);
  if (!slot_) return pool_->Take(index);
  return pool_->Take(index,
                     pool_->mapped()->Mapped(slot_.slot(), index, static_cast<std::size_t>(at)));
}

Result<std::byte*> SequenceTiles::Writable(int index, const TileRef& tile) {
  if (pool_->mapped() == nullptr) return tile.data();
  return pool_->mapped()->MapAside(index, tile.index());
}

// Takes the next tile and has it mapped while the step runs that `size` was grown for.
void SequenceTiles::Prepare(std::int64_t size) {
  constexpr std::int64_t kAheadPositions = 8;
  const bool soon = size % kTile == 0 || size % kTile >= kTile - kAheadPositions;
  if (!slot_ || !soon || !pool_->maps_ahead()) return;
  for (int index = 0; index < pool_->layout().groups(); ++index) {
    Group& g = group(index);
    // What is taken ahead must not be what another sequence needs now.
    const std::size_t spare = 4 + pool_->use().budget / pool_->tile_bytes(index) / 100;
    if (g.ahead || pool_->available(index) <= spare) continue;
    const std::size_t at = g.held.size();
    auto taken = pool_->Take(index, pool_->mapped()->Mapped(slot_.slot(), index, at));
    if (!taken) continue;
    g.ahead = std::move(*taken);
    pool_->mapped()->MapAhead(slot_.slot(), index, at, g.ahead.index());
  }
}

}  // namespace cairn::kv
