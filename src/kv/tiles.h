// SPDX-License-Identifier: Apache-2.0
// Tiles of KV memory and the tiles of one sequence.
//
// Kernels see a span of tile pointers per sequence and group (kernels::KvView); who fills it is
// this room's business. Tiles that a sequence gives back are kept for the next one and never go
// back to the system: the pools hold what the most demanding moment needed. Threads: used by the
// engine's thread; workers only read the pointers during a step. Owns: a pool its tiles; a sequence
// borrows them. Cost: a fresh tile is its page faults, and a
//   mapping where a slab begins; one that was given back is a pointer.
#pragma once

#include <cstddef>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/error.h"
#include "kv/layout.h"

namespace cairn::kv {

// Tiles of one group: all of one size.
class TilePool {
 public:
  explicit TilePool(std::size_t tile_bytes) : tile_bytes_(tile_bytes) {}

  // A tile of unspecified contents, owned by the pool. Errors: kOutOfMemory.
  [[nodiscard]] Result<std::byte*> Take();
  // `tile` came from Take of this pool and is not used any more.
  void Give(std::byte* tile) { free_.push_back(tile); }

  std::size_t reserved_bytes() const { return made_ * tile_bytes_; }  // of tiles that were taken

 private:
  // Tiles are cut from slabs large enough for huge pages: a step walks all tiles of its sequences,
  // and small pages of gigabytes are in no translation cache.
  static constexpr std::size_t kSlabBytes = std::size_t{32} << 20;  // at least, and one tile

  std::size_t tile_bytes_;
  std::vector<AlignedBuffer> slabs_;
  std::size_t left_ = 0;  // tiles of the last slab that nobody has taken yet
  std::size_t made_ = 0;
  std::vector<std::byte*> free_;
};

// The pools of a layout; outlives the sequences that take from it.
class KvMemory {
 public:
  explicit KvMemory(KvLayout layout);

  const KvLayout& layout() const { return layout_; }
  TilePool& pool(int group) { return pools_[static_cast<std::size_t>(group)]; }
  std::size_t reserved_bytes() const;

 private:
  KvLayout layout_;
  std::vector<TilePool> pools_;
};

// The tiles of one sequence: slot = position.
class SequenceTiles {
 public:
  // The memory must outlive the object.
  explicit SequenceTiles(KvMemory& memory);
  ~SequenceTiles();
  SequenceTiles(const SequenceTiles&) = delete;
  SequenceTiles& operator=(const SequenceTiles&) = delete;

  // Makes positions [0, size) writable. Unchanged on failure. Errors: kOutOfMemory.
  [[nodiscard]] Result<void> Grow(std::int64_t size);
  // Gives back the tiles that hold no position below `size`, those of windowed groups too: all of a
  // sequence's positions stay.
  void Shrink(std::int64_t size);

  // Tile pointers of a group; valid until Grow or Shrink.
  std::byte* const* tiles(int group) const {
    return tiles_[static_cast<std::size_t>(group)].data();
  }

 private:
  KvMemory& memory_;
  std::vector<std::vector<std::byte*>> tiles_;
};

}  // namespace cairn::kv
