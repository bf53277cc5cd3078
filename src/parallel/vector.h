// SPDX-License-Identifier: Apache-2.0
// A vector of fixed size whose elements live on the targets of an executor.
//
// It has no resize and no push_back: growing would touch pages on the calling thread, and a page
// stays where it was touched first. Elements are constructed and destroyed by the workers.
// Threads: as a plain array; Create and the destructor as Executor::Bulk. The executor must outlive
//   the vector. Owns: the elements and their pages. Moving takes both along, and the binding.
#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

#include "parallel/block_allocator.h"

namespace cairn::parallel {

template <typename T>
class Vector {
 public:
  using value_type = T;

  // n elements, each constructed from `args`; without any they are value-initialised. Errors:
  // kOutOfMemory; exceptions of constructors leave as failures.h says.
  template <typename... Args>
  [[nodiscard]] static Result<Vector> Create(const BlockAllocator<T>& allocator, std::size_t n,
                                             const Args&... args) {
    Vector vector(allocator, OR_RETURN(allocator.Allocate(n)));
    allocator.BulkConstruct(vector.data(), n, args...);
    vector.size_ = n;
    return vector;
  }

  // n elements on untouched pages, which read as zero bytes: whoever writes first places them.
  [[nodiscard]] static Result<Vector> Untouched(const BlockAllocator<T>& allocator,
                                                std::size_t n) requires std::is_trivial_v<T> {
    Vector vector(allocator, OR_RETURN(allocator.Allocate(n)));
    vector.size_ = n;
    return vector;
  }

  Vector(Vector&& other) noexcept
      : allocator_(other.allocator_),
        block_(std::move(other.block_)),
        size_(std::exchange(other.size_, 0)) {}
  Vector& operator=(Vector&& other) noexcept {
    std::swap(allocator_, other.allocator_);
    std::swap(block_, other.block_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Vector() { allocator_.BulkDestroy(data(), size_); }

  T* data() const { return reinterpret_cast<T*>(block_.data()); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* begin() const { return data(); }
  T* end() const { return data() + size_; }
  T& operator[](std::size_t i) const { return data()[i]; }
  const BlockAllocator<T>& allocator() const { return allocator_; }

 private:
  Vector(const BlockAllocator<T>& allocator, PageBlock block)
      : allocator_(allocator), block_(std::move(block)) {}

  BlockAllocator<T> allocator_;
  PageBlock block_;
  std::size_t size_ = 0;
};

}  // namespace cairn::parallel
