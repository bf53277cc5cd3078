// SPDX-License-Identifier: Apache-2.0
#include "parallel/loopback_device.h"

#include <fmt/format.h>

#include <cstring>
#include <exception>
#include <iterator>

#include "base/check.h"
#include "base/checked.h"

namespace cairn::parallel {

DeviceBlock::~DeviceBlock() {
  if (device_ != nullptr) device_->Free(data_, size_);
}

Result<std::unique_ptr<LoopbackDevice>> LoopbackDevice::Create(LoopbackOptions options) {
  std::unique_ptr<LoopbackDevice> device(new LoopbackDevice());
  device->costs_ = std::move(options.costs);
  device->fence_ = OR_RETURN(VirtualRange::Reserve(options.memory_bytes));
  device->memory_ = OR_RETURN(VirtualRange::Reserve(options.memory_bytes));
  device->free_.emplace(0, device->memory_.size());
  device->first_ = OR_RETURN(device->AddStream());
  return device;
}

LoopbackDevice::~LoopbackDevice() = default;

Result<LoopbackStream*> LoopbackDevice::AddStream() {
  std::unique_ptr<LoopbackStream> stream = OR_RETURN(LoopbackStream::Create(*this, costs_));
  const std::lock_guard lock(mutex_);
  return streams_.emplace_back(std::move(stream)).get();
}

std::vector<LoopbackStream*> LoopbackDevice::Streams() const {
  const std::lock_guard lock(mutex_);
  std::vector<LoopbackStream*> streams;
  for (const auto& stream : streams_) streams.push_back(stream.get());
  return streams;
}

void LoopbackDevice::Synchronize() {
  std::exception_ptr first;
  for (LoopbackStream* stream : Streams()) {
    try {
      stream->Synchronize();
    } catch (...) {
      if (!first) first = std::current_exception();
    }
  }
  if (first) std::rethrow_exception(first);
}

Result<DeviceBlock> LoopbackDevice::Allocate(std::size_t bytes) {
  DeviceBlock block;
  if (bytes == 0) return block;
  const std::lock_guard lock(mutex_);
  const auto size = CheckedRoundUp(bytes, VirtualRange::page_bytes());
  auto at = free_.begin();
  while (size && at != free_.end() && at->second < *size) ++at;
  if (!size || at == free_.end()) {
    return Fail(ErrorCode::kOutOfMemory,
                fmt::format("the loopback device has no {} bytes left of its {} MB", bytes,
                            memory_.size() >> 20));
  }
  const auto [offset, stretch] = *at;
  OR_RETURN(memory_.Commit(offset, *size));
  free_.erase(at);
  if (stretch > *size) free_.emplace(offset + *size, stretch - *size);
  block.device_ = this;
  block.data_ = fence_.data() + offset;
  block.size_ = bytes;
  return block;
}

void LoopbackDevice::Free(std::byte* device_address, std::size_t bytes) {
  for (LoopbackStream* stream : Streams()) stream->Wait();
  const std::lock_guard lock(mutex_);
  const auto offset = static_cast<std::size_t>(device_address - fence_.data());
  const std::size_t size = RoundUp(bytes, VirtualRange::page_bytes());
  memory_.Decommit(offset, size);
  auto at = free_.emplace(offset, size).first;
  if (const auto next = std::next(at); next != free_.end() && offset + size == next->first) {
    at->second += next->second;
    free_.erase(next);
  }
  if (at == free_.begin()) return;
  const auto before = std::prev(at);
  if (before->first + before->second != at->first) return;
  before->second += at->second;
  free_.erase(at);
}

std::uintptr_t LoopbackDevice::Behind(std::uintptr_t device_address) const {
  const std::uintptr_t offset = device_address - reinterpret_cast<std::uintptr_t>(fence_.data());
  CAIRN_CHECK(offset <= fence_.size());  // an address of the host, or of another device
  return reinterpret_cast<std::uintptr_t>(memory_.data()) + offset;
}

void LoopbackDevice::Read(void* to, const void* device_address, std::size_t bytes) {
  const void* from = Local(static_cast<const std::byte*>(device_address));
  if (InKernel()) {
    std::memcpy(to, from, bytes);
    return;
  }
  stream().Transfer(to, from, bytes);
  stream().Synchronize();
}

void LoopbackDevice::Write(void* device_address, const void* from, std::size_t bytes) {
  void* to = Local(static_cast<std::byte*>(device_address));
  if (InKernel()) {
    std::memcpy(to, from, bytes);
    return;
  }
  stream().Transfer(to, from, bytes);
  stream().Synchronize();
}

}  // namespace cairn::parallel
