// SPDX-License-Identifier: Apache-2.0
// Every algorithm against the standard one, over executors, chunkers and lengths that hurt.
#include "parallel/algorithms.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <deque>
#include <numeric>
#include <stdexcept>
#include <string>

#include "parallel/algorithms_reduce.h"
#include "parallel/algorithms_sort.h"

namespace cairn::parallel {
namespace {

std::unique_ptr<Executor> MadeUp(int nodes, int units) {
  return std::move(*Executor::Create(NumaDomains(MadeUpMachine(nodes, units)), {.pin = false}));
}

// Calls check(policy) for the sequential one and for every kind of parallel one.
template <typename Check>
void ForEveryPolicy(const Check& check) {
  check(kSeq);
  for (const auto& [nodes, units] : {std::pair{1, 1}, {1, 2}, {3, 1}, {2, 2}}) {
    SCOPED_TRACE(std::to_string(nodes) + " nodes of " + std::to_string(units));
    const auto executor = MadeUp(nodes, units);
    check(kPar.On(*executor));
    check(kPar.On(*executor).With(StaticChunk{5}));
    check(kPar.On(*executor).With(DynamicChunk{3}));
    check(kPar.On(*executor).With(GuidedChunk{2}));
    check(kPar.On(*executor).With(AutoChunk{}));
  }
}

std::vector<int> Numbers(std::size_t n, std::uint32_t most = 1000) {
  std::vector<int> numbers;
  std::uint64_t state = 88172645463325252ull + n;
  for (std::size_t i = 0; i < n; ++i) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    numbers.push_back(static_cast<int>(state % most));
  }
  return numbers;
}

constexpr std::size_t kLengths[] = {0, 1, 2, 7, 8, 9, 101, 1000, 4096, 4097, 30'011};

TEST(AlgorithmsTest, ForEachVisitsEveryElementOnce) {
  ForEveryPolicy([](const auto& policy) {
    for (const std::size_t n : kLengths) {
      std::vector<int> values(n, 1);
      ForEach(policy, values.begin(), values.end(), [](int& value) { value += 2; });
      EXPECT_EQ(values, std::vector<int>(n, 3));
    }
  });
}

TEST(AlgorithmsTest, ForEachIndexAndChunkCoverTheRange) {
  ForEveryPolicy([](const auto& policy) {
    std::vector<int> values(1003, 0);
    ForEachIndex(policy, 1003, [&](std::int64_t i) { ++values[static_cast<std::size_t>(i)]; });
    ForEachChunk(policy, 1003, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) ++values[static_cast<std::size_t>(i)];
    });
    EXPECT_EQ(values, std::vector<int>(1003, 2));
  });
}

TEST(AlgorithmsTest, FillAndCopyReachEveryElement) {
  ForEveryPolicy([](const auto& policy) {
    for (const std::size_t n : kLengths) {
      const std::vector<int> from = Numbers(n);
      std::vector<int> to(n + 1, -1);
      Copy(policy, from.begin(), from.end(), to.begin());
      EXPECT_TRUE(std::equal(from.begin(), from.end(), to.begin()));
      EXPECT_EQ(to.back(), -1) << "one element too many";
      Fill(policy, to.begin(), to.end() - 1, 9);
      EXPECT_EQ(std::count(to.begin(), to.end(), 9), static_cast<std::ptrdiff_t>(n));
    }
  });
}

TEST(AlgorithmsTest, CopyConvertsAndTakesAnyRandomAccess) {
  ForEveryPolicy([](const auto& policy) {
    const std::deque<int> from = {3, 1, 2};
    std::vector<double> to(3);
    Copy(policy, from.begin(), from.end(), to.begin());
    EXPECT_EQ(to, (std::vector<double>{3, 1, 2}));
    const std::vector<std::string> words(500, "a word that is too long to lie in the string");
    std::vector<std::string> copies(500);
    Copy(policy, words.begin(), words.end(), copies.begin());
    EXPECT_EQ(copies, words);
  });
}

