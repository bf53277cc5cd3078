// SPDX-License-Identifier: Apache-2.0
// Where the engine's keys and values lie must not show in any byte.
#include <gtest/gtest.h>

#include "engine/engine.h"
#include "kv/pool.h"
#include "kv/prefix_cache.h"
#include "testing/engine_helpers.h"

namespace cairn::engine {
namespace {

using testing::Append;
using testing::LogitRows;
using testing::LogitsOf;
using testing::MakeEngine;
using testing::MakeSequence;
using testing::RandomTokens;
using testing::Rows;
using testing::SameBytes;
using testing::TinyModel;
using testing::TinySpec;
using Tokens = std::vector<std::int32_t>;

constexpr std::int64_t kTile = kernels::kTilePositions;

// Layers that see everything and layers with a window of 24.
class KvMemoryTest : public ::testing::Test {
 protected:
  TinyModel tiny_{TinySpec{.architecture = "gemma3", .layers = 7}};
  std::size_t tile_ = kv::KvPool::LeastBudget(MakeEngine(tiny_.model())->pool().layout());
};

TEST_F(KvMemoryTest, TheContextIsWhatTheBudgetHolds) {
  EXPECT_EQ(MakeEngine(tiny_.model(), {.kv_memory_bytes = 3 * tile_})->context(), 3 * kTile);
  EXPECT_EQ(MakeEngine(tiny_.model(), {.kv_memory_bytes = 4 * tile_ - 1})->context(), 3 * kTile);
  EXPECT_EQ(MakeEngine(tiny_.model(), {.kv_memory_bytes = 4096 * tile_})->context(), 4096);
  EXPECT_EQ(MakeEngine(tiny_.model(), {.context = 7, .kv_memory_bytes = 9 * tile_})->context(), 7);
}

TEST_F(KvMemoryTest, WithoutABudgetAContextThatIsAskedForFits) {
  const auto engine = MakeEngine(tiny_.model(), {.context = 4096});
  EXPECT_GE(engine->kv_use().budget, 4096 / kTile * tile_);
}

TEST_F(KvMemoryTest, ABudgetBelowOneTileOfEachGroupIsRefused) {
  const auto engine = Engine::Create(tiny_.model(), {.kv_memory_bytes = tile_ - 1});
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(KvMemoryTest, AFullBudgetIsALimitAndTheSequencesStayUsable) {
  const auto engine =
      MakeEngine(tiny_.model(), {.threads = 2, .context = 4096, .kv_memory_bytes = 3 * tile_});
  const Tokens text = RandomTokens(*tiny_.model(), 3 * kTile, 1);
  const LogitRows all = LogitsOf(*engine, text);
  Sequence a = MakeSequence(*engine), b = MakeSequence(*engine);
  Append(*engine, a, std::span(text).first(2 * kTile));
  const auto refused = engine->Prefill(b, std::span(text).first(kTile + 1), 1,
                                       [](int, int, std::span<const float>) {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kLimit);
  EXPECT_NE(refused.error().message.find("--kv-memory"), std::string::npos);
  EXPECT_EQ(b.size(), 0);
  EXPECT_TRUE(
      SameBytes(Append(*engine, a, std::span(text).subspan(2 * kTile)), Rows(all, 2 * kTile)));
  EXPECT_LE(engine->kv_use().reserved, engine->kv_use().budget);
}

TEST_F(KvMemoryTest, SequencesThatShareTilesGoOnWithTheSameBytes) {
  const auto engine = MakeEngine(tiny_.model());
  const Tokens text = RandomTokens(*tiny_.model(), 200, 1);
  for (const std::int64_t at : {1, 63, 64, 65, 130}) {
    Tokens other = text;
    for (std::size_t i = static_cast<std::size_t>(at); i < other.size(); ++i) other[i] ^= 1;
    const LogitRows of_text = LogitsOf(*engine, text), of_other = LogitsOf(*engine, other);
    Sequence a = MakeSequence(*engine), b = MakeSequence(*engine);
    Append(*engine, a, std::span(text).first(150), 0);
    b.tiles().Share(a.tiles(), at);
    b.Adopt(std::span(text).first(static_cast<std::size_t>(at)));
    EXPECT_TRUE(SameBytes(Append(*engine, b, std::span(other).subspan(b.tokens().size())),
                          Rows(of_other, at)))
        << at;
    EXPECT_TRUE(SameBytes(Append(*engine, a, std::span(text).subspan(150)), Rows(of_text, 150)));
  }
}

TEST_F(KvMemoryTest, WindowsThatAreGivenBackChangeNoByte) {
  const auto engine = MakeEngine(tiny_.model());
  const Tokens text = RandomTokens(*tiny_.model(), 300, 2);
  const LogitRows all = LogitsOf(*engine, text);
  Sequence sequence = MakeSequence(*engine);
  for (std::size_t at = 0; at < text.size(); at += 13) {
    const auto part = std::span(text).subspan(at, std::min<std::size_t>(13, text.size() - at));
    const LogitRows rows = Append(*engine, sequence, part);
    sequence.tiles().Release(sequence.size());
    testing::SoilKv(*engine);  // whatever was given back is overwritten
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(at);
    ASSERT_TRUE(SameBytes(rows, LogitRows(first, first + std::ssize(part)))) << at;
  }
  EXPECT_EQ(sequence.tiles().UsableSize(100), 0);
}

TEST_F(KvMemoryTest, ABeginningFromTheCacheGivesTheSameBytes) {
  for (const kernels::KvFormat format : {kernels::KvFormat::kF16, kernels::KvFormat::kQ8}) {
    const auto engine = MakeEngine(tiny_.model(), {.threads = 2, .kv = format});
    kv::PrefixCache cache(engine->pool(), 7);
    const Tokens text = RandomTokens(*tiny_.model(), 200, 3);
    const LogitRows all = LogitsOf(*engine, text);
    {
      Sequence first = MakeSequence(*engine);
      Append(*engine, first, text, 0);
      cache.Publish(0, text, first.tiles(), true);
    }
    for (const std::int64_t most : {1, 40, 63, 64, 65, 128, 199}) {
      testing::SoilKv(*engine);
      Sequence sequence = MakeSequence(*engine);
      ASSERT_EQ(cache.Take(0, text, most, sequence.tiles()), most);
      sequence.Adopt(std::span(text).first(static_cast<std::size_t>(most)));
      EXPECT_TRUE(SameBytes(
          Append(*engine, sequence, std::span(text).subspan(static_cast<std::size_t>(most))),
          Rows(all, most)))
          << most;
    }
  }
}

}  // namespace
}  // namespace cairn::engine
