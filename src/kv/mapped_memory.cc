// SPDX-License-Identifier: Apache-2.0
#include "kv/mapped_memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include "base/checked.h"

namespace cairn::kv {
namespace {

// Addresses without memory.
std::byte* ReserveAddresses(std::size_t bytes) {
  void* data =
      ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return data == MAP_FAILED ? nullptr : static_cast<std::byte*>(data);
}

}  // namespace

Result<std::unique_ptr<MappedMemory>> MappedMemory::Create(std::vector<std::size_t> tile_bytes,
                                                           std::span<const std::size_t> most_tiles,
                                                           std::size_t tiles_of_sequence,
                                                           bool keep_mapped) {
  std::unique_ptr<MappedMemory> memory(new MappedMemory());
  memory->keep_mapped_ = keep_mapped;
  memory->tiles_of_sequence_ = std::max<std::size_t>(1, tiles_of_sequence);
  for (std::size_t g = 0; g < tile_bytes.size(); ++g) {
    Group& group = memory->groups_.emplace_back();
    group.tile_bytes = tile_bytes[g];
    group.file = ::memfd_create("cairn-kv", MFD_CLOEXEC);
    const auto size = CheckedMul(tile_bytes[g], most_tiles[g]);
    if (group.file < 0 || !size || ::ftruncate(group.file, static_cast<off_t>(*size)) != 0) {
      return Fail(ErrorCode::kIo, "cannot have a file in memory for keys and values");
    }
    group.aside = ReserveAddresses(group.tile_bytes);
    if (group.aside == nullptr) return Fail(ErrorCode::kOutOfMemory, "no addresses are left");
  }
  return memory;
}

MappedMemory::~MappedMemory() {
  Settle();
  for (const auto& slot : slots_) {
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      if (slot[g].data != nullptr) {
        ::munmap(slot[g].data, tiles_of_sequence_ * groups_[g].tile_bytes);
      }
    }
  }
  for (const Group& group : groups_) {
    if (group.aside != nullptr) ::munmap(group.aside, group.tile_bytes);
    if (group.file >= 0) ::close(group.file);
  }
}

Result<int> MappedMemory::TakeSlot() {
  Settle();
  if (!free_slots_.empty()) {
    const int slot = free_slots_.back();
    free_slots_.pop_back();
    return slot;
  }
  std::vector<SlotRange> ranges(groups_.size());
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const auto bytes = CheckedMul(tiles_of_sequence_, groups_[g].tile_bytes);
    ranges[g].data = bytes ? ReserveAddresses(*bytes) : nullptr;
    ranges[g].mapped.assign(tiles_of_sequence_, kNothing);
    if (ranges[g].data != nullptr) continue;
    for (std::size_t i = 0; i < g; ++i) {
      ::munmap(ranges[i].data, tiles_of_sequence_ * groups_[i].tile_bytes);
    }
    return Fail(ErrorCode::kOutOfMemory, "no addresses are left for another sequence");
  }
  slots_.push_back(std::move(ranges));
  ++counts_.slots;
  return static_cast<int>(slots_.size() - 1);
}

void MappedMemory::GiveSlot(int slot) {
  Settle();
  free_slots_.push_back(slot);
  if (keep_mapped_) return;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    SlotRange& from = range(slot, static_cast<int>(g));
    // Where the kernel refuses, what is mapped stays mapped.
    if (::mmap(from.data, tiles_of_sequence_ * groups_[g].tile_bytes, PROT_NONE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
      continue;
    }
    ++counts_.unmaps;
    std::ranges::fill(from.mapped, kNothing);
  }
}

bool MappedMemory::MapAt(std::byte* address, int group, std::size_t tile) {
  const Group& g = groups_[static_cast<std::size_t>(group)];
  return ::mmap(address, g.tile_bytes, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_FIXED | MAP_POPULATE, g.file,
                static_cast<off_t>(tile * g.tile_bytes)) != MAP_FAILED;
}

Result<std::byte*> MappedMemory::Map(int slot, int group, std::size_t at, std::size_t tile) {
  Settle();
  if (at >= tiles_of_sequence_) {
    return Fail(ErrorCode::kLimit,
                fmt::format("a sequence has at most {} tiles of KV memory", tiles_of_sequence_));
  }
  SlotRange& to = range(slot, group);
  std::byte* address = to.data + at * groups_[static_cast<std::size_t>(group)].tile_bytes;
  if (to.mapped[at] == tile) {
    ++counts_.found;
    return address;
  }
  ++counts_.maps;
  if (!MapAt(address, group, tile)) {
    return Fail(ErrorCode::kOutOfMemory,
                "the system has no mapping left for KV memory (see vm.max_map_count)");
  }
  to.mapped[at] = tile;
  return address;
}

Result<std::byte*> MappedMemory::MapAside(int group, std::size_t tile) {
  std::byte* address = groups_[static_cast<std::size_t>(group)].aside;
  ++counts_.maps;
  if (MapAt(address, group, tile)) return address;
  return Fail(ErrorCode::kOutOfMemory, "the system has no mapping left for KV memory");
}

std::size_t MappedMemory::Mapped(int slot, int group, std::size_t at) {
  Settle();
  return at < tiles_of_sequence_ ? range(slot, group).mapped[at] : kNothing;
}

bool MappedMemory::Discard(int group, std::size_t tile) {
  Settle();
  const Group& g = groups_[static_cast<std::size_t>(group)];
  return ::fallocate(g.file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     static_cast<off_t>(tile * g.tile_bytes),
                     static_cast<off_t>(g.tile_bytes)) == 0;
}

MappingCounts MappedMemory::counts() {
  Settle();
  return counts_;
}

// --- the thread that maps ahead ---------------------------------------------------------------

void MappedMemory::MapAhead(int slot, int group, std::size_t at, std::size_t tile) {
  if (at >= tiles_of_sequence_) return;
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({slot, group, at, tile});
  }
  if (!started_) {
    started_ = true;
    worker_ = std::jthread([this](std::stop_token stop) { Work(std::move(stop)); });
  }
  changed_.notify_all();
}

void MappedMemory::Settle() {
  if (!started_) return;
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return jobs_.empty(); });
}

void MappedMemory::Work(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return !jobs_.empty(); })) {
    const Job job = jobs_.front();
    lock.unlock();
    SlotRange& to = range(job.slot, job.group);
    std::byte* address = to.data + job.at * groups_[static_cast<std::size_t>(job.group)].tile_bytes;
    // What fails here is tried again, and reported, where the tile is needed.
    const bool done = to.mapped[job.at] != job.tile && MapAt(address, job.group, job.tile);
    lock.lock();
    if (done) {
      to.mapped[job.at] = job.tile;
      ++counts_.maps_ahead;
    }
    jobs_.pop_front();
    changed_.notify_all();
  }
}

}  // namespace cairn::kv
