// SPDX-License-Identifier: Apache-2.0
#include "index/node_arena.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "base/checked.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace cairn::index {
namespace {

constexpr std::size_t kLineBytes = 64;
// The first block holds this many pieces, each further one twice as much memory until the most.
constexpr std::size_t kFirstPieces = 8;
constexpr std::size_t kMostBlockBytes = std::size_t{8} << 20;

// A given-back piece must not be read by anybody; AddressSanitizer is told.
void Poison([[maybe_unused]] void* piece, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(piece, bytes);
#endif
}
void Unpoison([[maybe_unused]] void* piece, [[maybe_unused]] std::size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region(piece, bytes);
#endif
}

}  // namespace

bool ByteBudget::Take(std::size_t bytes) {
  std::size_t used = used_.load(std::memory_order_relaxed);
  do {
    if (bytes > limit_ - used) return false;
  } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
  return true;
}

NodeArena::NodeArena(std::size_t piece_bytes, ByteBudget& budget)
    : piece_bytes_(RoundUp(piece_bytes, kLineBytes)),
      budget_(budget),
      next_block_bytes_(kFirstPieces * piece_bytes_) {}

NodeArena::~NodeArena() {
  for (const parallel::PageBlock& block : blocks_) Unpoison(block.data(), block.size());
}

Result<void> NodeArena::Grow() {
  const bool large = next_block_bytes_ >= parallel::kHugePageBytes;
  const std::size_t bytes =
      large ? RoundUp(next_block_bytes_, parallel::kHugePageBytes) : next_block_bytes_;
  if (!budget_.Take(bytes)) {
    return Fail(ErrorCode::kLimit,
                fmt::format("the index needs {} more bytes and holds {} of the {} it may have; "
                            "raise the limit or erase entries",
                            bytes, budget_.used(), budget_.limit()));
  }
  parallel::PageBlock block = OR_RETURN(parallel::PageBlock::Allocate(
      bytes, large ? parallel::HugePages::kAdvise : parallel::HugePages::kNever));
  unused_ = block.data();
  unused_bytes_ = block.size();
  blocks_.push_back(std::move(block));
  next_block_bytes_ = std::min(2 * bytes, kMostBlockBytes);
  return {};
}

Result<void*> NodeArena::Allocate() {
  const std::lock_guard lock(mutex_);
  if (free_ != nullptr) {
    void* const piece = free_;
    Unpoison(piece, piece_bytes_);
    free_ = free_->next;
    return piece;
  }
  if (unused_bytes_ < piece_bytes_) OR_RETURN(Grow());
  void* const piece = unused_;
  unused_ += piece_bytes_;
  unused_bytes_ -= piece_bytes_;
  return piece;
}

void NodeArena::GiveBack(void* piece) {
  const std::lock_guard lock(mutex_);
  free_ = new (piece) FreePiece{free_};
  Poison(piece, piece_bytes_);
}

}  // namespace cairn::index
