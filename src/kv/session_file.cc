// SPDX-License-Identifier: Apache-2.0
#include "kv/session_file.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "base/check.h"
#include "base/checked.h"
#include "kernels/kernels.h"

namespace cairn::kv {
namespace {

static_assert(std::endian::native == std::endian::little);
constexpr std::int64_t kTile = kernels::kTilePositions;
constexpr std::string_view kMagic = "CAIRNSES";
constexpr std::uint32_t kVersion = 1;
constexpr std::uint32_t kMostGroups = 256;  // real models have one or two
constexpr std::size_t kSumBytes = sizeof(std::uint64_t);

// The beginning of a file, as it lies there; then the groups.
struct Head {
  char magic[kSessionMagicBytes];
  std::uint32_t version;
  std::uint32_t arithmetic;
  std::byte model[16];
  std::uint32_t kv_format;  // kernels::KvFormat
  std::uint32_t tile_positions;
  std::uint64_t positions;
  std::uint64_t note_bytes;
  std::uint32_t groups;
  std::uint32_t zero;
};
static_assert(sizeof(Head) == 64);
struct GroupHead {
  std::uint64_t tile_bytes;
  std::uint32_t window;
  std::uint32_t zero;
};
static_assert(sizeof(GroupHead) == 16);
static_assert(kMagic.size() == kSessionMagicBytes);

std::vector<GroupHead> GroupHeads(const KvLayout& layout) {
  std::vector<GroupHead> groups;
  for (std::size_t g = 0; g < layout.tile_bytes.size(); ++g) {
    groups.push_back({.tile_bytes = layout.tile_bytes[g],
                      .window = static_cast<std::uint32_t>(layout.windows[g]),
                      .zero = 0});
  }
  return groups;
}

// By group: the first tile that a text of so many positions needs in order to go on.
std::vector<std::int64_t> FirstTiles(const KvLayout& layout, std::int64_t positions) {
  std::vector<std::int64_t> first;
  for (int g = 0; g < layout.groups(); ++g) first.push_back(layout.FirstTileSeen(g, positions));
  return first;
}

template <typename T>
std::span<const std::byte> BytesOf(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

std::string Hexadecimal(std::span<const std::byte> bytes) {
  std::string text;
  for (const std::byte byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  return text;
}

// Blocks, each followed by a checksum that starts from the one of the block before.
class BlockWriter {
 public:
  explicit BlockWriter(const SessionSink& sink) : sink_(sink) {}
  [[nodiscard]] Result<void> Put(std::span<const std::byte> block) {
    sum_ = XXH3_64bits_withSeed(block.data(), block.size(), sum_);
    bytes_ += block.size() + kSumBytes;
    OR_RETURN(sink_(block));
    return sink_(std::as_bytes(std::span(&sum_, 1)));
  }
  std::uint64_t bytes() const { return bytes_; }

 private:
  const SessionSink& sink_;
  std::uint64_t sum_ = 0;
  std::uint64_t bytes_ = 0;
};

class BlockReader {
 public:
  explicit BlockReader(ReadableFile& file) : file_(file) {}
  [[nodiscard]] Result<void> Get(std::span<std::byte> block, std::string_view what) {
    std::uint64_t sum = 0;
    OR_RETURN(Read(block, what));
    OR_RETURN(Read(std::as_writable_bytes(std::span(&sum, 1)), what));
    sum_ = XXH3_64bits_withSeed(block.data(), block.size(), sum_);
    if (sum == sum_) return {};
    return Fail(ErrorCode::kCorrupt, fmt::format("{} is damaged: its checksum is wrong", what));
  }

 private:
  [[nodiscard]] Result<void> Read(std::span<std::byte> out, std::string_view what) {
    const std::size_t read = OR_RETURN(file_.ReadAt(at_, out));
    at_ += read;
    if (read == out.size()) return {};
    return Fail(ErrorCode::kCorrupt, fmt::format("the file ends inside {}", what));
  }

  ReadableFile& file_;
  std::uint64_t at_ = 0;
  std::uint64_t sum_ = 0;
};

// Bytes of the blocks behind the head; nothing where they do not fit a number.
std::optional<std::uint64_t> BytesBehind(const KvLayout& layout, std::uint64_t positions,
                                         std::uint64_t note_bytes) {
  const auto size = static_cast<std::int64_t>(positions);
  const std::vector<std::int64_t> first = FirstTiles(layout, size);
  const std::int64_t count = DivideUp(size, kTile);
  std::optional<std::uint64_t> total = positions * sizeof(std::int32_t) + kSumBytes;
  total = CheckedAdd<std::uint64_t>(*total, note_bytes + kSumBytes);
  for (std::size_t g = 0; g < first.size() && total; ++g) {
    const auto tiles = static_cast<std::uint64_t>(count - std::min(first[g], count));
    const auto bytes = CheckedMul<std::uint64_t>(tiles, layout.tile_bytes[g] + kSumBytes);
    total = bytes ? CheckedAdd(*total, *bytes) : std::nullopt;
  }
  return total;
}

Result<void> CheckBeginning(const Head& head) {
  if (std::memcmp(head.magic, kMagic.data(), kMagic.size()) != 0) {
    return Fail(ErrorCode::kCorrupt, "this is no session file");
  }
  if (head.version != kVersion) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("the session file has version {}, this program reads version {}",
                            head.version, kVersion));
  }
  if (head.groups <= kMostGroups) return {};
  return Fail(ErrorCode::kCorrupt,
              fmt::format("the head names {} kinds of tiles, at most {} are possible", head.groups,
                          kMostGroups));
}

// Whether a head whose checksum is right is of this model.
Result<void> CheckOrigin(const Head& head, const std::vector<GroupHead>& groups,
                         const SessionOrigin& origin, const KvLayout& layout) {
  if (std::memcmp(head.model, origin.model.data(), origin.model.size()) != 0) {
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the session was made with another model: it names {}, this one is {}",
                            Hexadecimal(head.model), Hexadecimal(origin.model)));
  }
  if (head.arithmetic != origin.arithmetic) {
    return Fail(ErrorCode::kUnsupported,
                fmt::format("the session was made by arithmetic {}, this program has {}",
                            head.arithmetic, origin.arithmetic));
  }
  if (head.kv_format != static_cast<std::uint32_t>(layout.format)) {
    const auto theirs = static_cast<kernels::KvFormat>(head.kv_format);
    return Fail(ErrorCode::kInvalidArgument,
                fmt::format("the session keeps keys and values as {}, here they are {}; give the "
                            "--kv that it was made with",
                            head.kv_format < 3 ? kernels::KvFormatName(theirs) : "something else",
                            kernels::KvFormatName(layout.format)));
  }
  const std::vector<GroupHead> ours = GroupHeads(layout);
  if (head.tile_positions == kTile && head.zero == 0 && groups.size() == ours.size() &&
      std::memcmp(groups.data(), ours.data(), BytesOf(ours).size()) == 0) {
    return {};
  }
  return Fail(ErrorCode::kCorrupt, "the tiles that the head tells of are not those of this model");
}

