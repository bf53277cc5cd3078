// SPDX-License-Identifier: Apache-2.0
#include "base/virtual_range.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/checked.h"

namespace cairn {

std::size_t VirtualRange::page_bytes() {
  static const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

Result<VirtualRange> VirtualRange::Reserve(std::size_t max_bytes, VirtualRangeOptions options) {
  const auto size = CheckedRoundUp(max_bytes, page_bytes());
  if (max_bytes == 0 || !size) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("cannot reserve a range of {} bytes", max_bytes));
  }
  void* data =
      ::mmap(nullptr, *size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data == MAP_FAILED) {
    return Fail(ErrorCode::kOutOfMemory,
                fmt::format("cannot reserve {} MB of address space (see ulimit -v)", *size >> 20));
  }
  VirtualRange range;
  range.data_ = static_cast<std::byte*>(data);
  range.size_ = *size;
  range.options_ = options;
  return range;
}

VirtualRange::~VirtualRange() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

void VirtualRange::Swap(VirtualRange& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(committed_bytes_, other.committed_bytes_);
  std::swap(options_, other.options_);
  std::swap(committed_, other.committed_);
}

Result<std::span<std::byte>> VirtualRange::Commit(std::size_t offset, std::size_t bytes) {
  if (offset > size_ || bytes > size_ - offset) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("cannot commit {} bytes at {} of a range of {}", bytes, offset, size_));
  }
  const std::span<std::byte> wanted(data_ + offset, bytes);
  if (bytes == 0) return wanted;
  const std::size_t begin = offset / page_bytes() * page_bytes();
  const std::size_t end = RoundUp(offset + bytes, page_bytes());
  if (::mprotect(data_ + begin, end - begin, PROT_READ | PROT_WRITE) != 0) {
    return Fail(ErrorCode::kOutOfMemory,
                fmt::format("cannot have {} MB more of memory", (end - begin) >> 20));
  }
  if (options_.huge_pages) ::madvise(data_ + begin, end - begin, MADV_HUGEPAGE);
  Mark(begin, end);
  return wanted;
}

void VirtualRange::Decommit(std::size_t offset, std::size_t bytes) {
  if (offset >= size_) return;
  const std::size_t begin = RoundUp(offset, page_bytes());
  const std::size_t end = (offset + std::min(bytes, size_ - offset)) / page_bytes() * page_bytes();
  if (begin >= end) return;
  // Mapping anew gives back the pages and, unlike madvise, their share of the commit limit. It only
  // fails where the kernel has no memory to split the mapping; then the pages stay committed.
  void* again = ::mmap(data_ + begin, end - begin, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (again == MAP_FAILED) return;
  Unmark(begin, end);
}

void VirtualRange::Mark(std::size_t begin, std::size_t end) {
  Unmark(begin, end);  // so that the new stretch overlaps none
  committed_bytes_ += end - begin;
  const auto next = committed_.lower_bound(begin);
  if (next != committed_.end() && next->first == end) {
    end = next->second;
    committed_.erase(next);
  }
  const auto after = committed_.lower_bound(begin);
  if (after != committed_.begin() && std::prev(after)->second == begin) {
    std::prev(after)->second = end;
  } else {
    committed_.emplace(begin, end);
  }
}

void VirtualRange::Unmark(std::size_t begin, std::size_t end) {
  auto it = committed_.upper_bound(begin);
  if (it != committed_.begin()) --it;
  while (it != committed_.end() && it->first < end) {
    const auto [from, to] = *it;
    if (to <= begin) {
      ++it;
      continue;
    }
    it = committed_.erase(it);
    committed_bytes_ -= std::min(to, end) - std::max(from, begin);
    if (from < begin) committed_.emplace(from, begin);
    if (to > end) committed_.emplace(end, to);
  }
}

}  // namespace cairn
