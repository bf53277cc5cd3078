// SPDX-License-Identifier: Apache-2.0
// The file of a download and the list of its pieces that are whole.
// Threads: Write from any thread, for places apart; MarkWhole from any thread; the rest from one.
// Owns: both files, open until it is destroyed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace cairn::hub {

class PieceFile {
 public:
  // Opens FOLDER/body and FOLDER/pieces, both new where they are of another version or size.
  // Pieces whose bytes are not those that were written are forgotten. Errors: kIo.
  [[nodiscard]] static Result<std::unique_ptr<PieceFile>> Open(const std::string& folder,
                                                               std::uint64_t bytes,
                                                               const std::string& version,
                                                               std::uint64_t piece_bytes);
  ~PieceFile();
  PieceFile(const PieceFile&) = delete;
  PieceFile& operator=(const PieceFile&) = delete;

  std::size_t count() const { return whole_.size(); }
  bool whole(std::size_t piece) const { return whole_[piece]; }
  // [begin, end) of a piece, in bytes of the file.
  std::pair<std::uint64_t, std::uint64_t> RangeOf(std::size_t piece) const;
  const std::string& path() const { return path_; }

  // Errors: kIo; a full disk says so.
  [[nodiscard]] Result<void> Write(std::uint64_t at, std::span<const std::byte> bytes);
  // The piece's bytes have all been written.
  [[nodiscard]] Result<void> MarkWhole(std::size_t piece);
  // Everything is on the disk. Errors: kIo.
  [[nodiscard]] Result<void> Sync();

 private:
  PieceFile(std::string path, std::uint64_t bytes, std::uint64_t piece_bytes);
  [[nodiscard]] Result<void> OpenFiles(const std::string& list, const std::string& version);
  [[nodiscard]] Result<void> ReadList(const std::string& list, const std::string& head);
  [[nodiscard]] Result<std::uint64_t> Checksum(std::size_t piece);

  std::string path_;
  std::uint64_t bytes_;
  std::uint64_t piece_bytes_;
  int body_ = -1;
  int list_ = -1;
  std::mutex mutex_;         // of the list
  std::vector<bool> whole_;  // set by Open; workers do not look at it
};

}  // namespace cairn::hub
