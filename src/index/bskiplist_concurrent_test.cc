// SPDX-License-Identifier: Apache-2.0
// Several threads: each owns some keys and knows what they hold, scans check what must be there,
// and the structure is whole at the end. Failures name the seed.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "index/bskiplist.h"
#include "index/bskiplist_inspect.h"

namespace cairn::index {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kLess = 10;
#else
constexpr int kLess = 1;
#endif

using U64Map = BSkiplist<std::uint64_t, std::uint64_t>;
using SmallMap = BSkiplist<std::uint64_t, std::uint64_t, 8, 4>;

// Ends the threads that look at it, also when an assertion leaves the test.
class StopFlag {
 public:
  ~StopFlag() { stop_ = true; }
  void Set() { stop_ = true; }
  explicit operator bool() const { return stop_; }

 private:
  std::atomic<bool> stop_{false};
};

template <typename Map>
void ExpectWhole(const Map& map) {
  const auto shape = BSkiplistInspector::Check(map);
  EXPECT_TRUE(shape.has_value()) << shape.error().message;
}

// Keys of thread t are t modulo the number of threads, so that all share all nodes.
template <typename Map>
void RunOwners(int threads, int operations, std::uint64_t keys_each, unsigned seed) {
  auto map = Map::Create({.expected_entries = threads * keys_each, .seed = seed}).value();
  std::vector<std::map<std::uint64_t, std::uint64_t>> models(threads);
  {
    std::vector<std::jthread> workers;
    for (int t = 0; t < threads; ++t) {
      workers.emplace_back([&, t] {
        auto& model = models[t];
        std::mt19937_64 random(seed * 100 + t);
        for (int i = 0; i < operations; ++i) {
          const std::uint64_t key = random() % keys_each * threads + t;
          const std::uint64_t value = random();
          switch (random() % 8) {
            case 0:
            case 1:
            case 2:
              ASSERT_EQ(map->Insert(key, value).value(), model.insert_or_assign(key, value).second)
                  << "seed " << seed << " thread " << t << " operation " << i;
              break;
            case 3:
              ASSERT_EQ(map->InsertIfAbsent(key, value).value(), model.emplace(key, value).second)
                  << "seed " << seed << " thread " << t << " operation " << i;
              break;
            case 4:
            case 5:
              ASSERT_EQ(map->Erase(key), model.erase(key) == 1)
                  << "seed " << seed << " thread " << t << " operation " << i;
              break;
            default: {
              const auto found = map->Find(key);
              const auto expected = model.find(key);
              ASSERT_EQ(found.has_value(), expected != model.end())
                  << "seed " << seed << " thread " << t << " operation " << i << " key " << key;
              if (found) {
                ASSERT_EQ(*found, expected->second) << "seed " << seed << " thread " << t;
              }
            }
          }
        }
      });
    }
  }
  ExpectWhole(*map);
  std::map<std::uint64_t, std::uint64_t> all;
  for (const auto& model : models) all.insert(model.begin(), model.end());
  auto expected = all.begin();
  map->ScanAll([&](std::span<const typename Map::Entry> entries) {
    for (const auto& entry : entries) {
      ASSERT_NE(expected, all.end());
      ASSERT_EQ(entry.key, expected->first);
      ASSERT_EQ(entry.value, expected->second);
      ++expected;
    }
  });
  EXPECT_EQ(expected, all.end());
}

TEST(BSkiplistConcurrentTest, OwnersOfKeysFindWhatTheyPut) {
  for (unsigned seed = 1; seed <= 3; ++seed) RunOwners<U64Map>(4, 200'000 / kLess, 20'000, seed);
}

TEST(BSkiplistConcurrentTest, OwnersOfFewKeysInSmallNodesFindWhatTheyPut) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    RunOwners<SmallMap>(8, 50'000 / kLess, 10, seed);
    RunOwners<SmallMap>(3, 100'000 / kLess, 300, seed);
  }
}

// Multiples of 64 stay; between them others come and go, promoted ones too, so that nodes split,
// join and vanish under the scans.
TEST(BSkiplistConcurrentTest, ScansSeeEveryStableKeyInOrderAndOnce) {
  constexpr std::uint64_t kStable = 2000, kStep = 64;
  auto map = SmallMap::Create({.expected_entries = kStable * kStep}).value();
  for (std::uint64_t i = 0; i < kStable; ++i) ASSERT_TRUE(map->Insert(i * kStep, i).value());
  std::vector<std::jthread> writers;
  StopFlag stop;
  for (int t = 0; t < 3; ++t) {
    writers.emplace_back([&, t] {
      std::mt19937_64 random(t);
      while (!stop) {
        const std::uint64_t key = random() % (kStable * kStep);
        if (key % kStep == 0) continue;
        if (random() % 2 == 0) {
          ASSERT_TRUE(map->Insert(key, key ^ 0xabcd).has_value());
        } else {
          map->Erase(key);
        }
      }
    });
  }
  for (int round = 0; round < 100 / kLess; ++round) {
    std::uint64_t next_stable = 0, last = 0;
    bool first = true;
    map->ScanAll([&](std::span<const SmallMap::Entry> entries) {
      for (const auto& [key, value] : entries) {
        ASSERT_TRUE(first || key > last) << key << " after " << last;
        first = false;
        last = key;
        if (key % kStep == 0) {
          ASSERT_EQ(key, next_stable * kStep);
          ASSERT_EQ(value, next_stable);
          ++next_stable;
        } else {
          ASSERT_EQ(value, key ^ 0xabcd);
        }
      }
    });
    ASSERT_EQ(next_stable, kStable);
  }
  stop.Set();
  writers.clear();
  ExpectWhole(*map);
}

// All threads erase and insert the same keys: each success of one is a success of nobody else.
TEST(BSkiplistConcurrentTest, ErasesAndInsertsOfTheSameKeysSumUp) {
  constexpr int kThreads = 6;
  constexpr std::uint64_t kKeys = 64;
  auto map =
      BSkiplist<std::uint64_t, std::uint64_t, 8, 2>::Create({.expected_entries = 100'000}).value();
  std::array<std::array<std::int64_t, kKeys>, kThreads> balance{};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937_64 random(t);
        for (int i = 0; i < 200'000 / kLess; ++i) {
          const std::uint64_t key = random() % kKeys;
          if (random() % 2 == 0) {
            balance[t][key] += map->InsertIfAbsent(key, key).value() ? 1 : 0;
          } else {
            balance[t][key] -= map->Erase(key) ? 1 : 0;
          }
        }
      });
    }
  }
  ExpectWhole(*map);
  for (std::uint64_t key = 0; key < kKeys; ++key) {
    std::int64_t sum = 0;
    for (int t = 0; t < kThreads; ++t) sum += balance[t][key];
    EXPECT_EQ(sum, map->Find(key).has_value() ? 1 : 0) << "key " << key;
  }
}

