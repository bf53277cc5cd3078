// SPDX-License-Identifier: Apache-2.0
// Tiles as pages of a file in memory that are mapped into one contiguous range per sequence: the
// second backend of KvPool.
//
// A slot is a range of addresses for each group, long enough for the longest sequence; the tile of
// positions [64 i, 64 i + 64) is mapped at i tiles from its beginning, so that a kernel that wants
// plain contiguous keys and values could read it. Mapping follows the tiles that a sequence gets;
// nothing is unmapped when a sequence ends (deferred reclamation, `keep_mapped`): the next one in
// the slot finds mapped what it is given again, and other tiles replace what is there. Tiles that a
// sequence will need soon are mapped by a thread of its own while a step runs.
// Threads: the engine's thread; MapAhead hands work to the thread inside, and every other call
//   waits for that work first. Workers read mapped tiles during a step.
// Owns: the files, the addresses, the thread.
// Cost: a mapping of a tile is a system call and, where its pages are fresh, their zeroing. Pages
//   of the file are small ones on most systems.
// Source: systems/19 (Prabhu et al., "vAttention", ASPLOS 2025).
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "base/error.h"

namespace cairn::kv {

struct MappingCounts {
  std::int64_t maps = 0;        // system calls on the caller's thread
  std::int64_t maps_ahead = 0;  // on the thread inside
  std::int64_t found = 0;       // the slot had the tile mapped already
  std::int64_t unmaps = 0;
  std::int64_t slots = 0;
};

class MappedMemory {
 public:
  // `tile_bytes` by group, whole pages; files for `most_tiles[g]` tiles of each, which take memory
  // as they are written. Errors: kIo (no file in memory), kOutOfMemory.
  [[nodiscard]] static Result<std::unique_ptr<MappedMemory>> Create(
      std::vector<std::size_t> tile_bytes, std::span<const std::size_t> most_tiles,
      std::size_t tiles_of_sequence, bool keep_mapped = true);
  ~MappedMemory();

  // Of the slots that nobody has, the one that was given back last. Errors: kOutOfMemory.
  [[nodiscard]] Result<int> TakeSlot();
  void GiveSlot(int slot);

  // The address of tile `tile` of the file at place `at` of a slot. Errors: kOutOfMemory (the
  // system has no more mappings), kLimit (`at` beyond the slot).
  [[nodiscard]] Result<std::byte*> Map(int slot, int group, std::size_t at, std::size_t tile);
  // The same while a step runs.
  void MapAhead(int slot, int group, std::size_t at, std::size_t tile);
  // Where a tile can be written before it is mapped at its place; until the next call.
  [[nodiscard]] Result<std::byte*> MapAside(int group, std::size_t tile);

  // The tile that a slot still has mapped at a place, or kNothing.
  static constexpr std::size_t kNothing = static_cast<std::size_t>(-1);
  std::size_t Mapped(int slot, int group, std::size_t at);

  // Gives the memory of a tile that nobody holds back to the system. False where it cannot.
  bool Discard(int group, std::size_t tile);

  MappingCounts counts();

 private:
  struct Group {
    std::size_t tile_bytes = 0;
    int file = -1;
    std::byte* aside = nullptr;
  };
  struct SlotRange {
    std::byte* data = nullptr;
    std::vector<std::size_t> mapped;  // tile by place
  };
  struct Job {
    int slot, group;
    std::size_t at, tile;
  };

  MappedMemory() = default;
  void Settle();
  void Work(std::stop_token stop);
  bool MapAt(std::byte* address, int group, std::size_t tile);
  SlotRange& range(int slot, int group) {
    return slots_[static_cast<std::size_t>(slot)][static_cast<std::size_t>(group)];
  }

  std::vector<Group> groups_;
  std::size_t tiles_of_sequence_ = 0;
  bool keep_mapped_ = true;
  std::deque<std::vector<SlotRange>> slots_;  // by slot and group
  std::vector<int> free_slots_;
  MappingCounts counts_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<Job> jobs_;  // guarded by mutex_; the first is being done
  bool started_ = false;
  std::jthread worker_;  // the last member: it ends first
};

}  // namespace cairn::kv
