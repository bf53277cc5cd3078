// SPDX-License-Identifier: Apache-2.0
// One reserved stretch of address space whose memory is committed and given back page by page.
//
// Threads: Commit and Decommit by one thread at a time; committed bytes are used like any memory.
//   A decommitted byte must not be touched (the system ends the program).
// Owns: the reservation. Spans die with Decommit of their bytes or with the object.
// Invariants: (1) data never moves. (2) Freshly committed bytes read as zero; committing again what
//   is committed changes nothing. (3) committed_bytes() is a multiple of page_bytes().
// Cost: reserving takes address space only. Commit and Decommit are one system call each, plus a
//   page fault at the first touch of each page.
#pragma once

#include <cstddef>
#include <map>
#include <span>

#include "base/error.h"

namespace cairn {

struct VirtualRangeOptions {
  // Ask for 2 MB pages where the system gives them; a hint, without effect where it does not.
  bool huge_pages = false;
};

class VirtualRange {
 public:
  // `max_bytes` > 0, rounded up to whole pages. Errors: kInvalidArgument, kOutOfMemory (no such
  // stretch of addresses is free).
  [[nodiscard]] static Result<VirtualRange> Reserve(std::size_t max_bytes,
                                                    VirtualRangeOptions options = {});

  VirtualRange() = default;
  VirtualRange(VirtualRange&& other) noexcept { Swap(other); }
  VirtualRange& operator=(VirtualRange&& other) noexcept {
    Swap(other);
    return *this;
  }
  ~VirtualRange();

  // Makes [offset, offset + bytes) usable: the pages that touch it. Returns the bytes asked for.
  // Unchanged on failure. Errors: kInvalidArgument (outside the range), kOutOfMemory.
  [[nodiscard]] Result<std::span<std::byte>> Commit(std::size_t offset, std::size_t bytes);

  // Gives the pages that lie wholly inside [offset, offset + bytes) back to the system. What lies
  // outside the range is ignored.
  void Decommit(std::size_t offset, std::size_t bytes);

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::size_t committed_bytes() const { return committed_bytes_; }
  static std::size_t page_bytes();

 private:
  void Swap(VirtualRange& other) noexcept;
  void Mark(std::size_t begin, std::size_t end);
  void Unmark(std::size_t begin, std::size_t end);

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t committed_bytes_ = 0;
  VirtualRangeOptions options_;
  std::map<std::size_t, std::size_t> committed_;  // begin to end of disjoint stretches, in bytes
};

}  // namespace cairn
