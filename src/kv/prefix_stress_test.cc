// SPDX-License-Identifier: Apache-2.0
// Sequences, pool and prefix cache together, at random, beside an oracle that keeps every text that
// was ever published.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <set>

#include "kv/prefix_cache.h"
#include "kv/test_sequence.h"

namespace cairn::kv {
namespace {

using Tokens = std::vector<std::int32_t>;

struct Case {
  std::uint32_t seed = 0;
  int window = 0;
  std::size_t tiles = 0;  // of budget
  int hash_bits = 32;
  KvBackend backend = KvBackend::kArena;
  int state_tiles = 0;  // 0: no states
};

class World {
 public:
  explicit World(const Case& c)
      : case_(c),
        random_(c.seed),
        pool_(MakePoolOf(TwoGroups(c.window, c.state_tiles), c.tiles, c.backend)) {
    cache_.emplace(*pool_, c.seed, c.hash_bits);
  }

  void Step() {
    switch (random_() % 16) {
      case 0:
      case 1:
      case 2: Begin(); break;
      case 3: End(); break;
      case 4: RollBack(); break;
      case 5: Fork(); break;
      case 6: PinOrUnpin(); break;
      case 7: Look(); break;
      case 8: Evict(); break;
      case 9:
      case 10: Publish(); break;
      default: Append(); break;
    }
  }

  void Check() {
    const KvUse use = pool_->use();
    ASSERT_LE(use.reserved, use.budget);
    ASSERT_EQ(use.used + use.kept, use.reserved);
    for (auto& live : live_) ASSERT_TRUE(live.sequence.Holds());
    for (const auto& [space, text] : pinned_) {
      ASSERT_GE(cache_->Pin(space, text), 0);
      cache_->Unpin(space, text);
    }
  }
  // With all sequences gone, what is left is the cache's, and it gives everything back.
  void Finish() {
    live_.clear();
    while (!pinned_.empty()) Unpin();
    std::size_t bytes = 0, most = 0, evicted = 0;
    for (int g = 0; g < groups(); ++g) {
      bytes += cache_->evictable(g) * pool_->tile_bytes(g);
      most += cache_->evictable(g);
    }
    ASSERT_EQ(pool_->use().used, bytes);
    while (cache_->Evict(AnyGroup())) ++evicted;
    ASSERT_LE(evicted, most);
    ASSERT_EQ(pool_->use().used, 0u);
    ASSERT_EQ(cache_->counters().entries, 0);
  }

  std::int64_t hits() const { return cache_->counters().hits; }
  std::int64_t refusals() const { return refusals_; }
  std::int64_t evicted() const { return cache_->counters().evicted_entries; }

 private:
  struct Live {
    CacheSpace space;
    TestSequence sequence;
  };

  std::int64_t Pick(std::int64_t from, std::int64_t to) {
    return from + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(to - from + 1));
  }
  int groups() const { return pool_->layout().groups(); }
  int AnyGroup() { return static_cast<int>(random_() % static_cast<std::uint32_t>(groups())); }
  Live& Any() { return live_[random_() % live_.size()]; }

  // Texts that begin alike often and differ at any place.
  Tokens Text() {
    Tokens text = Words(400, static_cast<std::uint32_t>(random_() % 3));
    text.resize(static_cast<std::size_t>(Pick(1, 400)));
    if (random_() % 2 == 0) {
      const Tokens rest = Words(Pick(1, 120), static_cast<std::uint32_t>(random_() % 4) + 10);
      text.insert(text.end(), rest.begin(), rest.end());
    }
    return text;
  }

  // The longest beginning that was ever published.
  std::int64_t Longest(CacheSpace space, const Tokens& text, std::int64_t most) const {
    std::int64_t longest = 0;
    for (const auto& published : published_) {
      if (published.first != space) continue;
      longest = std::max<std::int64_t>(longest, CommonTokens(published.second, text));
    }
    return std::min(longest, most);
  }

