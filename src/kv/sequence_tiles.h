// SPDX-License-Identifier: Apache-2.0
// The tiles of one sequence: slot = position.
//
// Positions below the committed size hold keys and values; a windowed group may have given back
// tiles that no later position sees. Tiles may be shared with other sequences and the prefix cache;
// before a position is written, a tile that is not this sequence's alone is replaced by a copy.
//
// Tiles of states (layout.h) are never written again: Grow takes new ones for the states that a
// step makes, and Commit puts them in the place of those before. The place of a tile of states is
// that of the last position behind which they are; most places have none.
// Threads: the engine's thread; workers only read the pointers during a step.
// Owns: its holds on tiles. The pool must outlive the object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "kv/pool.h"

namespace cairn::kv {

// A sequence's range of addresses in a mapped pool, or nothing.
class SlotRef {
 public:
  SlotRef() = default;
  SlotRef(MappedMemory& memory, int slot) : memory_(&memory), slot_(slot) {}
  SlotRef(SlotRef&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)), slot_(other.slot_) {}
  SlotRef& operator=(SlotRef&& other) noexcept {
    std::swap(memory_, other.memory_);
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~SlotRef();
  explicit operator bool() const { return memory_ != nullptr; }
  int slot() const { return slot_; }

 private:
  MappedMemory* memory_ = nullptr;
  int slot_ = 0;
};

// States that a step makes: those behind position `end` - 1.
struct StateStep {
  std::int64_t end = 0;
  std::byte* data = nullptr;
};

class SequenceTiles {
 public:
  explicit SequenceTiles(KvPool& pool);
  SequenceTiles(SequenceTiles&&) noexcept = default;  // what was moved from can only be assigned
  SequenceTiles& operator=(SequenceTiles&&) noexcept = default;

  // Makes positions [committed, size) writable: takes tiles, and copies the one that holds
  // `committed` where it is shared or published. Requires UsableSize(committed) == committed. On
  // failure the tiles reach no further than before (a copy that was made stays). Errors: those of
  // KvPool::Take.
  [[nodiscard]] Result<void> Grow(std::int64_t committed, std::int64_t size);

  // Positions [0, size) are committed: a step has written them, or their tiles were given to this
  // object. Only layouts with states need to know.
  void Commit(std::int64_t size);

  // Gives back the tiles that hold no position below `size`, and the states of a step that was not
  // committed. Where positions that were go, requires UsableSize(size) == size.
  void Shrink(std::int64_t size);

  // Windowed groups give back the tiles that no position from `next` on sees. A later Shrink below
  // `next` leaves positions whose window is gone: see UsableSize.
  void Release(std::int64_t next);

  // The largest size <= `size` from which the sequence can go on: every windowed group still has
  // what position `size` sees, and there are states behind the position before it. 0 where nothing
  // is left.
  std::int64_t UsableSize(std::int64_t size) const;

  // Holds `other`'s tiles for its first `size` positions too. Requires that this object is empty
  // and other.UsableSize(size) == size.
  void Share(const SequenceTiles& other, std::int64_t size);

  // Tiles of unspecified contents, to be filled from elsewhere: of group g those from first[g] to
  // `count`; what is before counts as given back. Requires that this object is empty, and it is so
  // again on failure. Errors: those of KvPool::Take; kUnsupported (a tile has no address now).
  [[nodiscard]] Result<void> TakeUnfilled(std::span<const std::int64_t> first, std::int64_t count);

  // Layouts with states: those behind the committed positions (null: there are none yet), and the
  // ones that a step up to the size that was grown for makes, ascending; the last are behind its
  // last position. Valid until the next change.
  const std::byte* state() const;
  std::span<const StateStep> state_steps() const { return steps_; }

  // Tile pointers of a group, null where a windowed group has given one back; valid until the next
  // change.
  std::byte* const* tiles(int group) const {
    return groups_[static_cast<std::size_t>(group)].data.data();
  }
  std::int64_t tile_count() const;  // of every group, given back ones included

  // For the prefix cache. A tile that was given back is an empty TileRef; SetTile replaces, or
  // appends at the end. Given back ones are the first of their group.
  const TileRef& tile(int group, std::int64_t index) const;
  void SetTile(int group, std::int64_t index, TileRef tile);

 private:
  struct Group {
    std::vector<TileRef> held;
    std::vector<std::byte*> data;  // of held, for the kernels
    std::int64_t first = 0;        // tiles below it were given back
    TileRef ahead;                 // mapped pools: the next tile, mapped while a step runs
  };
  Group& group(int index) { return groups_[static_cast<std::size_t>(index)]; }
  const Group& group(int index) const { return groups_[static_cast<std::size_t>(index)]; }
  [[nodiscard]] Result<void> GrowGroup(int index, std::int64_t committed, std::int64_t count);

  [[nodiscard]] Result<void> GrowAll(std::int64_t committed, std::int64_t size);
  bool DropKeptStates();
  [[nodiscard]] Result<void> GrowStates(std::int64_t committed, std::int64_t size);
  void DropSteps();
  void PutStates(std::int64_t index, TileRef tile);
  std::int64_t UsableStates(std::int64_t size) const;

  // The rest is for mapped pools alone.
  [[nodiscard]] Result<void> MapAll();
  [[nodiscard]] Result<void> Map(int group, std::size_t index);
  [[nodiscard]] Result<TileRef> TakeFor(int group, std::int64_t index);
  [[nodiscard]] Result<std::byte*> Writable(int group, const TileRef& tile);
  void Prepare(std::int64_t size);

  KvPool* pool_;
  std::vector<Group> groups_;
  SlotRef slot_;
  bool unmapped_ = false;  // some tile could not be mapped yet
  // Layouts with states.
  std::int64_t state_size_ = 0;   // positions that are committed
  std::vector<StateStep> steps_;  // of Grow
  std::vector<TileRef> grown_;    // their tiles
};

}  // namespace cairn::kv
