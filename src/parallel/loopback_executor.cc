// SPDX-License-Identifier: Apache-2.0
#include "parallel/loopback_executor.h"

#include <cstring>
#include <vector>

namespace cairn::parallel {

void LoopbackExecutor::MoveBytes(LoopbackDevice* to_device, void* to, LoopbackDevice* from_device,
                                 const void* from, std::size_t bytes) {
  if (to_device != nullptr && from_device != nullptr && to_device != from_device) {
    // Devices do not reach each other's memory: the process lies between them.
    std::vector<std::byte> between(bytes);
    MoveBytes(nullptr, between.data(), from_device, from, bytes);
    MoveBytes(to_device, to, nullptr, between.data(), bytes);
    return;
  }
  LoopbackDevice& device = to_device != nullptr ? *to_device : *from_device;
  if (to_device != nullptr) to = device.Local(static_cast<std::byte*>(to));
  if (from_device != nullptr) from = device.Local(static_cast<const std::byte*>(from));
  if (device.InKernel()) {
    std::memmove(to, from, bytes);
    return;
  }
  LoopbackStream& stream = &device == &device_ ? stream_ : device.stream();
  stream.Transfer(to, from, bytes);
  stream.Synchronize();
}

}  // namespace cairn::parallel
