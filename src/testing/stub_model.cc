// SPDX-License-Identifier: Apache-2.0
#include "testing/stub_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "kernels/kernels.h"

namespace cairn::testing {
namespace {

constexpr std::int64_t kPositions = kernels::kTilePositions;
constexpr std::size_t kTileBytes = 4096;
constexpr std::uint64_t kEmptyText = 0x9E3779B97F4A7C15;
constexpr int kFullGroup = 0;
constexpr int kWindowGroup = 1;

std::uint64_t Mix(std::uint64_t x) {
  x ^= x >> 31;
  x *= 0xBF58476D1CE4E5B9;
  x ^= x >> 27;
  x *= 0x94D049BB133111EB;
  return x ^ x >> 31;
}

// The slot of a position in a group; null where its tile was given back.
std::byte* Slot(engine::Sequence& sequence, int group, std::int64_t position) {
  std::byte* tile = sequence.tiles().tiles(group)[position / kPositions];
  return tile == nullptr ? nullptr : tile + position % kPositions * 8;
}

constexpr int kStateGroup = 2;
constexpr int kStateTiles = 2;

kv::KvLayout Groups(bool states) {
  kv::KvLayout layout = {.format = kernels::KvFormat::kF16,
                         .layers = {{.group = 0, .offset = 0}, {.group = 1, .offset = 0}},
                         .tile_bytes = {kTileBytes, kTileBytes},
                         .windows = {0, kStubWindow}};
  if (!states) return layout;
  layout.tile_bytes.push_back(kTileBytes);
  layout.windows.push_back(2);
  layout.state_group = kStateGroup;
  layout.state_tiles = kStateTiles;
  layout.states = {0};
  return layout;
}

}  // namespace

std::uint64_t StubHash(std::uint64_t before, std::int32_t token) {
  return Mix((before == 0 ? kEmptyText : before) + static_cast<std::uint64_t>(token) + 1);
}

std::int32_t StubNext(std::uint64_t hash, std::int32_t previous, std::int32_t last) {
  const std::uint64_t chance = Mix(hash);
  if (chance % 64 == 0) return kStubEnd;
  if (chance % 8 == 1) return static_cast<std::int32_t>(1 + chance / 64 % (kStubVocabulary - 1));
  return 1 + (previous * 5 + last * 3) % (kStubVocabulary - 1);
}

StubModel::StubModel(const StubOptions& options, VirtualClock& clock)
    : options_(options), clock_(clock) {
  budget_bytes_ = options.budget_tiles * kTileBytes;
  const std::size_t told =
      budget_bytes_ + (options.plant == Plant::kBudgetOffByOne ? kTileBytes : 0);
  auto pool = kv::KvPool::Create(Groups(options.states), {.budget_bytes = told});
  CAIRN_CHECK(pool);
  pool_ = *std::move(pool);
}

void StubModel::Complain(const std::string& what) {
  if (complaint_.empty()) complaint_ = fmt::format("step {}: {}", steps_, what);
}

Result<void> StubModel::Step(std::span<engine::StepEntry> entries, const engine::LogitsSink& sink,
                             std::stop_token stop) {
  ++steps_;
  std::size_t rows = 0;
  for (const engine::StepEntry& entry : entries) rows += entry.tokens.size();
  if (rows > static_cast<std::size_t>(options_.step_rows)) Complain("too many rows");
  if (entries.size() > static_cast<std::size_t>(options_.step_sequences)) {
    Complain("too many sequences");
  }
  clock_.AdvanceNs(2'000'000 + static_cast<std::int64_t>(rows) * 300'000);
  if (stop.stop_requested()) return Fail(ErrorCode::kCancelled, "stopped");
  if (std::exchange(fail_next_, false)) return Fail(ErrorCode::kOutOfMemory, "no memory");
  if (during_step_) during_step_();
  for (std::size_t i = 0; i < entries.size(); ++i) Append(entries[i], i, sink);
  const kv::KvUse use = pool_->use();
  if (use.reserved > budget_bytes_) {
    Complain(fmt::format("{} bytes are reserved of {}", use.reserved, budget_bytes_));
  }
  return {};
}

// What the attention of the row at position `before` reads: everything before it in one group, its
// window in the other.
void StubModel::Read(engine::Sequence& sequence, std::int64_t before) {
  const auto tokens = sequence.tokens();
  std::uint64_t hash = 0;
  for (std::int64_t p = 0; p < before; ++p) {
    hash = StubHash(hash, tokens[static_cast<std::size_t>(p)]);
    for (const int group : {kFullGroup, kWindowGroup}) {
      if (group == kWindowGroup && p < before - kStubWindow + 1) continue;
      const std::byte* slot = Slot(sequence, group, p);
      std::uint64_t stored = 0;
      if (slot == nullptr) {
        Complain(fmt::format("position {} of group {} was given back, and {} sees it", p, group,
                             before));
        return;
      }
      std::memcpy(&stored, slot, sizeof(stored));
      if (stored == hash) continue;
      Complain(fmt::format("position {} of group {} holds another text's values", p, group));
      return;
    }
  }
}

// What a layer with a state begins with.
void StubModel::ReadStates(engine::Sequence& sequence, std::int64_t before, std::uint64_t hash) {
  if (!options_.states || before == 0) return;
  const std::byte* state = sequence.tiles().state();
  std::uint64_t stored = 0;
  if (state != nullptr) std::memcpy(&stored, state, sizeof(stored));
  if (stored != hash) Complain(fmt::format("states behind {} positions are not there", before));
}

void StubModel::Append(engine::StepEntry& entry, std::size_t index,
                       const engine::LogitsSink& sink) {
  engine::Sequence& sequence = *entry.sequence;
  const std::int64_t size = sequence.size();
  const auto rows = static_cast<std::int64_t>(entry.tokens.size());
  if (rows == 0 || size + rows > options_.context)
    Complain("a step of no rows, or past the context");
  if (!sequence.tiles().Grow(size, size + rows)) Complain("rows without tiles");
  Read(sequence, size);
  if (!complaint_.empty()) return;
  std::uint64_t hash = 0;
  if (size > 0) std::memcpy(&hash, Slot(sequence, kFullGroup, size - 1), sizeof(hash));
  ReadStates(sequence, size, hash);
  std::int32_t last = size > 0 ? sequence.tokens().back() : 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int32_t token = entry.tokens[static_cast<std::size_t>(r)];
    hash = StubHash(hash, token);
    for (const int group : {kFullGroup, kWindowGroup}) {
      const kv::TileRef& tile = sequence.tiles().tile(group, (size + r) / kPositions);
      if (!tile.writable()) Complain("a row would write into a tile that others read");
      std::memcpy(Slot(sequence, group, size + r), &hash, sizeof(hash));
    }
    for (const kv::StateStep& step : sequence.tiles().state_steps()) {
      if (step.end == size + r + 1) std::memcpy(step.data, &hash, sizeof(hash));
    }
    if (r >= rows - entry.sampled) {
      std::vector<float> logits(kStubVocabulary, 0.0f);
      std::int32_t next = StubNext(hash, last, token);
      if (options_.errs_in > 0 && Mix(hash + 1) % static_cast<std::uint64_t>(options_.errs_in) == 0)
        next = 1 + next % (kStubVocabulary - 1);
      logits[static_cast<std::size_t>(next)] = 1;
      sink(static_cast<int>(index), static_cast<int>(r - (rows - entry.sampled)), logits);
    }
    last = token;
  }
  sequence.Append(entry.tokens);
  MakeMistake(sequence);
}

void StubModel::MakeMistake(engine::Sequence& sequence) {
  if (planted_ || sequence.size() < 3 * kPositions) return;
  kv::SequenceTiles& tiles = sequence.tiles();
  switch (options_.plant) {
    case Plant::kNothing:
    case Plant::kUpdateKeepsOneTooMany:
    case Plant::kChangeDuringStep:
    case Plant::kBudgetOffByOne: return;
    case Plant::kForgottenRelease: forgotten_ = tiles.tile(kFullGroup, 1); break;
    case Plant::kWindowTooEarly: tiles.Release(sequence.size() + kPositions); break;
    case Plant::kWriteIntoPublished:
      if (!tiles.tile(kFullGroup, 0).published()) return;
      std::memset(Slot(sequence, kFullGroup, 5), 1, 8);
      break;
  }
  planted_ = true;
}

}  // namespace cairn::testing
