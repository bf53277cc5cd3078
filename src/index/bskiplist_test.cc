// SPDX-License-Identifier: Apache-2.0
// One thread: answers against std::map, structure against the rules and against the shape that
// theory gives.
#include "index/bskiplist.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "index/bskiplist_inspect.h"

namespace cairn::index {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kLess = 10;  // sanitizers take ten times as long
#else
constexpr int kLess = 1;
#endif

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
using U64Map = BSkiplist<std::uint64_t, std::uint64_t>;
using SmallMap = BSkiplist<std::uint64_t, std::uint64_t, 8, 4>;
using Model = std::map<std::uint64_t, std::uint64_t>;

template <typename Map>
std::unique_ptr<Map> Make(std::uint64_t expected, std::uint64_t seed = 7) {
  return Map::Create({.expected_entries = expected, .seed = seed}).value();
}

template <typename Map>
void ExpectWhole(const Map& map) {
  const auto shape = BSkiplistInspector::Check(map);
  EXPECT_TRUE(shape.has_value()) << shape.error().message;
}

template <typename Map>
void ExpectSame(const Map& map, const Model& model) {
  ExpectWhole(map);
  ASSERT_EQ(map.size(), model.size());
  auto expected = model.begin();
  const std::size_t visited = map.ScanAll([&](std::span<const typename Map::Entry> entries) {
    for (const auto& [key, value] : entries) {
      ASSERT_NE(expected, model.end());
      ASSERT_EQ(key, expected->first);
      ASSERT_EQ(value, expected->second);
      ++expected;
    }
  });
  EXPECT_EQ(visited, model.size());
}

template <typename Map>
void ExpectLowerBound(const Map& map, const Model& model, std::uint64_t key) {
  const auto expected = model.lower_bound(key);
  const auto bound = map.LowerBound(key);
  ASSERT_EQ(bound.has_value(), expected != model.end());
  if (!bound) return;
  EXPECT_EQ(bound->key, expected->first);
  EXPECT_EQ(bound->value, expected->second);
}

template <typename Map>
void ExpectCopy(const Map& map, const Model& model, std::uint64_t from, std::size_t most) {
  std::vector<typename Map::Entry> out(most);
  const std::size_t n = map.CopyFrom(from, out);
  auto expected = model.lower_bound(from);
  for (std::size_t i = 0; i < n; ++i, ++expected) {
    ASSERT_NE(expected, model.end());
    ASSERT_EQ(out[i].key, expected->first);
    ASSERT_EQ(out[i].value, expected->second);
  }
  EXPECT_TRUE(n == most || expected == model.end());
}

// Mixed operations over `range` keys, so that equal keys are met often.
template <typename Map>
void RunAgainstModel(int operations, std::uint64_t range, std::uint64_t stride, unsigned seed) {
  SCOPED_TRACE("range " + std::to_string(range) + " stride " + std::to_string(stride) + " seed " +
               std::to_string(seed));
  auto map = Make<Map>(range, seed);
  Model model;
  std::mt19937_64 random(seed);
  for (int i = 0; i < operations; ++i) {
    const std::uint64_t key = random() % range * stride;
    const std::uint64_t value = random();
    switch (random() % 16) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        ASSERT_EQ(map->Insert(key, value).value(), model.insert_or_assign(key, value).second);
        break;
      case 5:
      case 6:
        ASSERT_EQ(map->InsertIfAbsent(key, value).value(), model.emplace(key, value).second);
        break;
      case 7:
      case 8:
      case 9:
      case 10: ASSERT_EQ(map->Erase(key), model.erase(key) == 1); break;
      case 11: ExpectLowerBound(*map, model, key); break;
      case 12: ExpectCopy(*map, model, key, value % 40); break;
      default: {
        const auto expected = model.find(key);
        const auto found = map->Find(key);
        ASSERT_EQ(found.has_value(), expected != model.end());
        if (found) {
          ASSERT_EQ(*found, expected->second);
        }
      }
    }
  }
  ExpectSame(*map, model);
}

TEST(BSkiplistTest, MixedOperationsAnswerAsAStdMap) {
  RunAgainstModel<U64Map>(1'000'000 / kLess, 50'000 / kLess, 1, 1);
}

TEST(BSkiplistTest, SmallNodesAnswerAsAStdMap) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    for (const std::uint64_t range : {3, 40, 1000}) {
      RunAgainstModel<SmallMap>(20'000 / kLess, range, 1, seed);
    }
  }
}

