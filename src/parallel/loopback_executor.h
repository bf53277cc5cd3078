// SPDX-License-Identifier: Apache-2.0
// The executor and the allocator of a loopback device. Code that is generic over the three types
// runs on it with nothing else changed:
//
//   processor: Executor,         BlockAllocator<T>,    T*
//   device:    LoopbackExecutor, LoopbackAllocator<T>, DevicePointer<T>
//
// A bulk operation is one launch. The device deals blocks of kDeviceBlock elements to its one
// worker; a chunker, which divides a processor's work, is taken and has no meaning here. Kernels
// are values: a body is copied into its launch, and pointers in it come from Local.
// Threads: as Executor, of which one thread at a time calls Bulk. Called inside a kernel of the
//   same device all members work at once, on the calling worker.
// Errors: what a body throws reaches the caller of Bulk as with Executor (failures.h). An earlier
//   kernel's exception on the stream that nobody took yet is thrown instead, and the body not
//   called (loopback_stream.h).
// The device must outlive both; the executor must outlive its allocators. Sheet: 07, section 4.
#pragma once

#include <algorithm>
#include <cstdint>
#include <future>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

#include "base/checked.h"
#include "parallel/chunking.h"
#include "parallel/device_pointer.h"
#include "parallel/executor.h"
#include "parallel/loopback_device.h"

namespace cairn::parallel {

inline constexpr std::int64_t kDeviceBlock = 1024;      // elements
inline constexpr std::size_t kMostClosureBytes = 4096;  // of a body: what a launch can carry

class LoopbackExecutor {
 public:
  explicit LoopbackExecutor(LoopbackDevice& device) : LoopbackExecutor(device, device.stream()) {}
  // `stream` is one of the device's.
  LoopbackExecutor(LoopbackDevice& device, LoopbackStream& stream)
      : device_(device), stream_(stream) {}

  LoopbackDevice& device() const { return device_; }
  LoopbackStream& stream() const { return stream_; }
  int workers() const { return 1; }

  // Calls body(begin, end, 0) on the device for disjoint blocks that cover [0, n) and returns when
  // all are done. n = 0: nothing is launched. Requires 0 <= n <= kMostElements.
  template <typename Chunker, typename Body>
  void Bulk(std::int64_t n, const Chunker& chunker, const Body& body);
  // Launches the same and returns. The future is the stream's (LoopbackStream::Reached).
  template <typename Body>
  [[nodiscard]] std::future<void> BulkAsync(std::int64_t n, const Body& body);
  // Calls f on the device.
  template <typename F>
  void Once(const F& f) {
    Bulk(1, StaticChunk{}, [f](std::int64_t, std::int64_t, int) { f(); });
  }
  // One task behind what is queued. What it throws is the future's, not the stream's; of a stream
  // in error the future has the error and the task is not done.
  template <typename F>
  [[nodiscard]] Result<std::future<std::invoke_result_t<F>>> Async(F f);

  // What a body uses for memory of this device. Memory of the process has no such address; other
  // iterators, which compute their elements, are what they are.
  template <typename T>
  T* Local(DevicePointer<T> pointer) const {
    if (pointer.get() == nullptr) return nullptr;
    CAIRN_CHECK(pointer.device() == &device_);
    return device_.Local(pointer.get());
  }
  template <typename It>
  It Local(It it) const {
    static_assert(!std::contiguous_iterator<It>, "a kernel cannot reach memory of the host");
    return it;
  }

  // Copies [first, last) to `out` and waits: from the process, to it, between devices, on one.
  template <std::contiguous_iterator In, typename T>
  void Transfer(In first, In last,
                DevicePointer<T> out) requires std::is_same_v<std::iter_value_t<In>, T> {
    Move<T>(out.device(), out.get(), nullptr, std::to_address(first), last - first);
  }
  template <typename T, std::contiguous_iterator Out>
  void Transfer(DevicePointer<T> first, DevicePointer<T> last,
                Out out) requires std::is_same_v<std::iter_value_t<Out>, T> {
    Move<T>(nullptr, std::to_address(out), first.device(), first.get(), last - first);
  }
  template <typename T>
  void Transfer(DevicePointer<T> first, DevicePointer<T> last, DevicePointer<T> out) {
    Move<T>(out.device(), out.get(), first.device(), first.get(), last - first);
  }

 private:
  template <typename Body>
  static void RunBlocks(std::int64_t n, const Body& body) {
    for (std::int64_t begin = 0; begin < n; begin += kDeviceBlock) {
      body(begin, std::min(begin + kDeviceBlock, n), 0);
    }
  }
  template <typename T>
  void Move(LoopbackDevice* to_device, T* to, LoopbackDevice* from_device, const T* from,
            std::int64_t n) {
    static_assert(std::is_trivially_copyable_v<T>, "elements cross to a device as bytes");
    if (n > 0) MoveBytes(to_device, to, from_device, from, static_cast<std::size_t>(n) * sizeof(T));
  }
  // A null device: memory of the process.
  void MoveBytes(LoopbackDevice* to_device, void* to, LoopbackDevice* from_device, const void* from,
                 std::size_t bytes);

