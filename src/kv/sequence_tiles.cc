// SPDX-License-Identifier: Apache-2.0
#include "kv/sequence_tiles.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/checked.h"
#include "kernels/kernels.h"

namespace cairn::kv {
namespace {

constexpr std::int64_t kTile = kernels::kTilePositions;

// The first tile that the layers of a group read for position `next` and later ones.
std::int64_t FirstSeen(const KvLayout& layout, int group, std::int64_t next) {
  const int window = layout.windows[static_cast<std::size_t>(group)];
  return window == 0 ? 0 : std::max<std::int64_t>(0, next - window + 1) / kTile;
}

}  // namespace

SequenceTiles::SequenceTiles(KvPool& pool)
    : pool_(&pool), groups_(static_cast<std::size_t>(pool.layout().groups())) {}

std::int64_t SequenceTiles::tile_count() const {
  return groups_.empty() ? 0 : static_cast<std::int64_t>(groups_[0].held.size());
}

Result<void> SequenceTiles::Grow(std::int64_t committed, std::int64_t size) {
  const std::int64_t held = tile_count() * kTile;
  const std::int64_t count = DivideUp(size, kTile);
  for (int index = 0; index < pool_->layout().groups(); ++index) {
    if (auto grown = GrowGroup(index, committed, count); !grown) {
      Shrink(held);
      return std::unexpected(std::move(grown).error().Within("KV memory"));
    }
  }
  return {};
}

Result<void> SequenceTiles::GrowGroup(int index, std::int64_t committed, std::int64_t count) {
  Group& g = group(index);
  CAIRN_CHECK(g.first <= FirstSeen(pool_->layout(), index, committed));
  const auto held = static_cast<std::int64_t>(g.held.size());
  for (std::int64_t i = committed / kTile; i < std::min(held, count); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (g.held[at].writable()) continue;
    auto taken = pool_->Take(index);
    if (!taken && g.held[at].writable()) continue;  // the reclaimer let go of the other holds
    TileRef fresh = OR_RETURN(std::move(taken));
    // Of the tiles that will be written, only the first may hold committed positions.
    if (i * kTile < committed) {
      std::memcpy(fresh.data(), g.held[at].data(),
                  pool_->layout().tile_bytes[static_cast<std::size_t>(index)]);
    }
    SetTile(index, i, std::move(fresh));
  }
  for (std::int64_t i = held; i < count; ++i) SetTile(index, i, OR_RETURN(pool_->Take(index)));
  return {};
}

void SequenceTiles::Shrink(std::int64_t size) {
  const auto count = static_cast<std::size_t>(DivideUp(size, kTile));
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
    const std::int64_t seen =
        std::min(FirstSeen(pool_->layout(), index, next), static_cast<std::int64_t>(g.held.size()));
    for (; g.first < seen; ++g.first) {
      g.held[static_cast<std::size_t>(g.first)] = TileRef();
      g.data[static_cast<std::size_t>(g.first)] = nullptr;
    }
  }
}

std::int64_t SequenceTiles::UsableSize(std::int64_t size) const {
  // A smaller size sees further back, so it cannot be usable where a larger one is not.
  for (int index = 0; index < pool_->layout().groups(); ++index) {
    if (FirstSeen(pool_->layout(), index, size) < group(index).first) return 0;
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
  }
}

const TileRef& SequenceTiles::tile(int index, std::int64_t at) const {
  return group(index).held[static_cast<std::size_t>(at)];
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
}

}  // namespace cairn::kv