TEST(AlgorithmsTest, TransformOfOneAndOfTwoRangesEqualsTheLoop) {
  ForEveryPolicy([](const auto& policy) {
    for (const std::size_t n : kLengths) {
      std::vector<int> a = Numbers(n);
      const std::vector<int> b = Numbers(n, 77);
      std::vector<int> sum(n), expected(n);
      std::transform(a.begin(), a.end(), b.begin(), expected.begin(), std::plus<>());
      Transform(policy, a.begin(), a.end(), b.begin(), sum.begin(), std::plus<>());
      EXPECT_EQ(sum, expected);
      for (int& value : expected) value *= 3;
      Transform(policy, sum.begin(), sum.end(), sum.begin(), [](int x) { return 3 * x; });
      EXPECT_EQ(sum, expected) << "in place";
    }
  });
}

// A non-commutative operation: any swap shows.
TEST(ReduceTest, KeepsTheOrderOfTheElements) {
  ForEveryPolicy([](const auto& policy) {
    for (const std::size_t n : {0, 1, 7, 8, 9, 4097, 9001}) {
      std::vector<std::string> letters;
      for (std::size_t i = 0; i < n; ++i) letters.emplace_back(1, static_cast<char>('a' + i % 26));
      const std::string expected =
          std::accumulate(letters.begin(), letters.end(), std::string(">"));
      EXPECT_EQ(Reduce(policy, letters.begin(), letters.end(), std::string(">")), expected);
    }
  });
}

