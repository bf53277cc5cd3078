// SPDX-License-Identifier: Apache-2.0
// States in the pool: never changed once committed, kept where texts end and at some ends of tiles.
#include <gtest/gtest.h>

#include <optional>

#include "kv/prefix_cache.h"
#include "kv/test_sequence.h"

namespace cairn::kv {
namespace {

using Tokens = std::vector<std::int32_t>;

std::span<const std::int32_t> First(const Tokens& tokens, std::int64_t count) {
  return std::span(tokens).first(static_cast<std::size_t>(count));
}
std::span<const std::int32_t> From(const Tokens& tokens, std::int64_t count) {
  return std::span(tokens).subspan(static_cast<std::size_t>(count));
}

TEST(KvLayoutStatesTest, StatesAreAGroupAndNoTokens) {
  const KvLayout layout = LayOut({{.heads = 1, .head_dim = 16}}, kernels::KvFormat::kF16,
                                 {{.rows = 3, .width = 40}, {.rows = 2, .width = 64}});
  ASSERT_EQ(layout.groups(), 2);
  EXPECT_EQ(layout.state_group, 1);
  EXPECT_EQ(layout.states, (std::vector<std::size_t>{0, 3 * 48 * 4}));
  EXPECT_EQ(layout.state_bytes(), (3u * 48 + 2 * 64) * 4);
  EXPECT_EQ(layout.state_tiles, 1);
  EXPECT_EQ(layout.bytes_per_token(), 16u * 2 * 2);
  EXPECT_FALSE(TwoGroups().has_states());
}

TEST(KvLayoutStatesTest, LargeStatesAreKeptFurtherApart) {
  const auto tiles_of = [](int megabytes) {
    return LayOut({}, kernels::KvFormat::kF16, {{.rows = megabytes, .width = 1 << 18}}).state_tiles;
  };
  EXPECT_EQ(tiles_of(4), 1);
  EXPECT_EQ(tiles_of(19), 5);
  EXPECT_EQ(tiles_of(1000), 8);
}

class StatesTest : public ::testing::TestWithParam<bool> {
 protected:
  KvLayout Layout(int state_tiles) const {
    return GetParam() ? StatesAlone(state_tiles) : TwoGroups(100, state_tiles);
  }
  void Make(int state_tiles, std::size_t tiles = 50) {
    cache_.reset();
    pool_ = MakePoolOf(Layout(state_tiles), tiles);
    cache_.emplace(*pool_, 12345);
  }
  void Store(const Tokens& text) {
    TestSequence sequence(*pool_);
    ASSERT_TRUE(sequence.Append(text));
    ASSERT_TRUE(sequence.Holds());
    cache_->Publish(0, text, sequence.tiles(), true);
  }
  std::int64_t Hit(std::span<const std::int32_t> text) {
    TestSequence sequence(*pool_);
    const std::int64_t found = cache_->Find(0, text, std::ssize(text));
    const std::int64_t size = cache_->Take(0, text, std::ssize(text), sequence.tiles());
    EXPECT_EQ(size, found);
    sequence.Adopt(text.first(static_cast<std::size_t>(size)));
    EXPECT_TRUE(sequence.Holds());
    EXPECT_EQ(sequence.tiles().UsableSize(size), size);
    EXPECT_TRUE(sequence.Append(Words(70, 99)));
    EXPECT_TRUE(sequence.Holds());
    return size;
  }

