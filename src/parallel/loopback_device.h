// SPDX-License-Identifier: Apache-2.0
// The loopback device: a target that behaves as an accelerator does, made of memory and threads of
// this process. It exists so that the generic code of this room (policies, algorithms, vectors) is
// run and tested against a device where none is at hand; it is not fast.
//
// Its memory is an arena of its own. A device address lies in a fence, a stretch of addresses that
// nobody may touch: code of the host that dereferences it faults, as with a real device. Kernels,
// which run on the streams' workers, use the address behind the fence (Local).
// Threads: every member from any thread; what waits not from a kernel. Owns: arena and streams.
//   Blocks, pointers, executors and allocators of a device must not outlive it.
// Errors: exceptions of kernels reach those who wait (loopback_stream.h).
// Sheet: 07, "Faithful CPU reproduction" (b).
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/virtual_range.h"
#include "parallel/loopback_stream.h"

namespace cairn::parallel {

struct LoopbackOptions {
  std::size_t memory_bytes = std::size_t{1} << 30;  // address space; pages come when allocated
  LoopbackCosts costs;
};

// Memory of a device. Given back, after all streams have done what they were told, with the block.
class DeviceBlock {
 public:
  DeviceBlock() = default;
  DeviceBlock(DeviceBlock&& other) noexcept { Swap(other); }
  DeviceBlock& operator=(DeviceBlock&& other) noexcept {
    Swap(other);
    return *this;
  }
  ~DeviceBlock();

  LoopbackDevice* device() const { return device_; }  // null for a block of no bytes
  // A device address, aligned to a page. The host must not dereference it.
  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  friend class LoopbackDevice;
  void Swap(DeviceBlock& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  LoopbackDevice* device_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

class LoopbackDevice {
 public:
  // With one stream. Errors: kInvalidArgument for no memory, kOutOfMemory, kLimit.
  [[nodiscard]] static Result<std::unique_ptr<LoopbackDevice>> Create(LoopbackOptions options = {});
  ~LoopbackDevice();
  LoopbackDevice(const LoopbackDevice&) = delete;
  LoopbackDevice& operator=(const LoopbackDevice&) = delete;

  LoopbackStream& stream() const { return *first_; }
  // Another stream, which lives as long as the device. Errors: kLimit.
  [[nodiscard]] Result<LoopbackStream*> AddStream();
  // Waits for all streams, then throws the first error among them; all have left theirs.
  void Synchronize();

  // Reads as zero. Errors: kOutOfMemory where the arena has no such stretch left.
  [[nodiscard]] Result<DeviceBlock> Allocate(std::size_t bytes);

  // One transfer on the first stream, waited for; inside a kernel of this device the bytes are
  // taken as they are. Device addresses are those of the fence.
  void Read(void* to, const void* device_address, std::size_t bytes);
  void Write(void* device_address, const void* from, std::size_t bytes);

  // What a kernel uses for a device address. Requires an address of this device.
  template <typename T>
  T* Local(T* device_address) const {
    return reinterpret_cast<T*>(Behind(reinterpret_cast<std::uintptr_t>(device_address)));
  }
  // Whether this thread works on a stream of this device.
  bool InKernel() const {
    return LoopbackStream::Current() != nullptr && &LoopbackStream::Current()->owner() == this;
  }

 private:
  friend class DeviceBlock;
  LoopbackDevice() = default;
  std::uintptr_t Behind(std::uintptr_t device_address) const;
  std::vector<LoopbackStream*> Streams() const;
  void Free(std::byte* device_address, std::size_t bytes);

  LoopbackCosts costs_;
  VirtualRange fence_;   // reserved, never usable
  VirtualRange memory_;  // the same size
  mutable std::mutex mutex_;
  std::map<std::size_t, std::size_t> free_;               // offset to bytes, whole pages
  std::vector<std::unique_ptr<LoopbackStream>> streams_;  // guarded by mutex_, as free_
  LoopbackStream* first_ = nullptr;
};

}  // namespace cairn::parallel
