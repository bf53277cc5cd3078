// SPDX-License-Identifier: Apache-2.0
#include "kv/prefix_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>

#include "kv/test_sequence.h"

namespace cairn::kv {
namespace {

using Tokens = std::vector<std::int32_t>;
constexpr std::uint64_t kSecret = 12345;

std::span<const std::int32_t> First(const Tokens& tokens, std::int64_t count) {
  return std::span(tokens).first(static_cast<std::size_t>(count));
}

Tokens Joined(const Tokens& a, const Tokens& b) {
  Tokens both = a;
  both.insert(both.end(), b.begin(), b.end());
  return both;
}

class PrefixCacheTest : public ::testing::Test {
 protected:
  void Make(int window, std::size_t tiles, int hash_bits = 32) {
    cache_.reset();
    pool_ = MakePoolOf(TwoGroups(window), tiles);
    cache_.emplace(*pool_, kSecret, hash_bits);
  }
  // Computes a text from nothing and leaves it in the cache.
  void Store(const Tokens& text, CacheSpace space = 0) {
    TestSequence sequence(*pool_, space);
    ASSERT_TRUE(sequence.Append(text));
    cache_->Publish(space, text, sequence.tiles(), true);
  }
  // What a lookup gives; its keys and values must be those of the text.
  std::int64_t Hit(std::span<const std::int32_t> text, CacheSpace space = 0,
                   std::int64_t most = INT64_MAX) {
    TestSequence sequence(*pool_, space);
    const std::int64_t found = cache_->Find(space, text, most);
    const std::int64_t size = cache_->Take(space, text, most, sequence.tiles());
    EXPECT_EQ(size, found);
    sequence.Adopt(text.first(static_cast<std::size_t>(size)));
    EXPECT_TRUE(sequence.Holds());
    EXPECT_EQ(sequence.tiles().UsableSize(size), size);
    return size;
  }
  bool Has(const Tokens& text) { return cache_->Find(0, text, INT64_MAX) == std::ssize(text); }

