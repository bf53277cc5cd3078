// SPDX-License-Identifier: Apache-2.0
// The second tier: tiles of sequences that gave way, in a scratch file, to be read back.
//
// Worth it where reading is faster than computing again, which is a matter of the disk and the
// model: so every write and read is timed, and the caller decides by what they would cost. What is
// kept has a checksum. Nothing here is needed: whatever fails (a full disk, a read error, other
// bytes than were written) is an Error, and the caller computes again. The file has no name and
// goes with the process.
// Threads: the engine's thread. Owns: the file and its extents.
// Cost: one pass over the bytes for the checksum, and a system call for each tile.
// Source: systems/31, "Evict: recompute or swap" (there the memory of the host beside a GPU's).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "kv/sequence_tiles.h"

namespace cairn::kv {

class SwapFile;

// Tiles of one sequence in the file, until it is destroyed. The file must outlive it.
class SwappedTiles {
 public:
  SwappedTiles() = default;
  SwappedTiles(SwappedTiles&& other) noexcept { *this = std::move(other); }
  SwappedTiles& operator=(SwappedTiles&& other) noexcept;
  ~SwappedTiles();
  explicit operator bool() const { return file_ != nullptr; }

  // Positions [0, size) are there, but for windowed tiles that had been given back.
  std::int64_t size() const { return size_; }
  std::size_t bytes() const { return bytes_; }
  // Forgets the positions from `size` on. Where the window of the next one is not there, or the
  // states behind the one before it are not, all.
  void Shrink(std::int64_t size);

 private:
  friend class SwapFile;
  SwapFile* file_ = nullptr;
  std::uint64_t offset_ = 0;
  std::size_t bytes_ = 0;
  std::int64_t size_ = 0;
  std::int64_t tiles_ = 0;           // of each group, given back ones included
  std::vector<std::int64_t> first_;  // by group: the first one that is there
  std::uint64_t checksum_ = 0;
};

struct SwapCounters {
  std::int64_t written = 0, read = 0;     // sequences
  std::int64_t failed = 0;                // of them, with an error of the file or a wrong checksum
  std::int64_t refused = 0;               // there was no room under the cap
  std::size_t bytes = 0, most_bytes = 0;  // in the file now, and at most so far
};

class SwapFile {
 public:
  // At most `most_bytes` are kept in `file` (FileSystem::OpenScratch). `pool` and `clock` must
  // outlive the object.
  SwapFile(KvPool& pool, std::unique_ptr<ScratchFile> file, std::size_t most_bytes,
           const Clock& clock);
  SwapFile(const SwapFile&) = delete;
  SwapFile& operator=(const SwapFile&) = delete;

  // Copies the tiles of positions [0, size). Errors: kLimit (no room), kIo, kUnsupported (a tile
  // that has no address now).
  [[nodiscard]] Result<SwappedTiles> Write(const SequenceTiles& tiles, std::int64_t size);

  // Gives `tiles` (empty) what was written; positions [0, swapped.size()) are committed then.
  // On failure it is empty again. Errors: those of KvPool::Take, kIo, kCorrupt.
  [[nodiscard]] Result<void> Read(const SwappedTiles& swapped, SequenceTiles& tiles);

  // What a byte takes, as learned; 0: not known. After a failure of the file a write counts as
  // endless until kForgiveNs have passed.
  double WriteNsPerByte() const;
  double ReadNsPerByte() const { return read_ns_; }
  static constexpr std::int64_t kForgiveNs = 10'000'000'000;

  const SwapCounters& counters() const { return counters_; }

 private:
  friend class SwappedTiles;
  [[nodiscard]] Result<std::uint64_t> TakeExtent(std::size_t bytes);
  void GiveExtent(std::uint64_t offset, std::size_t bytes);
  [[nodiscard]] Result<std::uint64_t> WriteAll(const SequenceTiles& tiles,
                                               const SwappedTiles& swapped);
  [[nodiscard]] Result<void> ReadAll(const SwappedTiles& swapped, SequenceTiles& tiles);
  void Failed();

  KvPool& pool_;
  std::unique_ptr<ScratchFile> file_;
  std::size_t most_bytes_;
  const Clock& clock_;
  std::map<std::uint64_t, std::uint64_t> free_;  // extents: offset to bytes, none adjacent
  double write_ns_ = 0, read_ns_ = 0;            // of a byte
  std::int64_t trusted_ns_ = 0;                  // no writing before
  SwapCounters counters_;
};

}  // namespace cairn::kv
