// SPDX-License-Identifier: Apache-2.0
// Memory for the nodes of one structure: equal pieces cut from blocks that grow with it, the large
// ones in huge pages. Given-back pieces are used again; blocks go back to the system at the end.
//
// Why not operator new: a search meets one node per level at random, and with pages of 4 KB each
// meeting misses the TLB too.
// Threads: Allocate and GiveBack from any thread; one mutex, taken once per node and not per entry.
// Owns: all pieces; they die with the arena.
#pragma once

#include <atomic>
#include <cstddef>
#include <limits>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "parallel/page_block.h"

namespace cairn::index {

// Bytes that several arenas may take together from the system. Threads: any.
class ByteBudget {
 public:
  explicit ByteBudget(std::size_t limit) : limit_(limit) {}
  bool Take(std::size_t bytes);
  std::size_t used() const { return used_.load(std::memory_order_relaxed); }
  std::size_t limit() const { return limit_; }

 private:
  std::size_t limit_;
  std::atomic<std::size_t> used_{0};
};

class NodeArena {
 public:
  // Pieces of `piece_bytes`, rounded up to cache lines and aligned to one. The budget outlives the
  // arena.
  NodeArena(std::size_t piece_bytes, ByteBudget& budget);
  NodeArena(const NodeArena&) = delete;
  NodeArena& operator=(const NodeArena&) = delete;
  ~NodeArena();

  // The bytes are whatever they were. Errors: kLimit (the budget), kOutOfMemory.
  [[nodiscard]] Result<void*> Allocate();
  // Requires a piece of this arena that nobody uses.
  void GiveBack(void* piece);

 private:
  struct FreePiece {
    FreePiece* next;
  };

  [[nodiscard]] Result<void> Grow();

  const std::size_t piece_bytes_;
  ByteBudget& budget_;
  std::mutex mutex_;
  // Guarded by mutex_.
  FreePiece* free_ = nullptr;
  std::vector<parallel::PageBlock> blocks_;
  std::byte* unused_ = nullptr;
  std::size_t unused_bytes_ = 0;
  std::size_t next_block_bytes_;
};

}  // namespace cairn::index