// Two waves, one putting ahead of the other taking: nodes are retired all the time and come back.
TEST(BSkiplistConcurrentTest, RetiredNodesAreReusedAndTheirNumberIsBounded) {
  constexpr std::uint64_t kAhead = 5000;
  const std::uint64_t keys = 1'000'000 / kLess;
  auto map = SmallMap::Create({.expected_entries = kAhead}).value();
  std::atomic<std::uint64_t> put{0}, taken{0};
  std::atomic<bool> done{false};
  std::size_t most_retired = 0;
  std::jthread putter([&] {
    for (std::uint64_t i = 0; i < keys; ++i) {
      while (i > taken.load() + kAhead) std::this_thread::yield();
      ASSERT_TRUE(map->Insert(i, i).value());
      put = i + 1;
    }
  });
  std::jthread reader([&] {
    while (!done) {
      const std::uint64_t from = taken.load();
      const auto entry = map->LowerBound(from);
      if (entry) {
        ASSERT_EQ(entry->key, entry->value);
      }
    }
  });
  for (std::uint64_t i = 0; i < keys; ++i) {
    while (i >= put.load()) std::this_thread::yield();
    ASSERT_TRUE(map->Erase(i));
    taken = i + 1;
    most_retired = std::max(most_retired, map->retired_nodes());
  }
  done = true;
  putter.join();
  reader.join();
  ExpectWhole(*map);
  EXPECT_TRUE(map->empty());
  // The room of the epochs, and what one more erase retires.
  EXPECT_LE(most_retired, 4096U + Heights::kMostLevels);
  EXPECT_LT(map->bytes(), std::size_t{16} << 20);
  for (int i = 0; i < 3; ++i) BSkiplistInspector::Epochs(*map).Collect();
  EXPECT_EQ(map->retired_nodes(), 0U);
}

struct Wide {
  std::uint64_t a, b, c;
  friend auto operator<=>(const Wide&, const Wide&) = default;
};
struct Pair {
  std::uint64_t x, y;
};