  std::unique_ptr<KvPool> pool_;
  std::optional<PrefixCache> cache_;
};

TEST_F(PrefixCacheTest, AHitHasEveryLengthThatIsAsked) {
  for (const int window : {0, 20, 100, 1000}) {
    Make(window, 50);
    const Tokens text = Words(4 * kTile + 30, 1);
    Store(text);
    for (std::int64_t size = 0; size <= std::ssize(text); ++size) {
      ASSERT_EQ(Hit(First(text, size)), size);
      ASSERT_EQ(Hit(text, 0, size), size);
    }
    EXPECT_EQ(Hit(Joined(text, Words(100, 2))), std::ssize(text));
  }
}

TEST_F(PrefixCacheTest, AHitEndsWhereTheTextsPart) {
  Make(100, 50);
  const Tokens text = Words(3 * kTile, 1);
  Store(text);
  for (std::int64_t at = 0; at < std::ssize(text); ++at) {
    Tokens other = text;
    ++other[static_cast<std::size_t>(at)];
    ASSERT_EQ(Hit(other), at);
  }
}

TEST_F(PrefixCacheTest, OnlyFullTilesAreFoundWhereTheSequenceGoesOn) {
  Make(100, 50);
  const Tokens text = Words(2 * kTile + 30, 1);
  TestSequence sequence(*pool_);
  ASSERT_TRUE(sequence.Append(text));
  cache_->Publish(0, text, sequence.tiles(), false);
  EXPECT_EQ(Hit(text), 2 * kTile);
  cache_->Publish(0, text, sequence.tiles(), true);
  EXPECT_EQ(Hit(text), std::ssize(text));
  EXPECT_EQ(cache_->counters().entries, 3);
}

TEST_F(PrefixCacheTest, WhoeverGoesOnWritesIntoACopy) {
  Make(100, 50);
  const Tokens text = Words(kTile + 30, 1);
  Store(text);
  for (std::uint32_t i = 0; i < 5; ++i) {
    TestSequence sequence(*pool_);
    const std::int64_t size = cache_->Take(0, text, kTile + 5 * i, sequence.tiles());
    sequence.Adopt(First(text, size));
    ASSERT_TRUE(sequence.Append(Words(50, 10 + i)));
    EXPECT_TRUE(sequence.Holds());
    EXPECT_EQ(Hit(text), std::ssize(text));
  }
}

TEST_F(PrefixCacheTest, SpacesDoNotShare) {
  Make(100, 50);
  const Tokens text = Words(100, 1);
  Store(text, 7);
  EXPECT_EQ(Hit(text, 8), 0);
  EXPECT_EQ(Hit(text, 7), 100);
  Store(text, 8);
  EXPECT_EQ(Hit(text, 8), 100);
  EXPECT_EQ(cache_->counters().entries, 4);
}

// All hashes equal: every child of an entry stands in one chain.
TEST_F(PrefixCacheTest, TextsOfEqualHashesAreToldApartByTheirTokens) {
  Make(100, 400, 0);
  std::vector<Tokens> texts;
  for (std::uint32_t i = 0; i < 40; ++i) {
    const Tokens& base = i == 0 ? Tokens() : texts[i / 2];
    const auto keep = std::min<std::int64_t>(std::ssize(base), 50 * i % 130);
    texts.push_back(Joined(Tokens(base.begin(), base.begin() + keep), Words(40 + i, i)));
    Store(texts.back());
  }
  for (const Tokens& text : texts) EXPECT_EQ(Hit(text), std::ssize(text));
  // Chains lose members from their middle and their ends.
  std::set<std::size_t> gone;
  while (cache_->Evict(0)) {
    for (const Tokens& text : texts) Hit(text);
  }
  EXPECT_EQ(cache_->counters().entries, 0);
  EXPECT_EQ(pool_->use().used, 0u);
}

TEST_F(PrefixCacheTest, EqualTextsAreKeptOnce) {
  Make(100, 50);
  const Tokens text = Words(3 * kTile + 10, 1);
  TestSequence a(*pool_), b(*pool_);
  ASSERT_TRUE(a.Append(text));
  const std::size_t alone = pool_->use().used;
  ASSERT_TRUE(b.Append(text));
  EXPECT_EQ(pool_->use().used, 2 * alone);
  cache_->Publish(0, text, a.tiles(), true);
  cache_->Publish(0, text, b.tiles(), true);
  EXPECT_EQ(pool_->use().used, alone);
  EXPECT_EQ(pool_->use().shared, alone);
  EXPECT_TRUE(a.Holds());
  EXPECT_TRUE(b.Holds());
  ASSERT_TRUE(b.Append(Words(10, 3)));
  EXPECT_TRUE(a.Holds());
  EXPECT_TRUE(b.Holds());
}

TEST_F(PrefixCacheTest, AnEndThatALaterTextGoesOnFromIsPartOfIt) {
  Make(100, 50);
  const Tokens text = Words(kTile, 1);
  Store(Tokens(text.begin(), text.begin() + 20));
  Store(Tokens(text.begin(), text.begin() + 40));
  EXPECT_EQ(cache_->counters().entries, 1);
  Store(text);
  EXPECT_EQ(cache_->counters().entries, 1);
  Store(Tokens(text.begin(), text.begin() + 30));  // nothing new
  EXPECT_EQ(cache_->counters().entries, 1);
  EXPECT_EQ(Hit(text), kTile);
}

// --- eviction -------------------------------------------------------------------------------

TEST_F(PrefixCacheTest, TheLeastRecentlyUsedTextGoesFirstAndFromItsEnd) {
  Make(0, 50);
  const Tokens a = Words(2 * kTile, 1), b = Words(2 * kTile, 2), c = Words(2 * kTile, 3);
  for (const Tokens& text : {a, b, c}) Store(text);
  EXPECT_EQ(Hit(a), 2 * kTile);  // b is the oldest now
  const std::pair<const Tokens*, std::int64_t> order[] = {{&b, kTile}, {&b, 0},     {&c, kTile},
                                                          {&c, 0},     {&a, kTile}, {&a, 0}};
  for (const auto& [text, left] : order) {
    ASSERT_TRUE(cache_->Evict(0));
    EXPECT_EQ(cache_->Find(0, *text, INT64_MAX), left);
  }
  EXPECT_FALSE(cache_->Evict(0));
  EXPECT_EQ(cache_->counters().evicted_entries, 6);
  EXPECT_EQ(cache_->counters().entries, 0);
}

TEST_F(PrefixCacheTest, WhatIsPinnedOrInUseStays) {
  Make(0, 50);
  const Tokens a = Words(kTile + 9, 1), b = Words(kTile + 9, 2), c = Words(kTile + 9, 3);
  for (const Tokens& text : {a, b, c}) Store(text);
  EXPECT_EQ(cache_->Pin(0, a), kTile + 9);
  EXPECT_EQ(cache_->Pin(0, a), kTile + 9);
  TestSequence user(*pool_);
  ASSERT_EQ(cache_->Take(0, b, kTile, user.tiles()), kTile);
  EXPECT_EQ(cache_->evictable(0), 3u);  // both of c, the end of b
  int evicted = 0;
  while (cache_->Evict(0)) ++evicted;
  EXPECT_EQ(evicted, 3);
  EXPECT_TRUE(Has(a));
  EXPECT_EQ(cache_->Find(0, c, INT64_MAX), 0);
  cache_->Unpin(0, a);
  EXPECT_EQ(cache_->evictable(0), 0u);
  EXPECT_FALSE(cache_->Evict(0));
  cache_->Unpin(0, a);
  EXPECT_EQ(cache_->evictable(0), 2u);
  EXPECT_TRUE(cache_->Evict(0));
  EXPECT_FALSE(Has(a));
}

TEST_F(PrefixCacheTest, UnpinFindsWhatPinFoundWhateverCameSince) {
  Make(0, 50);
  const Tokens text = Words(3 * kTile, 1);
  EXPECT_EQ(cache_->Pin(0, text), 0);
  Store(Tokens(text.begin(), text.begin() + kTile));
  EXPECT_EQ(cache_->Pin(0, text), kTile);
  Store(text);
  cache_->Unpin(0, text);
  cache_->Unpin(0, text);
  cache_->Unpin(0, text);  // nothing is pinned any more: nothing happens
  EXPECT_EQ(cache_->evictable(0), 3u);
  cache_->Clear();
  EXPECT_EQ(pool_->use().used, 0u);
}

TEST_F(PrefixCacheTest, ClearLeavesWhatIsPinned) {
  Make(100, 50);
  const Tokens a = Words(3 * kTile + 9, 1), b = Joined(Words(kTile, 1), Words(kTile, 2));
  Store(a);
  Store(b);
  cache_->Pin(0, First(a, kTile + 5));
  cache_->Clear();
  EXPECT_EQ(Hit(a), 2 * kTile);
  EXPECT_EQ(cache_->counters().entries, 2);
}

TEST_F(PrefixCacheTest, ATextThatManySharedLivesLonger) {
  Make(0, 400);
  const Tokens shared = Words(kTile, 1);
  Store(shared);
  for (int i = 0; i < 100; ++i) Hit(shared);
  for (std::uint32_t i = 0; i < 60; ++i) Store(Words(kTile, 100 + i));
  for (int i = 0; i < 59; ++i) ASSERT_TRUE(cache_->Evict(0));
  EXPECT_TRUE(Has(shared));
  // But not for ever.
  for (std::uint32_t i = 0; i < 300; ++i) Store(Words(kTile, 1000 + i));
  int others = 0;
  while (Has(shared) && cache_->Evict(0)) ++others;
  EXPECT_LT(others, 300);
}

TEST_F(PrefixCacheTest, EvictFreesATileOfTheGroupThatIsAsked) {
  Make(100, 50);
  for (std::uint32_t i = 0; i < 5; ++i) Store(Words(3 * kTile, i));
  for (int i = 0; i < 12; ++i) {
    const int group = i % 2;
    const std::size_t before = cache_->evictable(group);
    const std::size_t free_before = pool_->use().kept;
    ASSERT_GT(before, 0u);
    ASSERT_TRUE(cache_->Evict(group));
    EXPECT_LT(cache_->evictable(group), before);
    EXPECT_GT(pool_->use().kept, free_before);
  }
}

TEST_F(PrefixCacheTest, WhereTheGroupHasNothingAnotherGivesWay) {
  Make(100, 50);
  TestSequence sequence(*pool_);
  const Tokens text = Words(6 * kTile, 1);
  ASSERT_TRUE(sequence.Append(text));
  cache_->Publish(0, text, sequence.tiles(), false);
  sequence.tiles().Release(sequence.size());
  EXPECT_EQ(cache_->evictable(0), 0u);
  const std::size_t windowed = cache_->evictable(1);
  EXPECT_EQ(windowed, 4u);  // 2 of 6 are still seen
  for (std::size_t i = 0; i < windowed; ++i) {
    ASSERT_TRUE(cache_->Evict(0));
    EXPECT_EQ(cache_->evictable(1), windowed - i - 1);
  }
  EXPECT_FALSE(cache_->Evict(0));
  EXPECT_TRUE(sequence.Holds());
}

// An idle text gives first what its going on does not need.
TEST_F(PrefixCacheTest, WindowedTilesBehindGoFirstAndTheTextStaysUsable) {
  Make(100, 50);
  const Tokens a = Words(8 * kTile, 1), b = Words(8 * kTile, 2);
  Store(a);
  Store(b);
  // The next position of a text sees 2 of its 8 windowed tiles.
  for (int i = 0; i < 12; ++i) {
    ASSERT_TRUE(cache_->Evict(1));
    ASSERT_EQ(Hit(a), std::ssize(a)) << i;
    ASSERT_EQ(Hit(b), std::ssize(b)) << i;
  }
  EXPECT_EQ(cache_->counters().entries, 16);
  ASSERT_TRUE(cache_->Evict(1));
  EXPECT_NE(Has(a), Has(b));
}

// A lookup beside a search through every size by positions.
TEST_F(PrefixCacheTest, AHitIsShortenedToWhereTheWindowIsWhole) {
  for (const int window : {1, 30, 64, 65, 66, 100, 200}) {
    Make(window, 60);
    const Tokens text = Words(9 * kTile + 20, 1);
    const Tokens branch = Joined(Tokens(text.begin(), text.begin() + 4 * kTile), Words(90, 5));
    std::map<std::byte*, std::size_t> tile_of;
    {
      TestSequence sequence(*pool_);
      ASSERT_TRUE(sequence.Append(text));
      for (std::size_t i = 0; i < 10; ++i) tile_of[sequence.tiles().tiles(1)[i]] = i;
      cache_->Publish(0, text, sequence.tiles(), true);
    }
    Store(branch);
    std::vector<bool> there(10, true);
    for (int step = 0;; ++step) {
      for (std::int64_t asked = 1; asked <= std::ssize(text); asked += 9) {
        std::int64_t expected = 0;
        for (std::int64_t size = asked; size > 0 && expected == 0; --size) {
          bool whole = true;
          for (std::int64_t p = std::max<std::int64_t>(0, size - window + 1); p < size; ++p) {
            whole = whole && there[static_cast<std::size_t>(p / kTile)];
          }
          // A tile that is gone cannot be gone on from inside it either.
          if (size % kTile != 0) whole = whole && there[static_cast<std::size_t>(size / kTile)];
          if (whole) expected = size;
        }
        ASSERT_EQ(cache_->Find(0, First(text, asked), INT64_MAX), expected)
            << "window " << window << " step " << step << " asked " << asked;
        ASSERT_EQ(Hit(First(text, asked)), expected);
      }
      const std::int64_t entries = cache_->counters().entries;
      if (!cache_->Evict(1) || cache_->counters().entries < entries) break;
      // Which tile went: the one that the pool hands out next.
      const auto gone = tile_of.find(pool_->Take(1)->data());
      if (gone != tile_of.end()) there[gone->second] = false;
    }
    // Before any leaf went: what neither the end of the text nor the branch sees, and all of that.
    for (std::int64_t tile = 0; tile < 9; ++tile) {
      bool seen = false;
      for (const std::int64_t end : {std::ssize(text), 4 * kTile}) {
        for (std::int64_t p = std::max<std::int64_t>(0, end - window + 1); p < end; ++p) {
          seen = seen || p / kTile == tile;
        }
      }
      EXPECT_EQ(there[static_cast<std::size_t>(tile)], seen) << "window " << window << ", " << tile;
    }
  }
}

// A sequence that computes again what is gone gives the windowed tiles back to the entries.
TEST_F(PrefixCacheTest, TilesThatAreGoneComeBackWithTheNextPublication) {
  Make(100, 50);
  const Tokens text = Words(8 * kTile, 1);
  Store(text);
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(cache_->Evict(1));
  EXPECT_EQ(Hit(First(text, 4 * kTile)), 0);
  Store(text);
  EXPECT_EQ(Hit(First(text, 4 * kTile)), 4 * kTile);
  EXPECT_EQ(cache_->counters().entries, 8);
}

TEST_F(PrefixCacheTest, AFullPoolEvictsByItselfAndNeverWhatIsHeld) {
  Make(100, 12);
  TestSequence kept(*pool_);
  const Tokens text = Words(3 * kTile + 5, 1);
  ASSERT_TRUE(kept.Append(text));
  cache_->Publish(0, text, kept.tiles(), true);
  for (std::uint32_t i = 0; i < 30; ++i) {
    Store(Words(4 * kTile, 10 + i));
    ASSERT_TRUE(kept.Holds()) << i;
    ASSERT_LE(pool_->use().reserved, pool_->use().budget);
  }
  EXPECT_GT(cache_->counters().evicted_entries, 50);
}

// Two tiles of budget, both used: going on inside the second needs no third.
TEST_F(PrefixCacheTest, ASequenceGoesOnInItsOwnPublishedTileWhereThePoolIsFull) {
  Make(100, 2);
  TestSequence sequence(*pool_);
  const Tokens text = Words(kTile + 20, 1);
  ASSERT_TRUE(sequence.Append(text));
  cache_->Publish(0, text, sequence.tiles(), true);
  ASSERT_EQ(pool_->available(0), 0u);
  ASSERT_TRUE(sequence.Append(Words(10, 2)));
  EXPECT_TRUE(sequence.Holds());
  EXPECT_EQ(cache_->Find(0, text, INT64_MAX), kTile);
}

TEST_F(PrefixCacheTest, CountersSayWhatLookupsFound) {
  Make(100, 50);
  const Tokens text = Words(100, 1);
  Hit(text);
  Store(text);
  Hit(First(text, 70));
  Hit(text, 0, 30);
  const PrefixCounters& counters = cache_->counters();
  EXPECT_EQ(counters.lookups, 3);
  EXPECT_EQ(counters.hits, 2);
  EXPECT_EQ(counters.hit_tokens, 100);
  EXPECT_EQ(counters.looked_up_tokens, 200);
  EXPECT_EQ(counters.entries, 2);
}

TEST_F(PrefixCacheTest, NothingIsPublishedOfNothing) {
  Make(100, 50);
  TestSequence sequence(*pool_);
  cache_->Publish(0, {}, sequence.tiles(), true);
  ASSERT_TRUE(sequence.Append(Words(10, 1)));
  cache_->Publish(0, sequence.tokens(), sequence.tiles(), false);
  EXPECT_EQ(cache_->counters().entries, 0);
  EXPECT_EQ(Hit(Words(10, 1)), 0);
}

// A model of which every layer has a window: an entry may lose all of its tiles.
TEST_F(PrefixCacheTest, LayersThatAllHaveAWindowLeaveNothingBehind) {
  pool_ =
      MakePoolOf(LayOut({{.heads = 1, .head_dim = 32, .window = 70}}, kernels::KvFormat::kF16), 40);
  cache_.emplace(*pool_, kSecret);
  for (std::uint32_t i = 0; i < 4; ++i) {
    TestSequence sequence(*pool_);
    const Tokens text = Words(6 * kTile, i);
    ASSERT_TRUE(sequence.Append(text));
    sequence.tiles().Release(sequence.size());
    cache_->Publish(0, text, sequence.tiles(), true);
  }
  for (std::uint32_t i = 0; i < 4; ++i) EXPECT_EQ(Hit(Words(6 * kTile, i)), 6 * kTile);
  while (cache_->Evict(0)) {
  }
  EXPECT_EQ(cache_->counters().entries, 0);
  EXPECT_EQ(pool_->use().used, 0u);
}

}  // namespace
}  // namespace cairn::kv