  void Begin() {
    if (live_.size() > 6) return End();
    const CacheSpace space = random_() % 4 == 0 ? 1 : 0;
    const Tokens text = Text();
    const std::int64_t most = random_() % 3 == 0 ? Pick(0, std::ssize(text)) : std::ssize(text);
    Live live{space, TestSequence(*pool_, space)};
    const std::int64_t found = cache_->Find(space, text, most);
    const std::int64_t hit = cache_->Take(space, text, most, live.sequence.tiles());
    ASSERT_EQ(hit, found);
    ASSERT_LE(hit, Longest(space, text, most));
    // Without pressure, windows and states nothing is ever missing.
    if (case_.window == 0 && case_.state_tiles == 0 && cache_->counters().evicted_entries == 0) {
      ASSERT_EQ(hit, Longest(space, text, most));
    }
    live.sequence.Adopt(std::span(text).first(static_cast<std::size_t>(hit)));
    ASSERT_TRUE(live.sequence.Holds());
    live_.push_back(std::move(live));
    Grow(live_.back(), std::span(text).subspan(static_cast<std::size_t>(hit)));
  }

  void Grow(Live& live, std::span<const std::int32_t> tokens) {
    const std::int64_t before = live.sequence.size();
    // Enough for both groups, and for a copy, together.
    const std::size_t wanted = (3 + tokens.size() / kTile) * KvPool::LeastBudget(pool_->layout());
    std::size_t can = pool_->use().budget - pool_->use().used;
    for (int g = 0; g < groups(); ++g) can += cache_->evictable(g) * pool_->tile_bytes(g);
    const auto grown = live.sequence.Append(tokens);
    if (grown) return;
    ++refusals_;
    ASSERT_EQ(grown.error().code, ErrorCode::kLimit);
    ASSERT_EQ(live.sequence.size(), before);
    // What mapped sequences took ahead is theirs.
    const std::size_t ahead = case_.backend == KvBackend::kArena ? 0 : live_.size();
    ASSERT_LT(can, wanted + ahead * KvPool::LeastBudget(pool_->layout()));
    End();
  }

  void Append() {
    if (live_.empty()) return Begin();
    Grow(Any(), Words(Pick(1, 90), static_cast<std::uint32_t>(random_() % 3) + 20));
  }

  void Publish(bool last = false) {
    if (live_.empty()) return;
    PublishOf(Any(), last || random_() % 4 == 0);
  }
  void PublishOf(Live& live, bool last) {
    const Tokens& tokens = live.sequence.tokens();
    cache_->Publish(live.space, tokens, live.sequence.tiles(), last);
    const std::int64_t size = last ? std::ssize(tokens) : std::ssize(tokens) / kTile * kTile;
    published_.insert({live.space, Tokens(tokens.begin(), tokens.begin() + size)});
    if (random_() % 2 == 0) live.sequence.tiles().Release(live.sequence.size());
  }

  void End() {
    if (live_.empty()) return;
    const std::size_t at = random_() % live_.size();
    if (random_() % 3 != 0) PublishOf(live_[at], random_() % 4 != 0);
    std::swap(live_[at], live_.back());
    live_.pop_back();
  }

  void RollBack() {
    if (live_.empty()) return;
    TestSequence& sequence = Any().sequence;
    sequence.Truncate(sequence.tiles().UsableSize(Pick(0, sequence.size())));
  }

  void Fork() {
    if (live_.empty() || live_.size() > 6) return;
    Live& live = Any();
    Live child{live.space, TestSequence(*pool_, live.space)};
    child.sequence.ForkFrom(live.sequence,
                            live.sequence.tiles().UsableSize(Pick(0, live.sequence.size())));
    ASSERT_TRUE(child.sequence.Holds());
    live_.push_back(std::move(child));
  }

  void PinOrUnpin() {
    if (pinned_.size() < 3 && random_() % 2 == 0) {
      pinned_.emplace_back(random_() % 4 == 0 ? 1 : 0, Text());
      cache_->Pin(pinned_.back().first, pinned_.back().second);
    } else if (!pinned_.empty()) {
      Unpin();
    }
  }
  void Unpin() {
    cache_->Unpin(pinned_.front().first, pinned_.front().second);
    pinned_.erase(pinned_.begin());
  }

