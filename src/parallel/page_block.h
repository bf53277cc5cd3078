// SPDX-License-Identifier: Apache-2.0
// Pages straight from the system, not touched by anyone: the memory under target-bound data.
//
// On machines with several memory nodes a page is placed on the node of the thread that touches it
// first, and stays there. So nothing here reads or writes the bytes.
// Threads: a plain owner; the bytes are used as memory is. Owns: the mapping; the size in bytes is
//   kept with it, so giving back cannot be off by an element's size.
// Cost: a system call or three; a page fault at the first touch of each page.
#pragma once

#include <cstddef>
#include <utility>

#include "base/error.h"

namespace cairn::parallel {

inline constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;

enum class HugePages {
  kNever,
  // Aligned to 2 MB and advised. A hint: where the system forbids huge pages (`cairn doctor` says
  // so) nothing changes but speed.
  kAdvise,
};

class PageBlock {
 public:
  // Reads as zero. `bytes` may be 0. Errors: kOutOfMemory.
  [[nodiscard]] static Result<PageBlock> Allocate(std::size_t bytes, HugePages huge);

  PageBlock() = default;
  PageBlock(PageBlock&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  PageBlock& operator=(PageBlock&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~PageBlock();

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  PageBlock(std::byte* data, std::size_t size) : data_(data), size_(size) {}

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace cairn::parallel
