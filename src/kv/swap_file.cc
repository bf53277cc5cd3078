// SPDX-License-Identifier: Apache-2.0
#include "kv/swap_file.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <limits>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/checked.h"
#include "kernels/kernels.h"

namespace cairn::kv {
namespace {

constexpr std::int64_t kTile = kernels::kTilePositions;
constexpr double kLearn = 0.3;  // weight of the newest transfer

void Learn(double& known, double seen) {
  known = known == 0 ? seen : known + kLearn * (seen - known);
}

// A checksum over tiles one after another.
class Checksum {
 public:
  Checksum() : state_(XXH3_createState(), &XXH3_freeState) {
    CAIRN_CHECK(state_ != nullptr);
    XXH3_64bits_reset(state_.get());
  }
  void Add(std::span<const std::byte> bytes) {
    XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
  }
  std::uint64_t value() const { return XXH3_64bits_digest(state_.get()); }

 private:
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state_;
};

}  // namespace

SwappedTiles& SwappedTiles::operator=(SwappedTiles&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(offset_, other.offset_);
  std::swap(bytes_, other.bytes_);
  std::swap(size_, other.size_);
  std::swap(tiles_, other.tiles_);
  std::swap(first_, other.first_);
  std::swap(checksum_, other.checksum_);
  return *this;
}

SwappedTiles::~SwappedTiles() {
  if (file_ != nullptr) file_->GiveExtent(offset_, bytes_);
}

void SwappedTiles::Shrink(std::int64_t size) {
  if (file_ == nullptr || size >= size_) return;
  const KvLayout& layout = file_->pool_.layout();
  size_ = layout.has_states() ? 0 : std::max<std::int64_t>(size, 0);
  for (int g = 0; g < layout.groups(); ++g) {
    if (layout.FirstTileSeen(g, size_) < first_[static_cast<std::size_t>(g)]) size_ = 0;
  }
  if (size_ == 0) *this = SwappedTiles();
}

SwapFile::SwapFile(KvPool& pool, std::unique_ptr<ScratchFile> file, std::size_t most_bytes,
                   const Clock& clock)
    : pool_(pool), file_(std::move(file)), most_bytes_(most_bytes), clock_(clock) {
  if (most_bytes > 0) free_[0] = most_bytes;
}

// --- room -----------------------------------------------------------------------------------

Result<std::uint64_t> SwapFile::TakeExtent(std::size_t bytes) {
  const auto it = std::ranges::find_if(free_, [&](const auto& e) { return e.second >= bytes; });
  if (it == free_.end()) {
    ++counters_.refused;
    return Fail(ErrorCode::kLimit,
                fmt::format("{} of {} bytes for swapped keys and values are in use, {} more do "
                            "not fit; raise --kv-swap",
                            counters_.bytes, most_bytes_, bytes));
  }
  const std::uint64_t offset = it->first;
  const std::uint64_t left = it->second - bytes;
  free_.erase(it);
  if (left > 0) free_[offset + bytes] = left;
  counters_.bytes += bytes;
  counters_.most_bytes = std::max(counters_.most_bytes, counters_.bytes);
  return offset;
}

void SwapFile::GiveExtent(std::uint64_t offset, std::size_t bytes) {
  counters_.bytes -= bytes;
  auto it = free_.emplace(offset, bytes).first;
  if (const auto next = std::next(it); next != free_.end() && offset + bytes == next->first) {
    it->second += next->second;
    free_.erase(next);
  }
  if (it == free_.begin()) return;
  const auto before = std::prev(it);
  if (before->first + before->second != offset) return;
  before->second += it->second;
  free_.erase(it);
}

// --- transfers ------------------------------------------------------------------------------

void SwapFile::Failed() {
  ++counters_.failed;
  trusted_ns_ = clock_.NowNs() + kForgiveNs;
}

double SwapFile::WriteNsPerByte() const {
  return clock_.NowNs() < trusted_ns_ ? std::numeric_limits<double>::infinity() : write_ns_;
}

Result<SwappedTiles> SwapFile::Write(const SequenceTiles& tiles, std::int64_t size) {
  SwappedTiles swapped;
  swapped.size_ = size;
  swapped.tiles_ = DivideUp(size, kTile);
  std::size_t bytes = 0;
  for (int g = 0; g < pool_.layout().groups(); ++g) {
    std::int64_t first = 0;
    while (first < swapped.tiles_ && !tiles.tile(g, first)) ++first;
    swapped.first_.push_back(first);
    for (std::int64_t i = first; i < swapped.tiles_; ++i) {
      if (tiles.tiles(g)[i] == nullptr) {
        return Fail(ErrorCode::kUnsupported, "a tile to be swapped is not mapped");
      }
    }
    bytes += static_cast<std::size_t>(swapped.tiles_ - first) *
             pool_.layout().tile_bytes[static_cast<std::size_t>(g)];
  }
  swapped.offset_ = OR_RETURN(TakeExtent(bytes));
  swapped.bytes_ = bytes;
  swapped.file_ = this;
  const std::int64_t start = clock_.NowNs();
  const auto checksum = WriteAll(tiles, swapped);
  if (!checksum) {
    Failed();
    return std::unexpected(checksum.error());
  }
  swapped.checksum_ = *checksum;
  ++counters_.written;
  Learn(write_ns_, static_cast<double>(clock_.NowNs() - start) / static_cast<double>(bytes));
  return swapped;
}

Result<std::uint64_t> SwapFile::WriteAll(const SequenceTiles& tiles, const SwappedTiles& swapped) {
  Checksum checksum;
  std::uint64_t at = swapped.offset_;
  for (int g = 0; g < pool_.layout().groups(); ++g) {
    const std::size_t bytes = pool_.layout().tile_bytes[static_cast<std::size_t>(g)];
    for (std::int64_t i = swapped.first_[static_cast<std::size_t>(g)]; i < swapped.tiles_; ++i) {
      const std::span<const std::byte> tile(tiles.tiles(g)[i], bytes);
      checksum.Add(tile);
      OR_RETURN(file_->WriteAt(at, tile));
      at += bytes;
    }
  }
  return checksum.value();
}

Result<void> SwapFile::Read(const SwappedTiles& swapped, SequenceTiles& tiles) {
  CAIRN_CHECK(tiles.tile_count() == 0 && swapped.file_ == this);
  const std::int64_t start = clock_.NowNs();
  auto read = ReadAll(swapped, tiles);
  if (!read) {
    tiles.Shrink(0);
    const ErrorCode code = read.error().code;
    if (code == ErrorCode::kIo || code == ErrorCode::kCorrupt) Failed();
    return read;
  }
  tiles.Shrink(swapped.size_);
  ++counters_.read;
  Learn(read_ns_,
        static_cast<double>(clock_.NowNs() - start) / static_cast<double>(swapped.bytes_));
  return {};
}

Result<void> SwapFile::ReadAll(const SwappedTiles& swapped, SequenceTiles& tiles) {
  OR_RETURN(tiles.TakeUnfilled(swapped.first_, swapped.tiles_));
  Checksum checksum;
  std::uint64_t at = swapped.offset_;
  for (int g = 0; g < pool_.layout().groups(); ++g) {
    const std::size_t bytes = pool_.layout().tile_bytes[static_cast<std::size_t>(g)];
    for (std::int64_t i = swapped.first_[static_cast<std::size_t>(g)]; i < swapped.tiles_; ++i) {
      const std::span<std::byte> tile(tiles.tiles(g)[i], bytes);
      OR_RETURN(file_->ReadAt(at, tile));
      checksum.Add(tile);
      at += bytes;
    }
  }
  if (checksum.value() == swapped.checksum_) return {};
  return Fail(ErrorCode::kCorrupt, "swapped keys and values are not what was written");
}

}  // namespace cairn::kv
