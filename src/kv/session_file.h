// SPDX-License-Identifier: Apache-2.0
// Session files: the tokens of a text with their keys and values on disk, so that it goes on later
// as if it had never been stopped (docs/formats/session.md).
//
// A file belongs to one model, one arithmetic and one format of keys and values, and is refused by
// any other. Every block has a checksum that starts from the one before it, so that a bit that
// flipped, a block of another file or place and an end that is missing are errors; nothing of a
// file is used before its checksum is right.
// Threads: that of the pool. Owns nothing.
// Errors: kCorrupt (it is no session file, or not what was written), kUnsupported (another version
//   of the format or of the arithmetic), kInvalidArgument (another model, another format of keys
//   and values), kLimit (the text is longer than the limits allow, the KV memory is full), kIo.
// Cost: a pass over the bytes for the checksums, and one read or write for each tile.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "kv/sequence_tiles.h"

namespace cairn::kv {

inline constexpr std::size_t kMostNoteBytes = std::size_t{64} << 20;

// What makes keys and values of tokens, beside their format.
struct SessionOrigin {
  std::array<std::byte, 16> model{};  // a digest of weights and hyper-parameters
  std::uint32_t arithmetic = 0;       // kernels::kArithmeticVersion
};

struct SessionLimits {
  std::int64_t positions = 0;  // of a sequence
  int vocabulary = 0;
};

struct SessionText {
  std::vector<std::int32_t> tokens;
  std::string note;         // what the writer said about the text; nothing here reads it
  std::uint64_t bytes = 0;  // of the file
};

using SessionSink = std::function<Result<void>(std::span<const std::byte>)>;

// Whether a file that begins so is a session file of any version.
inline constexpr std::size_t kSessionMagicBytes = 8;
bool IsSessionFile(std::string_view beginning);

// Writes positions [0, tokens.size()) of `tiles`, which must be usable at that size. The same text
// gives the same bytes. Returns how many. Errors: those of the sink; kLimit (the note is too long),
// kUnsupported (a tile that has no address now).
[[nodiscard]] Result<std::uint64_t> WriteSession(const KvLayout& layout,
                                                 const SessionOrigin& origin,
                                                 std::span<const std::int32_t> tokens,
                                                 std::string_view note, const SequenceTiles& tiles,
                                                 const SessionSink& sink);

// Gives `tiles` (empty, of `pool`) what was written; it is empty again on failure.
[[nodiscard]] Result<SessionText> ReadSession(ReadableFile& file, const SessionOrigin& origin,
                                              const SessionLimits& limits, KvPool& pool,
                                              SequenceTiles& tiles);

}  // namespace cairn::kv