TEST(BSkiplistConcurrentTest, LongKeysAreNeverSeenTorn) {
  auto map = BSkiplist<Wide, Pair, 16, 4>::Create({.expected_entries = 1000}).value();
  std::vector<std::jthread> writers;
  StopFlag stop;
  for (int t = 0; t < 2; ++t) {
    writers.emplace_back([&, t] {
      std::mt19937_64 random(t);
      while (!stop) {
        const std::uint64_t k = random() % 500, v = random();
        const Wide key{k, ~k, k * 3};
        if (v % 3 == 0) {
          map->Erase(key);
        } else {
          ASSERT_TRUE(map->Insert(key, {v, ~v}).has_value());
        }
      }
    });
  }
  std::mt19937_64 random(99);
  for (int i = 0; i < 200'000 / kLess; ++i) {
    const std::uint64_t k = random() % 500;
    const auto entry = map->LowerBound({k, 0, 0});
    if (entry) {
      ASSERT_GE(entry->key.a, k);
      ASSERT_EQ(entry->key.b, ~entry->key.a);
      ASSERT_EQ(entry->key.c, entry->key.a * 3);
      ASSERT_EQ(entry->value.y, ~entry->value.x);
    }
  }
  stop.Set();
  writers.clear();
  ExpectWhole(*map);
}

// Stops the thread that asked for it between two levels, until it may go on.
struct StopBetweenLevels {
  static thread_local bool wanted;
  static std::atomic<bool> stopped, go;
  static void At(PausePoint point) {
    if (!wanted || point != PausePoint::kBetweenLevels) return;
    wanted = false;
    stopped = true;
    while (!go) std::this_thread::yield();
  }
};
thread_local bool StopBetweenLevels::wanted = false;
std::atomic<bool> StopBetweenLevels::stopped{false}, StopBetweenLevels::go{false};

// A writer stands half way down with a key of height 2, while another thread asks about the key and
// then looks at the leaves from a side that the writer has not locked.
class HalfWayTest : public ::testing::Test {
 protected:
  using Map = BSkiplist<std::uint64_t, std::uint64_t, 8, 2, StopBetweenLevels>;
  static constexpr std::uint64_t kLow = 1;

  HalfWayTest() {
    StopBetweenLevels::stopped = StopBetweenLevels::go = false;
    EXPECT_TRUE(map_->Insert(kLow, 0).has_value());
    // A node of level 1 between the head and the key, so that the way from the left is free.
    std::uint64_t wall = kLow + 1;
    while (BSkiplistInspector::HeightOf(*map_, wall) < 2) ++wall;
    EXPECT_TRUE(map_->Insert(wall, 0).has_value());
    key_ = wall + 1;
    while (BSkiplistInspector::HeightOf(*map_, key_) != 2) ++key_;
  }

  // What `ask` answers, and whether a scan that begins after the answer sees the key. It may have
  // to wait for the writer, who goes on after a while or when the other is through.
  template <typename Write, typename Ask>
  std::pair<bool, bool> AskHalfWay(Write&& write, Ask&& ask) {
    std::pair<bool, bool> answers;
    std::atomic<bool> asked{false};
    std::jthread writer([&] {
      StopBetweenLevels::wanted = true;
      write();
    });
    while (!StopBetweenLevels::stopped) std::this_thread::yield();
    std::jthread other([&] {
      answers.first = ask();
      map_->Scan(kLow, 100, [&](std::span<const Map::Entry> entries) {
        for (const Map::Entry& entry : entries) answers.second |= entry.key == key_;
      });
      asked = true;
    });
    for (int i = 0; i < 50 && !asked; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    StopBetweenLevels::go = true;
    other.join();
    writer.join();
    ExpectWhole(*map_);
    return answers;
  }

  std::unique_ptr<Map> map_ = Map::Create({.expected_entries = 1000}).value();
  std::uint64_t key_ = 0;
};

TEST_F(HalfWayTest, WhoIsToldThatAKeyExistsSeesItInScans) {
  const auto [is_new, seen] = AskHalfWay([&] { EXPECT_TRUE(map_->Insert(key_, 1).value()); },
                                         [&] { return map_->InsertIfAbsent(key_, 2).value(); });
  EXPECT_FALSE(is_new);
  EXPECT_TRUE(seen);
}

TEST_F(HalfWayTest, WhoIsToldThatAKeyIsGoneDoesNotSeeItInScans) {
  ASSERT_TRUE(map_->Insert(key_, 1).value());
  const auto [erased, seen] =
      AskHalfWay([&] { EXPECT_TRUE(map_->Erase(key_)); }, [&] { return map_->Erase(key_); });
  EXPECT_FALSE(erased);
  EXPECT_FALSE(seen);
}

TEST_F(HalfWayTest, AnErasedKeyCanBeInsertedBehindItsEraser) {
  ASSERT_TRUE(map_->Insert(key_, 1).value());
  const auto [is_new, seen] = AskHalfWay([&] { EXPECT_TRUE(map_->Erase(key_)); },
                                         [&] { return map_->Insert(key_, 2).value(); });
  EXPECT_TRUE(is_new);
  EXPECT_TRUE(seen);
  EXPECT_EQ(map_->Find(key_), 2U);
}

}  // namespace
}  // namespace cairn::index