  void Look() {
    TestSequence sequence(*pool_);
    const Tokens text = Text();
    const std::int64_t hit = cache_->Take(0, text, std::ssize(text), sequence.tiles());
    sequence.Adopt(std::span(text).first(static_cast<std::size_t>(hit)));
    ASSERT_TRUE(sequence.Holds());
  }

  // Evict frees what it says, of the group that is asked where that has something to give.
  void Evict() {
    if (case_.window == 0 && random_() % 4 != 0) return;
    const int group = AnyGroup();
    const std::size_t mine = cache_->evictable(group);
    std::size_t all = 0;
    for (int g = 0; g < groups(); ++g) all += cache_->evictable(g);
    const bool freed = cache_->Evict(group);
    ASSERT_EQ(freed, all > 0);
    if (mine > 0) {
      ASSERT_LT(cache_->evictable(group), mine);
    }
  }

  Case case_;
  std::mt19937 random_;
  std::unique_ptr<KvPool> pool_;
  std::optional<PrefixCache> cache_;
  std::vector<Live> live_;
  std::set<std::pair<CacheSpace, Tokens>> published_;
  std::vector<std::pair<CacheSpace, Tokens>> pinned_;
  std::int64_t refusals_ = 0;
};

class PrefixStressTest : public ::testing::TestWithParam<KvBackend> {};

// 600 steps, each checked, until one fails.
void StepAndCheck(World& world, std::uint32_t seed) {
  for (int step = 0; step < 600 && !::testing::Test::HasFailure(); ++step) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed << " step " << step);
    world.Step();
    if (!::testing::Test::HasFailure()) world.Check();
  }
}

TEST_P(PrefixStressTest, EveryTileHasTheTextThatItIsTakenFor) {
  std::int64_t hits = 0, refusals = 0, evicted = 0;
  const std::uint32_t seeds = GetParam() == KvBackend::kArena ? 24 : 12;
  for (std::uint32_t seed = 1; seed <= seeds; ++seed) {
    const Case c{.seed = seed,
                 .window = std::array{0, 100, 40, 250}[seed % 4],
                 .tiles = std::array<std::size_t, 3>{14, 40, 4000}[seed % 3],
                 .hash_bits = std::array{32, 2, 0}[seed / 2 % 3],
                 .backend = GetParam()};
    World world(c);
    StepAndCheck(world, seed);
    if (::testing::Test::HasFailure()) return;
    hits += world.hits();
    refusals += world.refusals();
    evicted += world.evicted();
    world.Finish();
    if (::testing::Test::HasFailure()) {
      FAIL() << "at the end of seed " << seed;
    }
  }
  EXPECT_GT(hits, 40 * seeds);
  EXPECT_GT(refusals, seeds / 3);
  EXPECT_GT(evicted, 20 * seeds);
}

TEST(PrefixStatesStressTest, StatesAreThoseOfTheTextThatTheyAreTakenFor) {
  std::int64_t hits = 0, evicted = 0;
  constexpr std::uint32_t kSeeds = 16;
  for (std::uint32_t seed = 1; seed <= kSeeds; ++seed) {
    World world({.seed = seed,
                 .window = std::array{0, 100}[seed % 2],
                 .tiles = std::array<std::size_t, 3>{14, 40, 4000}[seed % 3],
                 .hash_bits = std::array{32, 2}[seed / 2 % 2],
                 .state_tiles = std::array{1, 3}[seed / 4 % 2]});
    StepAndCheck(world, seed);
    if (::testing::Test::HasFailure()) return;
    hits += world.hits();
    evicted += world.evicted();
    world.Finish();
    if (::testing::Test::HasFailure()) FAIL() << "at the end of seed " << seed;
  }
  EXPECT_GT(hits, 20 * kSeeds);
  EXPECT_GT(evicted, 10 * kSeeds);
}

INSTANTIATE_TEST_SUITE_P(Backends, PrefixStressTest,
                         ::testing::Values(KvBackend::kArena, KvBackend::kMapped),
                         [](const auto& info) {
                           return info.param == KvBackend::kArena ? "arena" : "mapped";
                         });

}  // namespace
}  // namespace cairn::kv
