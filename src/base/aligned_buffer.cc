// SPDX-License-Identifier: Apache-2.0
#include "base/aligned_buffer.h"

#include <fmt/format.h>
#include <sys/mman.h>

namespace cairn {
namespace {
constexpr std::size_t kHugePageBytes = std::size_t{2} << 20;
}  // namespace

Result<AlignedBuffer> AlignedBuffer::Allocate(std::size_t bytes) {
  if (bytes == 0) return AlignedBuffer();
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    return Fail(ErrorCode::kOutOfMemory, fmt::format("cannot have {} MB of memory", bytes >> 20));
  }
  // A hint; where huge pages are not allowed nothing changes but speed (`cairn doctor` says so).
  if (bytes >= kHugePageBytes) ::madvise(data, bytes, MADV_HUGEPAGE);
  return AlignedBuffer(static_cast<std::byte*>(data), bytes);
}

AlignedBuffer::~AlignedBuffer() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace cairn
