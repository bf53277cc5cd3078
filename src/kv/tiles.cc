// SPDX-License-Identifier: Apache-2.0
#include "kv/tiles.h"

#include <algorithm>

#include "base/checked.h"
#include "kernels/kernels.h"

namespace cairn::kv {

Result<std::byte*> TilePool::Take() {
  if (!free_.empty()) {
    std::byte* tile = free_.back();
    free_.pop_back();
    return tile;
  }
  if (left_ == 0) {
    const std::size_t tiles = std::max<std::size_t>(1, kSlabBytes / tile_bytes_);
    slabs_.push_back(OR_RETURN(AlignedBuffer::Allocate(tiles * tile_bytes_)));
    left_ = tiles;
  }
  ++made_;
  return slabs_.back().data() + slabs_.back().size() - left_-- * tile_bytes_;
}

KvMemory::KvMemory(KvLayout layout) : layout_(std::move(layout)) {
  for (const std::size_t bytes : layout_.tile_bytes) pools_.emplace_back(bytes);
}

std::size_t KvMemory::reserved_bytes() const {
  std::size_t bytes = 0;
  for (const TilePool& pool : pools_) bytes += pool.reserved_bytes();
  return bytes;
}

SequenceTiles::SequenceTiles(KvMemory& memory)
    : memory_(memory), tiles_(static_cast<std::size_t>(memory.layout().groups())) {}

SequenceTiles::~SequenceTiles() { Shrink(0); }

Result<void> SequenceTiles::Grow(std::int64_t size) {
  const auto count =
      static_cast<std::size_t>(DivideUp<std::int64_t>(size, kernels::kTilePositions));
  const std::int64_t held =
      tiles_.empty() ? 0 : static_cast<std::int64_t>(tiles_[0].size()) * kernels::kTilePositions;
  for (std::size_t group = 0; group < tiles_.size(); ++group) {
    while (tiles_[group].size() < count) {
      auto tile = memory_.pool(static_cast<int>(group)).Take();
      if (!tile) {
        Shrink(held);
        return std::unexpected(std::move(tile).error().Within("KV memory"));
      }
      tiles_[group].push_back(*tile);
    }
  }
  return {};
}

void SequenceTiles::Shrink(std::int64_t size) {
  const auto count =
      static_cast<std::size_t>(DivideUp<std::int64_t>(size, kernels::kTilePositions));
  for (std::size_t group = 0; group < tiles_.size(); ++group) {
    while (tiles_[group].size() > count) {
      memory_.pool(static_cast<int>(group)).Give(tiles_[group].back());
      tiles_[group].pop_back();
    }
  }
}

}  // namespace cairn::kv
