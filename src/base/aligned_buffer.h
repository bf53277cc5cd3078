// SPDX-License-Identifier: Apache-2.0
// A zeroed block of memory aligned to a cache line; large ones ask the system for huge pages.
// Threads: as the bytes are used. Owns: the memory.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include "base/error.h"

namespace cairn {

class AlignedBuffer {
 public:
  // `bytes` may be 0. Pages are zero and not resident until they are written. Errors: kOutOfMemory.
  [[nodiscard]] static Result<AlignedBuffer> Allocate(std::size_t bytes);

  AlignedBuffer() = default;
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~AlignedBuffer();

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::span<std::byte> bytes() const { return {data_, size_}; }

 private:
  AlignedBuffer(std::byte* data, std::size_t size) : data_(data), size_(size) {}

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace cairn