  std::unique_ptr<KvPool> pool_;
  std::optional<PrefixCache> cache_;
};

TEST_P(StatesTest, AHitEndsWhereStatesWereKept) {
  for (const int every : {1, 2}) {
    Make(every);
    const Tokens text = Words(4 * kTile + 30, 1);
    Store(text);
    const std::int64_t step = every * kTile;
    for (std::int64_t size = 0; size < std::ssize(text); ++size) {
      ASSERT_EQ(Hit(First(text, size)), size / step * step) << every;
    }
    EXPECT_EQ(Hit(text), std::ssize(text));
    Tokens longer = text;
    longer.push_back(5);
    EXPECT_EQ(Hit(longer), std::ssize(text));
  }
}

TEST_P(StatesTest, ShortAppendsKeepTheSameStates) {
  Make(2);
  const Tokens text = Words(4 * kTile + 5, 1);
  TestSequence sequence(*pool_);
  for (std::int64_t at = 0; at < std::ssize(text); at += 7) {
    ASSERT_TRUE(sequence.Append(From(text, at).first(
        std::min<std::size_t>(7, text.size() - static_cast<std::size_t>(at)))));
    ASSERT_TRUE(sequence.Holds());
    cache_->Publish(0, sequence.tokens(), sequence.tiles(), false);
    sequence.tiles().Release(sequence.size());
    ASSERT_TRUE(sequence.Holds());
  }
  EXPECT_EQ(Hit(text), 4 * kTile);
  EXPECT_EQ(Hit(First(text, 4 * kTile - 1)), 2 * kTile);
}

TEST_P(StatesTest, RollingBackGoesToAnEndOfATile) {
  Make(1);
  const Tokens text = Words(3 * kTile + 10, 1);
  TestSequence sequence(*pool_);
  ASSERT_TRUE(sequence.Append(text));
  EXPECT_EQ(sequence.tiles().UsableSize(std::ssize(text)), std::ssize(text));
  EXPECT_EQ(sequence.tiles().UsableSize(std::ssize(text) - 1), 3 * kTile);
  EXPECT_EQ(sequence.tiles().UsableSize(2 * kTile + 1), 2 * kTile);
  EXPECT_EQ(sequence.tiles().UsableSize(kTile - 1), 0);
  sequence.Truncate(2 * kTile);
  EXPECT_TRUE(sequence.Holds());
  ASSERT_TRUE(sequence.Append(Words(100, 7)));
  EXPECT_TRUE(sequence.Holds());
  sequence.tiles().Release(sequence.size());
  EXPECT_EQ(sequence.tiles().UsableSize(2 * kTile), 0);
  sequence.Truncate(0);
  ASSERT_TRUE(sequence.Append(text));
  EXPECT_TRUE(sequence.Holds());
}

TEST_P(StatesTest, ForksGoOnWithoutACopy) {
  Make(1);
  const Tokens text = Words(2 * kTile + 10, 1);
  TestSequence a(*pool_);
  ASSERT_TRUE(a.Append(text));
  for (const std::int64_t at : {kTile, 2 * kTile, std::int64_t{2 * kTile + 10}}) {
    TestSequence b(*pool_);
    const std::size_t used = pool_->use().used;
    b.ForkFrom(a, at);
    EXPECT_EQ(pool_->use().used, used);
    EXPECT_TRUE(b.Holds());
    ASSERT_TRUE(b.Append(Words(90, 3)));
    EXPECT_TRUE(b.Holds());
    EXPECT_TRUE(a.Holds());
  }
}

// What a step has written without being committed is gone, and nothing else.
TEST_P(StatesTest, AStepThatFailsChangesNothing) {
  Make(1);
  const Tokens text = Words(kTile + 10, 1);
  TestSequence sequence(*pool_);
  ASSERT_TRUE(sequence.Append(text));
  const std::size_t used = pool_->use().used;
  ASSERT_TRUE(sequence.tiles().Grow(sequence.size(), sequence.size() + 100));
  EXPECT_EQ(sequence.tiles().state_steps().size(), 2u);
  for (const StateStep& step : sequence.tiles().state_steps()) {
    std::memset(step.data, 7, pool_->layout().state_bytes());
  }
  sequence.tiles().Shrink(sequence.size());
  EXPECT_EQ(pool_->use().used, used);
  EXPECT_TRUE(sequence.Holds());
  ASSERT_TRUE(sequence.Append(Words(30, 2)));
  EXPECT_TRUE(sequence.Holds());
}

TEST_P(StatesTest, AWholeTextNeedsNoMoreThanItsOwnStates) {
  // Room for the keys and values of five tiles, and two tiles of states.
  const KvLayout layout = Layout(1);
  const RoomOfText room = RoomOf(layout);
  pool_ = MakePool(layout, 5 * room.tile + room.states);
  TestSequence sequence(*pool_);
  ASSERT_TRUE(sequence.Append(Words(2 * kTile, 1)));
  ASSERT_TRUE(sequence.Append(Words(2 * kTile + 3, 2)));
  EXPECT_TRUE(sequence.tiles().state_steps().empty());
  EXPECT_NE(sequence.tiles().state(), nullptr);
  EXPECT_LE(pool_->use().used, pool_->use().budget);
}

TEST_P(StatesTest, WhatIsKeptOnTheWayGoesFirst) {
  Make(1);
  const Tokens text = Words(4 * kTile + 30, 1);
  Store(text);
  const int states = pool_->layout().state_group;
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(cache_->Evict(states));
  EXPECT_EQ(Hit(text), std::ssize(text));
  EXPECT_EQ(Hit(First(text, 4 * kTile)), 0);
  cache_->Clear();
  EXPECT_EQ(pool_->use().used, 0u);
}

TEST_P(StatesTest, MappedMemoryHasNone) {
  KvLayout layout = Layout(1);
  const std::size_t budget = 10 * KvPool::LeastBudget(layout);
  const auto pool =
      KvPool::Create(std::move(layout), {.budget_bytes = budget, .backend = KvBackend::kMapped});
  ASSERT_FALSE(pool);
  EXPECT_EQ(pool.error().code, ErrorCode::kUnsupported);
}

INSTANTIATE_TEST_SUITE_P(Layouts, StatesTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "alone" : "hybrid"; });

}  // namespace
}  // namespace cairn::kv
