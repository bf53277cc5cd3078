// SPDX-License-Identifier: Apache-2.0
// A vector of fixed size whose elements live where its allocator is bound: on the targets of an
// executor, or on a device.
//
// It has no resize and no push_back: growing would touch pages on the calling thread, and a page
// stays where it was touched first. Elements are constructed and destroyed where they live.
// An allocator has Storage (owns memory, movable), pointer, Allocate, PointerTo, BulkConstruct and
// BulkDestroy as BlockAllocator has them. Its pointer is a random-access iterator whose reference
// may be a proxy: then an element is read and written by a transfer (device_pointer.h).
// Threads: as a plain array; Create and the destructor as Executor::Bulk. The executor must outlive
//   the vector. Owns: the elements and their pages. Moving takes both along, and the binding.
#pragma once

#include <cstddef>
#include <iterator>
#include <type_traits>
#include <utility>

#include "parallel/block_allocator.h"

namespace cairn::parallel {

template <typename T, typename Allocator = BlockAllocator<T>>
class Vector {
 public:
  using value_type = T;
  using pointer = typename Allocator::pointer;
  using reference = std::iter_reference_t<pointer>;

  // n elements, each constructed from `args`; without any they are value-initialised. Errors:
  // kOutOfMemory; exceptions of constructors leave as failures.h says.
  template <typename... Args>
  [[nodiscard]] static Result<Vector> Create(const Allocator& allocator, std::size_t n,
                                             const Args&... args) {
    Vector vector(allocator, OR_RETURN(allocator.Allocate(n)));
    allocator.BulkConstruct(vector.data(), n, args...);
    vector.size_ = n;
    return vector;
  }

  // n elements on untouched pages, which read as zero bytes: whoever writes first places them.
  [[nodiscard]] static Result<Vector> Untouched(const Allocator& allocator,
                                                std::size_t n) requires std::is_trivial_v<T> {
    Vector vector(allocator, OR_RETURN(allocator.Allocate(n)));
    vector.size_ = n;
    return vector;
  }

  Vector(Vector&& other) noexcept
      : allocator_(other.allocator_),
        storage_(std::move(other.storage_)),
        size_(std::exchange(other.size_, 0)) {}
  Vector& operator=(Vector&& other) noexcept {
    std::swap(allocator_, other.allocator_);
    std::swap(storage_, other.storage_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Vector() { allocator_.BulkDestroy(data(), size_); }

  pointer data() const { return allocator_.PointerTo(storage_); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  pointer begin() const { return data(); }
  pointer end() const { return data() + static_cast<std::ptrdiff_t>(size_); }
  reference operator[](std::size_t i) const { return data()[static_cast<std::ptrdiff_t>(i)]; }
  const Allocator& allocator() const { return allocator_; }

 private:
  using Storage = typename Allocator::Storage;

  Vector(const Allocator& allocator, Storage storage)
      : allocator_(allocator), storage_(std::move(storage)) {}

  Allocator allocator_;
  Storage storage_;
  std::size_t size_ = 0;
};

}  // namespace cairn::parallel