TEST(ReduceTest, SumOfFloatsIsTheSameBitsForEveryPolicy) {
  std::vector<float> values;
  for (const int number : Numbers(100'003, 1'000'000)) {
    values.push_back(std::ldexp(static_cast<float>(number), number % 40 - 20));
  }
  const float expected = Reduce(kSeq, values.begin(), values.end(), 0.0f);
  double exact = 0;
  for (const float value : values) exact += value;
  EXPECT_NEAR(expected, exact, exact * 1e-6);
  ForEveryPolicy([&](const auto& policy) {
    const float sum = Reduce(policy, values.begin(), values.end(), 0.0f);
    EXPECT_EQ(std::bit_cast<std::uint32_t>(sum), std::bit_cast<std::uint32_t>(expected));
  });
}

TEST(ReduceTest, TransformReduceOfOneAndOfTwoRanges) {
  ForEveryPolicy([](const auto& policy) {
    for (const std::size_t n : kLengths) {
      const std::vector<int> a = Numbers(n), b = Numbers(n, 50);
      const auto square = [](int x) { return std::int64_t{x} * x; };
      std::int64_t squares = 5, dot = 5;
      for (std::size_t i = 0; i < n; ++i) {
        squares += square(a[i]);
        dot += std::int64_t{a[i]} * b[i];
      }
      EXPECT_EQ(TransformReduce(policy, a.begin(), a.end(), std::int64_t{5}, std::plus<>(), square),
                squares);
      EXPECT_EQ(TransformReduce(policy, a.begin(), a.end(), b.begin(), std::int64_t{5},
                                std::plus<>(), [](int x, int y) { return std::int64_t{x} * y; }),
                dot);
    }
  });
}

TEST(ReduceTest, LeavesDependOnTheNumberOfElementsAlone) {
  EXPECT_EQ(LeavesOf(0), 1);
  EXPECT_EQ(LeavesOf(kLeafElements), 1);
  EXPECT_EQ(LeavesOf(kLeafElements + 1), 2);
  EXPECT_EQ(LeavesOf(kMostElements), kMostLeaves);
}

TEST(ScanTest, EqualsTheStandardScansAlsoInPlace) {
  ForEveryPolicy([](const auto& policy) {
    for (const std::size_t n : kLengths) {
      const std::vector<int> in = Numbers(n);
      std::vector<int> expected(n), out(n), same = in;
      std::inclusive_scan(in.begin(), in.end(), expected.begin());
      InclusiveScan(policy, in.begin(), in.end(), out.begin());
      EXPECT_EQ(out, expected);
      InclusiveScan(policy, same.begin(), same.end(), same.begin());
      EXPECT_EQ(same, expected);
      std::exclusive_scan(in.begin(), in.end(), expected.begin(), 100);
      ExclusiveScan(policy, in.begin(), in.end(), out.begin(), 100);
      EXPECT_EQ(out, expected);
      same = in;
      ExclusiveScan(policy, same.begin(), same.end(), same.begin(), 100);
      EXPECT_EQ(same, expected);
    }
  });
}

TEST(ScanTest, KeepsTheOrderOfTheElements) {
  const auto append = [](std::string a, const std::string& b) {  // the last three letters
    a += b;
    return a.size() > 3 ? a.substr(a.size() - 3) : a;
  };
  std::vector<std::string> in, expected(9001), out(9001);
  for (int i = 0; i < 9001; ++i) in.emplace_back(1, static_cast<char>('a' + i * 7 % 26));
  std::inclusive_scan(in.begin(), in.end(), expected.begin(), append);
  ForEveryPolicy([&](const auto& policy) {
    InclusiveScan(policy, in.begin(), in.end(), out.begin(), append);
    EXPECT_EQ(out, expected);
  });
}

struct Card {
  int key;
  std::size_t place;
  bool operator==(const Card&) const = default;
};

TEST(SortTest, IsTheStableOrder) {
  ForEveryPolicy([](const auto& policy) {
    for (const std::size_t n : {0, 1, 2, 100, 4095, 4096, 4097, 20'011, 50'000}) {
      for (const std::uint32_t most : {1u, 7u, 1'000'000u}) {
        std::vector<Card> cards;
        for (const int number : Numbers(n, most)) cards.push_back({number, cards.size()});
        std::vector<Card> expected = cards;
        const auto less = [](const Card& a, const Card& b) { return a.key < b.key; };
        std::stable_sort(expected.begin(), expected.end(), less);
        ASSERT_TRUE(Sort(policy, cards.begin(), cards.end(), less).has_value());
        EXPECT_EQ(cards, expected) << n << " cards of " << most;
      }
    }
  });
}

TEST(SortTest, SortedAndReversedRangesAndOwningElements) {
  const auto executor = MadeUp(2, 2);
  std::vector<std::string> words;
  for (int i = 0; i < 20'000; ++i)
    words.push_back("a long word with the number " + std::to_string(i));
  std::ranges::sort(words);
  const std::vector<std::string> expected = words;
  ASSERT_TRUE(Sort(kPar.On(*executor), words.begin(), words.end()).has_value());
  EXPECT_EQ(words, expected);
  std::ranges::reverse(words);
  ASSERT_TRUE(Sort(kPar.On(*executor), words.begin(), words.end()).has_value());
  EXPECT_EQ(words, expected);
}

TEST(SortTest, ComparisonThatThrowsLeavesValidElements) {
  const auto executor = MadeUp(1, 4);
  for (const int after : {0, 1000, 100'000, 250'000}) {
    std::vector<std::string> words;
    for (const int number : Numbers(20'000)) words.push_back(std::to_string(number));
    std::atomic<int> left{after};
    EXPECT_THROW(IgnoreResult(Sort(kPar.On(*executor), words.begin(), words.end(),
                                   [&](const std::string& a, const std::string& b) {
                                     if (left-- <= 0) throw std::runtime_error("no");
                                     return a < b;
                                   }),
                              "it throws"),
                 ExceptionList);
    for (std::string& word : words) word += "x";  // the sanitizers look at it
  }
}

TEST(AlgorithmsTest, ExceptionsAreOneListForEveryPolicy) {
  ForEveryPolicy([](const auto& policy) {
    const std::vector<int> values(1000, 1);
    const auto refuse = [](int value) -> int { throw std::runtime_error(std::to_string(value)); };
    std::vector<int> out(1000);
    EXPECT_THROW(ForEach(policy, values.begin(), values.end(), refuse), ExceptionList);
    EXPECT_THROW(Transform(policy, values.begin(), values.end(), out.begin(), refuse),
                 ExceptionList);
    EXPECT_THROW(TransformReduce(policy, values.begin(), values.end(), 0, std::plus<>(), refuse),
                 ExceptionList);
    EXPECT_THROW(ForEach(policy, values.begin(), values.end(), [](int) { throw std::bad_alloc(); }),
                 std::bad_alloc);
  });
}

TEST(AlgorithmsTest, NestInOneAnother) {
  const auto executor = MadeUp(1, 2);
  std::vector<std::vector<int>> rows(10, std::vector<int>(9000, 1));
  std::vector<int> sums(10);
  Transform(kPar.On(*executor).With(DynamicChunk{1}), rows.begin(), rows.end(), sums.begin(),
            [&](const std::vector<int>& row) {
              return Reduce(kPar.On(*executor), row.begin(), row.end(), 0);
            });
  EXPECT_EQ(sums, std::vector<int>(10, 9000));
}

}  // namespace
}  // namespace cairn::parallel
