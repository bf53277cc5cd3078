// SPDX-License-Identifier: Apache-2.0
// Any bytes as a session file: an Error, or exactly what was written. The first byte says whether
// the checksums are made right before, so that lies of the head and of the blocks come further.
#include <xxhash.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "kv/session_file.h"

namespace {

using namespace cairn;

void Require(bool holds) {
  if (!holds) std::abort();
}

class MemoryFile final : public ReadableFile {
 public:
  explicit MemoryFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  Result<std::size_t> ReadAt(std::uint64_t offset, std::span<std::byte> out) override {
    const std::size_t at = std::min<std::size_t>(offset, bytes_.size());
    const std::size_t count = std::min(out.size(), bytes_.size() - at);
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(at), count, out.begin());
    return count;
  }
  Result<std::uint64_t> Size() override { return bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
};

std::unique_ptr<kv::KvPool> MakePool() {
  kv::KvLayout layout = kv::LayOut(
      {{.heads = 1, .head_dim = 16, .window = 0}, {.heads = 1, .head_dim = 16, .window = 70}},
      kernels::KvFormat::kQ8);
  const std::size_t budget = 8 * kv::KvPool::LeastBudget(layout);
  auto pool = kv::KvPool::Create(std::move(layout), {.budget_bytes = budget});
  Require(pool.has_value());
  return std::move(*pool);
}

std::uint64_t Number(std::span<const std::byte> bytes, std::size_t at) {
  std::uint64_t number = 0;
  if (at + sizeof(number) <= bytes.size()) std::memcpy(&number, &bytes[at], sizeof(number));
  return number;
}

// Writes the checksum that belongs behind each block, as far as the sizes of the head lead.
void MakeChecksumsRight(std::vector<std::byte>& bytes, const kv::KvLayout& layout) {
  constexpr std::size_t kHead = 64, kGroup = 16;
  const std::uint64_t groups = Number(bytes, 56) & 0xffffffff;
  const std::uint64_t positions = Number(bytes, 40), note = Number(bytes, 48);
  if (groups > 256 || positions > 1024 || note > 1024) return;
  std::vector<std::size_t> blocks{kHead + kGroup * groups, positions * 4, note};
  const auto size = static_cast<std::int64_t>(positions);
  for (int g = 0; g < layout.groups(); ++g) {
    const std::int64_t first = layout.FirstTileSeen(g, size);
    for (std::int64_t i = first; i * kernels::kTilePositions < size; ++i) {
      blocks.push_back(layout.tile_bytes[static_cast<std::size_t>(g)]);
    }
  }
  std::size_t at = 0;
  std::uint64_t sum = 0;
  for (const std::size_t block : blocks) {
    if (at + block + sizeof(sum) > bytes.size()) return;
    sum = XXH3_64bits_withSeed(bytes.data() + at, block, sum);
    std::memcpy(bytes.data() + at + block, &sum, sizeof(sum));
    at += block + sizeof(sum);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const std::unique_ptr<kv::KvPool> pool = MakePool();
  const auto input = std::as_bytes(std::span(data, size));
  std::vector<std::byte> bytes(input.begin() + 1, input.end());
  if ((data[0] & 1) != 0) MakeChecksumsRight(bytes, pool->layout());
  MemoryFile file(bytes);
  const kv::SessionOrigin origin{.model = {}, .arithmetic = 1};
  {
    kv::SequenceTiles tiles(*pool);
    const auto read =
        kv::ReadSession(file, origin, {.positions = 1000, .vocabulary = 100}, *pool, tiles);
    if (!read) {
      Require(!read.error().message.empty() && read.error().message.size() < 4000);
      Require(tiles.tile_count() == 0);
      return 0;
    }
    Require(read->tokens.size() <= 1000 && read->bytes == bytes.size());
    // What is written of it again differs at most in positions that the text does not have.
    std::vector<std::byte> again;
    const auto written = kv::WriteSession(pool->layout(), origin, read->tokens, read->note, tiles,
                                          [&](std::span<const std::byte> part) -> Result<void> {
                                            again.insert(again.end(), part.begin(), part.end());
                                            return {};
                                          });
    Require(written && again.size() == bytes.size());
    if (read->tokens.size() % kernels::kTilePositions == 0) Require(again == bytes);
  }
  Require(pool->use().used == 0);
  return 0;
}