Result<void> CheckSizes(const Head& head, const SessionLimits& limits, const KvLayout& layout,
                        std::uint64_t file_bytes) {
  if (head.positions > static_cast<std::uint64_t>(limits.positions)) {
    return Fail(ErrorCode::kLimit,
                fmt::format("the session has {} tokens, the context holds {}; raise --context",
                            head.positions, limits.positions));
  }
  if (head.note_bytes > kMostNoteBytes) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("the head tells of a note of {} bytes, at most {} are possible",
                            head.note_bytes, kMostNoteBytes));
  }
  const std::uint64_t beginning = sizeof(Head) + head.groups * sizeof(GroupHead) + kSumBytes;
  const auto behind = BytesBehind(layout, head.positions, head.note_bytes);
  if (behind && CheckedAdd(beginning, *behind) == file_bytes) return {};
  return Fail(ErrorCode::kCorrupt,
              fmt::format("the file has {} bytes, its head tells of {}", file_bytes,
                          behind ? fmt::to_string(beginning + *behind) : "more than fit"));
}

// A tile with nothing in the positions that the text does not have: they may hold another's.
class TileBytes {
 public:
  TileBytes(const KvLayout& layout, std::int64_t positions)
      : layout_(layout), positions_(positions) {}
  std::span<const std::byte> Of(int group, std::int64_t index, const std::byte* data) {
    const std::size_t bytes = layout_.tile_bytes[static_cast<std::size_t>(group)];
    const std::int64_t first = positions_ - index * kTile;
    if (first >= kTile) return {data, bytes};
    copy_.assign(data, data + bytes);
    for (const KvPlace& place : layout_.layers) {
      if (place.group != group) continue;
      kernels::ClearPositions(layout_.format, place.head_dim, place.heads, static_cast<int>(first),
                              copy_.data() + place.offset);
    }
    return copy_;
  }

 private:
  const KvLayout& layout_;
  std::int64_t positions_;
  std::vector<std::byte> copy_;
};

Result<void> ReadTiles(BlockReader& blocks, std::int64_t positions, KvPool& pool,
                       SequenceTiles& tiles) {
  const KvLayout& layout = pool.layout();
  const std::vector<std::int64_t> first = FirstTiles(layout, positions);
  const std::int64_t count = DivideUp(positions, kTile);
  OR_RETURN(tiles.TakeUnfilled(first, count));
  for (int g = 0; g < layout.groups(); ++g) {
    const auto group = static_cast<std::size_t>(g);
    for (std::int64_t i = first[group]; i < count; ++i) {
      OR_RETURN(blocks.Get({tiles.tiles(g)[i], layout.tile_bytes[group]},
                           fmt::format("tile {} of {}", i + 1, count)));
    }
  }
  return {};
}

}  // namespace

