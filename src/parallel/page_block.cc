// SPDX-License-Identifier: Apache-2.0
#include "parallel/page_block.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cstdint>
#include <limits>

#include "base/checked.h"
#include "base/virtual_range.h"

namespace cairn::parallel {

Result<PageBlock> PageBlock::Allocate(std::size_t bytes, HugePages huge) {
  if (bytes == 0) return PageBlock();
  const std::size_t slack = huge == HugePages::kAdvise ? kHugePageBytes : 0;
  void* mapped = MAP_FAILED;
  if (bytes <= std::numeric_limits<std::size_t>::max() - slack) {
    mapped =
        ::mmap(nullptr, bytes + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  if (mapped == MAP_FAILED) {
    return Fail(ErrorCode::kOutOfMemory, fmt::format("cannot have {} MB of memory", bytes >> 20));
  }
  auto* data = static_cast<std::byte*>(mapped);
  if (slack > 0) {
    // Cut the slack before the first and behind the last page, so that the block begins at a huge
    // page and the size that is given back is the size that was asked for.
    const std::size_t before = -reinterpret_cast<std::uintptr_t>(data) % kHugePageBytes;
    const std::size_t kept = RoundUp(bytes, VirtualRange::page_bytes());
    const std::size_t whole = RoundUp(bytes + slack, VirtualRange::page_bytes());
    if (before > 0) ::munmap(data, before);
    data += before;
    if (whole > before + kept) ::munmap(data + kept, whole - before - kept);
    ::madvise(data, bytes, MADV_HUGEPAGE);
  }
  return PageBlock(data, bytes);
}

PageBlock::~PageBlock() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

}  // namespace cairn::parallel