TEST(BSkiplistTest, MultiplesOfTheSpreadAnswerAsAStdMap) {
  RunAgainstModel<U64Map>(200'000 / kLess, 20'000, 64, 3);
  RunAgainstModel<U64Map>(200'000 / kLess, 20'000, 64 * 64, 4);
}

TEST(BSkiplistTest, AMapThatOutgrowsItsExpectationStaysRight) {
  auto map = Make<SmallMap>(1);  // one level: a list of nodes
  Model model;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const std::uint64_t key = i * 0x9e3779b97f4a7c15U;
    ASSERT_TRUE(map->Insert(key, i).value());
    model[key] = i;
  }
  ExpectSame(*map, model);
}

// Every order of few keys: all ways in which first keys, last keys and towers meet.
TEST(BSkiplistTest, EveryOrderOfSevenKeysInsertsAndErases) {
  std::vector<std::uint64_t> order(7), back(7);
  std::iota(order.begin(), order.end(), 0);
  int number = 0;
  do {
    auto map = Make<BSkiplist<std::uint64_t, std::uint64_t, 8, 2>>(1000, number % 50);
    for (const std::uint64_t key : order) ASSERT_TRUE(map->Insert(key, key).value());
    const auto shape = BSkiplistInspector::Check(*map);
    ASSERT_TRUE(shape.has_value()) << shape.error().message;
    back = order;
    std::rotate(back.begin(), back.begin() + number % 7, back.end());
    for (const std::uint64_t key : back) {
      ASSERT_TRUE(map->Erase(key));
      const auto left = BSkiplistInspector::Check(*map);
      ASSERT_TRUE(left.has_value()) << left.error().message << ", order " << number;
    }
    EXPECT_TRUE(map->empty());
    ++number;
  } while (std::ranges::next_permutation(order).found);
}

TEST(BSkiplistTest, AscendingAndDescendingKeysAreWhole) {
  constexpr std::uint64_t kKeys = 100'000 / kLess;
  auto up = Make<U64Map>(kKeys);
  auto down = Make<U64Map>(kKeys);
  Model model;
  for (std::uint64_t i = 0; i < kKeys; ++i) {
    ASSERT_TRUE(up->Insert(i, 3 * i).value());
    ASSERT_TRUE(down->Insert(kKeys - 1 - i, 3 * (kKeys - 1 - i)).value());
    model.emplace_hint(model.end(), i, 3 * i);
  }
  ExpectSame(*up, model);
  ExpectSame(*down, model);
}