bool IsSessionFile(std::string_view beginning) { return beginning.starts_with(kMagic); }

Result<std::uint64_t> WriteSession(const KvLayout& layout, const SessionOrigin& origin,
                                   std::span<const std::int32_t> tokens, std::string_view note,
                                   const SequenceTiles& tiles, const SessionSink& sink) {
  const auto positions = static_cast<std::int64_t>(tokens.size());
  CAIRN_CHECK(tiles.UsableSize(positions) == positions);
  if (note.size() > kMostNoteBytes) {
    return Fail(ErrorCode::kLimit, fmt::format("the texts of the session have {} bytes, at most {} "
                                               "can be kept",
                                               note.size(), kMostNoteBytes));
  }
  Head head{.version = kVersion,
            .arithmetic = origin.arithmetic,
            .kv_format = static_cast<std::uint32_t>(layout.format),
            .tile_positions = kTile,
            .positions = tokens.size(),
            .note_bytes = note.size(),
            .groups = static_cast<std::uint32_t>(layout.groups()),
            .zero = 0};
  std::memcpy(head.magic, kMagic.data(), kMagic.size());
  std::memcpy(head.model, origin.model.data(), origin.model.size());
  const std::vector<GroupHead> groups = GroupHeads(layout);
  std::vector<std::byte> beginning(sizeof(head) + BytesOf(groups).size());
  std::memcpy(beginning.data(), &head, sizeof(head));
  std::ranges::copy(BytesOf(groups), beginning.begin() + sizeof(head));

  BlockWriter blocks(sink);
  OR_RETURN(blocks.Put(beginning));
  OR_RETURN(blocks.Put(std::as_bytes(tokens)));
  OR_RETURN(blocks.Put(std::as_bytes(std::span(note))));
  TileBytes cleared(layout, positions);
  const std::vector<std::int64_t> first = FirstTiles(layout, positions);
  for (int g = 0; g < layout.groups(); ++g) {
    for (std::int64_t i = first[static_cast<std::size_t>(g)]; i * kTile < positions; ++i) {
      const std::byte* data = tiles.tiles(g)[i];
      if (data == nullptr) return Fail(ErrorCode::kUnsupported, "a tile to be saved is not mapped");
      OR_RETURN(blocks.Put(cleared.Of(g, i, data)));
    }
  }
  return blocks.bytes();
}

Result<SessionText> ReadSession(ReadableFile& file, const SessionOrigin& origin,
                                const SessionLimits& limits, KvPool& pool, SequenceTiles& tiles) {
  CAIRN_CHECK(tiles.tile_count() == 0);
  Head head{};
  const std::size_t read = OR_RETURN(file.ReadAt(0, std::as_writable_bytes(std::span(&head, 1))));
  if (read < sizeof(head)) {
    const bool begins = std::memcmp(head.magic, kMagic.data(), kMagic.size()) == 0;
    return Fail(ErrorCode::kCorrupt,
                begins ? "the file ends inside the head" : "this is no session file");
  }
  OR_RETURN(CheckBeginning(head));
  BlockReader blocks(file);
  std::vector<std::byte> beginning(sizeof(head) + head.groups * sizeof(GroupHead));
  OR_RETURN(blocks.Get(beginning, "the head"));
  std::memcpy(&head, beginning.data(), sizeof(head));
  std::vector<GroupHead> groups((beginning.size() - sizeof(head)) / sizeof(GroupHead));
  if (!groups.empty()) {
    std::memcpy(groups.data(), beginning.data() + sizeof(head), beginning.size() - sizeof(head));
  }
  OR_RETURN(CheckOrigin(head, groups, origin, pool.layout()));
  SessionText text{.tokens = {}, .note = {}, .bytes = OR_RETURN(file.Size())};
  OR_RETURN(CheckSizes(head, limits, pool.layout(), text.bytes));

  text.tokens.resize(head.positions);
  OR_RETURN(blocks.Get(std::as_writable_bytes(std::span(text.tokens)), "the list of tokens"));
  const auto strange = std::ranges::find_if(
      text.tokens, [&](std::int32_t token) { return token < 0 || token >= limits.vocabulary; });
  if (strange != text.tokens.end()) {
    return Fail(ErrorCode::kCorrupt, fmt::format("the session has the token {}, the model has {}",
                                                 *strange, limits.vocabulary));
  }
  text.note.resize(head.note_bytes);
  OR_RETURN(blocks.Get(std::as_writable_bytes(std::span(text.note)), "the note"));
  if (auto filled = ReadTiles(blocks, std::ssize(text.tokens), pool, tiles); !filled) {
    tiles.Shrink(0);
    return std::unexpected(std::move(filled).error());
  }
  return text;
}

}  // namespace cairn::kv