  LoopbackDevice& device_;
  LoopbackStream& stream_;
};

template <typename T>
class LoopbackAllocator {
 public:
  using value_type = T;
  using pointer = DevicePointer<T>;
  using Storage = DeviceBlock;
  using propagate_on_container_move_assignment = std::true_type;

  explicit LoopbackAllocator(LoopbackExecutor& executor) : executor_(&executor) {}

  LoopbackExecutor& executor() const { return *executor_; }
  LoopbackDevice& target() const { return executor_->device(); }

  // Device memory for n elements, which reads as zero. Errors: kOutOfMemory.
  [[nodiscard]] Result<DeviceBlock> Allocate(std::size_t n) const {
    static_assert(alignof(T) <= 4096, "a block is aligned to a page");
    const auto bytes = CheckedMul(n, sizeof(T));
    if (!bytes || n > static_cast<std::size_t>(kMostElements)) {
      return Fail(ErrorCode::kOutOfMemory, "an array of so many elements fits no memory");
    }
    return target().Allocate(*bytes);
  }
  static DevicePointer<T> PointerTo(const DeviceBlock& storage) {
    return {storage.device(), reinterpret_cast<T*>(storage.data())};
  }

  // By one kernel; what was constructed is destroyed when a constructor throws.
  template <typename... Args>
  void BulkConstruct(DevicePointer<T> elements, std::size_t n, const Args&... args) const;
  // By one kernel, also on a stream that is in error: lives end once, whatever happened.
  void BulkDestroy(DevicePointer<T> elements, std::size_t n) const;

 private:
  LoopbackExecutor* executor_;
};

// --- implementation ---------------------------------------------------------------------------

template <typename Chunker, typename Body>
void LoopbackExecutor::Bulk(std::int64_t n, const Chunker& /*chunker*/, const Body& body) {
  static_assert(sizeof(Body) <= kMostClosureBytes, "put it into a vector of the device");
  CAIRN_CHECK(n >= 0 && n <= kMostElements);
  if (n == 0) return;
  if (device_.InKernel()) {
    Failures failures;
    failures.Guard(0, [&] { RunBlocks(n, body); });
    failures.Throw();
    return;
  }
  stream_.Launch([n, body] { RunBlocks(n, body); });
  stream_.Synchronize();
}

template <typename Body>
std::future<void> LoopbackExecutor::BulkAsync(std::int64_t n, const Body& body) {
  static_assert(sizeof(Body) <= kMostClosureBytes, "put it into a vector of the device");
  CAIRN_CHECK(n >= 0 && n <= kMostElements);
  if (n > 0) stream_.Launch([n, body] { RunBlocks(n, body); });
  return stream_.Reached();
}

template <typename F>
Result<std::future<std::invoke_result_t<F>>> LoopbackExecutor::Async(F f) {
  using Value = std::invoke_result_t<F>;
  auto promise = std::make_shared<std::promise<Value>>();
  std::future<Value> future = promise->get_future();
  stream_.Launch([promise, f = std::move(f)]() mutable {
    try {
      if constexpr (std::is_void_v<Value>) {
        f();
        promise->set_value();
      } else {
        promise->set_value(f());
      }
    } catch (...) {
      promise->set_exception(std::current_exception());
    }
  });
  // A stream in error passes the task over: then the future has that error.
  stream_.Callback([promise](const std::exception_ptr& error) {
    try {
      if (error) promise->set_exception(error);
    } catch (const std::future_error&) {  // the task was done before somebody else's error
    }
  });
  return future;
}

template <typename T>
template <typename... Args>
void LoopbackAllocator<T>::BulkConstruct(DevicePointer<T> elements, std::size_t n,
                                         const Args&... args) const {
  if (n == 0) return;
  executor_->Once([at = executor_->Local(elements), n, ... args = args] {
    std::size_t whole = 0;
    try {
      for (; whole < n; ++whole) std::construct_at(at + whole, args...);
    } catch (...) {
      std::destroy(at, at + whole);
      throw;
    }
  });
}

template <typename T>
void LoopbackAllocator<T>::BulkDestroy(DevicePointer<T> elements, std::size_t n) const {
  if constexpr (!std::is_trivially_destructible_v<T>) {
    if (n == 0) return;
    const auto destroy = [at = executor_->Local(elements), n] { std::destroy(at, at + n); };
    if (target().InKernel()) return destroy();
    executor_->stream().Launch(destroy, LoopbackStream::When::kAlways);
    executor_->stream().Wait();
  }
}

}  // namespace cairn::parallel