TEST(BSkiplistTest, TheLeastAndTheGreatestKeyAreKeysAsOthers) {
  auto map = Make<U64Map>(100'000);
  Model model;
  for (const std::uint64_t key : {kMost, std::uint64_t{0}, kMost - 1, std::uint64_t{1}}) {
    EXPECT_TRUE(map->Insert(key, ~key).value());
    EXPECT_FALSE(map->InsertIfAbsent(key, 5).value());
    model[key] = ~key;
  }
  ExpectSame(*map, model);
  EXPECT_EQ(map->First()->key, 0U);
  EXPECT_EQ(map->LowerBound(2)->key, kMost - 1);
  EXPECT_TRUE(map->Erase(kMost));
  EXPECT_FALSE(map->LowerBound(kMost).has_value());
  EXPECT_TRUE(map->Erase(0));
  EXPECT_EQ(map->First()->key, 1U);
}

TEST(BSkiplistTest, AnEmptyMapHasNothing) {
  auto map = Make<U64Map>(1'000'000);
  EXPECT_TRUE(map->empty());
  EXPECT_EQ(map->size(), 0U);
  EXPECT_FALSE(map->Find(5).has_value());
  EXPECT_FALSE(map->Erase(5));
  EXPECT_FALSE(map->First().has_value());
  EXPECT_FALSE(map->LowerBound(0).has_value());
  EXPECT_EQ(map->ScanAll([](auto) { FAIL(); }), 0U);
}

TEST(BSkiplistTest, InsertAssignsAndInsertIfAbsentDoesNot) {
  // Keys of all heights: those above 0 find their equal on the way down.
  auto map = Make<SmallMap>(100'000);
  for (std::uint64_t key = 0; key < 5000; ++key) {
    ASSERT_TRUE(map->Insert(key, 1).value());
    ASSERT_FALSE(map->InsertIfAbsent(key, 2).value());
    ASSERT_EQ(map->Find(key), 1U);
    ASSERT_FALSE(map->Insert(key, 3).value());
    ASSERT_EQ(map->Find(key), 3U);
  }
  ExpectWhole(*map);
  EXPECT_EQ(map->size(), 5000U);
}

TEST(BSkiplistTest, EqualKeysTakeNoMemory) {
  auto map = Make<SmallMap>(100'000);
  for (std::uint64_t key = 0; key < 1000; ++key) ASSERT_TRUE(map->Insert(key, 1).value());
  const std::size_t bytes = map->bytes();
  for (int round = 0; round < 50; ++round) {
    for (std::uint64_t key = 0; key < 1000; ++key) ASSERT_FALSE(map->Insert(key, 1).value());
  }
  EXPECT_EQ(map->bytes(), bytes);
}

TEST(BSkiplistTest, AScanEndsWhereItIsTold) {
  auto map = Make<U64Map>(1000);
  for (std::uint64_t key = 0; key < 1000; ++key) ASSERT_TRUE(map->Insert(2 * key, key).value());
  std::vector<std::uint64_t> keys;
  const auto collect = [&](std::span<const U64Map::Entry> entries) {
    for (const auto& entry : entries) keys.push_back(entry.key);
  };
  EXPECT_EQ(map->Scan(501, 300, collect), 300U);
  ASSERT_EQ(keys.size(), 300U);
  EXPECT_EQ(keys.front(), 502U);
  EXPECT_EQ(keys.back(), 502U + 2 * 299);
  EXPECT_EQ(map->Scan(1990, 300, collect), 5U);
  EXPECT_EQ(map->Scan(1999, 300, collect), 0U);
  EXPECT_EQ(map->Scan(0, 0, collect), 0U);
  int calls = 0;
  map->Scan(0, 1000, [&](std::span<const U64Map::Entry>) { return ++calls < 2; });
  EXPECT_EQ(calls, 2);
}

TEST(BSkiplistTest, AScansCallbackMayUseTheMap) {
  auto map = Make<U64Map>(1000);
  for (std::uint64_t key = 0; key < 1000; ++key) ASSERT_TRUE(map->Insert(key, key).value());
  map->ScanAll([&](std::span<const U64Map::Entry> entries) {
    for (const auto& entry : entries) EXPECT_TRUE(map->Erase(entry.key));
  });
  EXPECT_TRUE(map->empty());
  ExpectWhole(*map);
}

// A queue: in at the end, out at the front. Nodes come back, memory does not grow.
TEST(BSkiplistTest, AQueueOfAThousandTakesNoMoreMemoryAfterAMillion) {
  auto map = Make<U64Map>(1000);
  std::size_t bytes = 0;
  for (std::uint64_t i = 0; i < 1'000'000 / kLess; ++i) {
    ASSERT_TRUE(map->Insert(i, i).value());
    if (i >= 1000) {
      ASSERT_EQ(map->First()->key, i - 1000);
      ASSERT_TRUE(map->Erase(i - 1000));
    }
    if (i == 50'000 / kLess) bytes = map->bytes();
  }
  EXPECT_LE(map->bytes(), 2 * bytes);
  ExpectWhole(*map);
}

TEST(BSkiplistTest, NoMemoryIsAnErrorAndLeavesTheMapAsItWas) {
  auto map = SmallMap::Create({.expected_entries = 100'000, .max_bytes = 200'000}).value();
  Model model;
  std::mt19937_64 random(5);
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t key = random() % 100'000;
    const Result<bool> inserted = map->Insert(key, i);
    if (inserted) {
      ASSERT_EQ(*inserted, model.insert_or_assign(key, i).second);
    } else {
      ASSERT_EQ(inserted.error().code, ErrorCode::kLimit);
      ASSERT_EQ(map->Find(key).has_value(), model.contains(key));
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
  EXPECT_GT(model.size(), 500U);
  EXPECT_LE(map->bytes(), 200'000U);
  ExpectSame(*map, model);
}

struct QueueKey {
  std::uint32_t priority, lane;
  std::uint64_t time, id;
  friend auto operator<=>(const QueueKey&, const QueueKey&) = default;
};
struct Record {
  std::uint64_t offset;
  std::uint32_t length, kind;
};

TEST(BSkiplistTest, KeysOfSeveralWordsAreOrderedByTheirOperator) {
  using Queue = BSkiplist<QueueKey, Record>;
  auto queue = Queue::Create({.expected_entries = 10'000}).value();
  std::map<QueueKey, std::uint64_t> model;
  std::mt19937_64 random(9);
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    const QueueKey key{static_cast<std::uint32_t>(random() % 3), 0, random() % 100, random() % 100};
    ASSERT_EQ(queue->Insert(key, {i, 1, 2}).value(), model.insert_or_assign(key, i).second);
  }
  ExpectWhole(*queue);
  while (!model.empty()) {
    const auto first = queue->First();
    ASSERT_TRUE(first.has_value());
    ASSERT_EQ(first->key, model.begin()->first);
    ASSERT_EQ(first->value.offset, model.begin()->second);
    ASSERT_EQ(first->value.kind, 2U);
    ASSERT_TRUE(queue->Erase(first->key));
    model.erase(model.begin());
  }
  EXPECT_TRUE(queue->empty());
}

TEST(BSkiplistTest, SmallKeysAndValuesComeBackWhole) {
  using Map = BSkiplist<std::int32_t, std::uint8_t>;
  auto map = Map::Create({.expected_entries = 10'000}).value();
  for (int key = -2000; key < 2000; ++key) ASSERT_TRUE(map->Insert(key, key & 255).value());
  ExpectWhole(*map);
  EXPECT_EQ(map->First()->key, -2000);
  for (int key = -2000; key < 2000; ++key) ASSERT_EQ(map->Find(key), key & 255);
}

// Node counts, fill and visited nodes of random keys as a simulation of the structure gives them:
// 20.4 thousand leaves (fill 0.38), 310 and 6 nodes above for a million keys, B = 128 and p = 64;
// a search of five levels visits 1.42, 1.36, 1.16, 1 and 1 nodes.
TEST(BSkiplistTest, TheShapeOfRandomKeysIsAsTheoryHasIt) {
  constexpr std::uint64_t kKeys = 1'000'000 / kLess;
  auto map = Make<U64Map>(std::uint64_t{1} << 30);
  std::mt19937_64 random(11);
  std::vector<std::uint64_t> keys(kKeys);
  for (std::uint64_t& key : keys) ASSERT_TRUE(map->Insert(key = random(), 0).value());
  const auto shape = BSkiplistInspector::Check(*map);
  ASSERT_TRUE(shape.has_value()) << shape.error().message;
  ASSERT_EQ(shape->size(), 5U);
  const double share = static_cast<double>(kKeys) / 1e6;
  EXPECT_NEAR(shape->at(0).nodes, 20'400 * share, 0.03 * 20'400 * share);
  if (kLess == 1) {
    EXPECT_NEAR(shape->at(1).nodes, 310, 5 * std::sqrt(310));
    EXPECT_NEAR(shape->at(2).nodes, 6, 6);
  }
  std::vector<double> visits(5);
  for (std::size_t i = 0; i < 100'000 / kLess; ++i) {
    const auto each = BSkiplistInspector::Visits(*map, keys[i]);
    for (int level = 0; level < 5; ++level) visits[level] += each[level] / (1e5 / kLess);
  }
  EXPECT_NEAR(visits[0], 1.42, 0.03 * 1.42);
  if (kLess == 1) {
    EXPECT_NEAR(visits[1], 1.36, 0.05 * 1.36);
  }
  EXPECT_LT(std::accumulate(visits.begin(), visits.end(), 0.0), 1.05 * 5.9);
  std::printf("shape: leaves %ld, inner %ld and %ld; visited %.2f %.2f %.2f %.2f %.2f\n",
              shape->at(0).nodes, shape->at(1).nodes, shape->at(2).nodes, visits[0], visits[1],
              visits[2], visits[3], visits[4]);
}

}  // namespace
}  // namespace cairn::index
