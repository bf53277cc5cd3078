// SPDX-License-Identifier: Apache-2.0
// The memory of all keys and values: tiles under one budget, counted, shared, kept when freed.
//
// A tile is held by sequences and by the prefix cache; it is free when nobody holds it. Free tiles
// keep their memory for the next taker until another group needs it. A tile that is shared, or that
// the prefix cache has published, is read and never written (SequenceTiles copies it first).
// Kernels see `data` alone (kernels::KvView).
// Threads: the engine's thread; workers read and write the bytes of tiles during a step.
// Owns: every tile's memory; a pool outlives its tiles' holders.
// Cost: a kept tile is a pointer; a fresh one is its page faults, and a mapping where a slab is
// new.
//   Tiles of a group are cut from slabs of addresses with huge pages: a step walks all tiles of its
//   sequences, and small pages of gigabytes are in no translation cache.
// Source: design.md, "KV memory"; systems/19 for the budget's rules.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "kv/layout.h"

namespace cairn::kv {

class KvPool;
class MappedMemory;

// kernels::kTilePositions positions of all layers of one group. Private to src/kv but for `data`.
struct Tile {
  std::byte* data = nullptr;
  KvPool* pool = nullptr;
  int group = 0;
  int holders = 0;         // TileRefs
  bool published = false;  // the prefix cache may hand it to anyone: nobody writes it
  std::size_t index = 0;   // among the tiles of its group, in the order of addresses
};

// One holder of a tile, or nothing.
class TileRef {
 public:
  TileRef() = default;
  TileRef(const TileRef& other) : tile_(other.tile_) { Hold(); }
  TileRef(TileRef&& other) noexcept : tile_(std::exchange(other.tile_, nullptr)) {}
  TileRef& operator=(TileRef other) noexcept {
    std::swap(tile_, other.tile_);
    return *this;
  }
  ~TileRef() { Drop(); }

  explicit operator bool() const { return tile_ != nullptr; }
  std::byte* data() const { return tile_ != nullptr ? tile_->data : nullptr; }
  // This holder alone may write: nobody shares the tile and it is not published.
  bool writable() const { return tile_ != nullptr && tile_->holders == 1 && !tile_->published; }
  bool shared() const { return tile_ != nullptr && tile_->holders > 1; }
  std::size_t index() const { return tile_->index; }
  int holders() const { return tile_ != nullptr ? tile_->holders : 0; }
  bool published() const { return tile_ != nullptr && tile_->published; }
  inline void set_published(bool published);
  bool operator==(const TileRef& other) const { return tile_ == other.tile_; }

 private:
  friend class KvPool;
  explicit TileRef(Tile* tile) : tile_(tile) { Hold(); }
  inline void Hold();
  inline void Drop();
  Tile* tile_ = nullptr;
};

// Where tiles lie: in one arena, or mapped into a contiguous range for each sequence.
enum class KvBackend { kArena, kMapped };

struct KvPoolOptions {
  // Most bytes of tiles that have memory, in use or kept. A pool never exceeds it. A tile counts
  // with the whole pages that it takes (KvPool::tile_bytes).
  std::size_t budget_bytes = 0;
  KvBackend backend = KvBackend::kArena;
  // kMapped: positions of the longest sequence.
  std::int64_t most_positions = std::int64_t{1} << 17;
  // kMapped, for measuring: whether the next tiles are mapped while a step runs, and whether what a
  // sequence had mapped stays mapped for the next one.
  bool map_ahead = true;
  bool keep_mapped = true;
};

// Bytes that one text takes: a tile of every group, for each tile of it, and its states.
struct RoomOfText {
  std::size_t tile = 0;
  std::size_t states = 0;
};
RoomOfText RoomOf(const KvLayout& layout);

// Bytes. used + kept = reserved <= budget.
struct KvUse {
  std::size_t budget = 0;
  std::size_t reserved = 0;   // tiles that have memory
  std::size_t used = 0;       // of them, tiles that somebody holds
  std::size_t shared = 0;     // of them, tiles with more than one holder
  std::size_t kept = 0;       // of reserved, free ones
  std::size_t most_used = 0;  // the largest `used` so far
};

class KvPool {
 public:
  // Errors: kInvalidArgument (a budget below LeastBudget, naming both in bytes), kUnsupported
  // (states, kMapped), kIo, kOutOfMemory (kMapped).
  [[nodiscard]] static Result<std::unique_ptr<KvPool>> Create(KvLayout layout,
                                                              const KvPoolOptions& options);
  ~KvPool();
  KvPool(const KvPool&) = delete;
  KvPool& operator=(const KvPool&) = delete;

  const KvLayout& layout() const { return layout_; }
  // What a tile of a group counts in the budget: its bytes in whole pages.
  std::size_t tile_bytes(int group) const;
  // The least budget that a pool of this layout can have: one tile of each group, of states as many
  // as one sequence needs.
  static std::size_t LeastBudget(const KvLayout& layout);

  // A tile of unspecified contents for its one holder. When the budget is full, free tiles of other
  // groups give their memory up, then the reclaimer is asked. Errors: kLimit (the budget is full
  // and nothing gives way), kOutOfMemory (the system has none).
  // kMapped: `wanted`, the index of a tile, is taken if it is kept.
  [[nodiscard]] Result<TileRef> Take(int group, std::size_t wanted = static_cast<std::size_t>(-1));

  // Asked by Take for memory: lets go of holders so that at least one tile becomes free, of `group`
  // if it can; false where it has nothing to give. One reclaimer (the prefix cache); empty: none.
  using Reclaimer = std::function<bool(int group)>;
  void SetReclaimer(Reclaimer reclaimer) { reclaimer_ = std::move(reclaimer); }

  // Tiles of `group` that Take would hand out now without the reclaimer.
  std::size_t available(int group) const;
  // Published tiles of `group` with one holder, which is the prefix cache.
  std::size_t published_alone(int group) const;
  // kMapped: where sequences map their tiles; null else. Tiles have no address of their own then.
  MappedMemory* mapped() { return mapped_.get(); }
  bool maps_ahead() const { return map_ahead_; }
  KvUse use() const { return use_; }

 private:
  friend class TileRef;
  struct Group;
  KvPool(KvLayout layout, const KvPoolOptions& options);
  void Free(Tile* tile);
  void SharedBegins(const Tile& tile);
  void SharedEnds(const Tile& tile);
  void SetPublished(Tile& tile, bool published);
  bool MakeRoom(int group);
  void GiveUpOthers(int group);
  bool GiveUp(Group& group);
  [[nodiscard]] Result<Tile*> Fresh(int group);

  KvLayout layout_;
  KvUse use_;
  Reclaimer reclaimer_;
  std::vector<Group> groups_;
  std::unique_ptr<MappedMemory> mapped_;
  bool map_ahead_ = true;
};

inline void TileRef::Hold() {
  if (tile_ != nullptr && ++tile_->holders == 2) tile_->pool->SharedBegins(*tile_);
}

inline void TileRef::Drop() {
  if (tile_ == nullptr) return;
  const int left = --tile_->holders;
  if (left == 0) tile_->pool->Free(tile_);
  if (left == 1) tile_->pool->SharedEnds(*tile_);
}

inline void TileRef::set_published(bool published) { tile_->pool->SetPublished(*tile_, published); }

}  // namespace cairn::kv
