// SPDX-License-Identifier: Apache-2.0
// The same code on the processor and on the loopback device: in the tests below the places differ
// in three types, their executor, their allocator and (through it) their pointer.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <stdexcept>

#include "parallel/algorithms.h"
#include "parallel/algorithms_reduce.h"
#include "parallel/algorithms_sort.h"
#include "parallel/loopback_executor.h"
#include "parallel/vector.h"

namespace cairn::parallel {
namespace {

struct Processor {
  using ExecutorType = Executor;
  template <typename T>
  using Allocator = BlockAllocator<T>;

  std::unique_ptr<Executor> owned =
      std::move(*Executor::Create(NumaDomains(MadeUpMachine(2, 2)), {.pin = false}));
  Executor& executor = *owned;
};

struct Loopback {
  using ExecutorType = LoopbackExecutor;
  template <typename T>
  using Allocator = LoopbackAllocator<T>;

  std::unique_ptr<LoopbackDevice> device = std::move(*LoopbackDevice::Create());
  LoopbackExecutor executor{*device};
};

template <typename Place>
class PlacesTest : public ::testing::Test {
 protected:
  template <typename T>
  using VectorOf = Vector<T, typename Place::template Allocator<T>>;

  template <typename T>
  VectorOf<T> Made(std::size_t n, T value = {}) {
    return std::move(
        *VectorOf<T>::Create(typename Place::template Allocator<T>(executor()), n, value));
  }
  template <typename T>
  VectorOf<T> From(const std::vector<T>& values) {
    auto vector = Made<T>(values.size());
    Copy(policy(), values.begin(), values.end(), vector.begin());
    return vector;
  }
  template <typename T>
  std::vector<T> Back(const VectorOf<T>& vector) {
    std::vector<T> values(vector.size());
    Copy(policy(), vector.begin(), vector.end(), values.begin());
    return values;
  }
  auto& executor() { return place_.executor; }
  auto policy() { return kPar.On(executor()); }

  Place place_;
};
using Places = ::testing::Types<Processor, Loopback>;
TYPED_TEST_SUITE(PlacesTest, Places);

std::vector<int> Numbers(std::size_t n) {
  std::vector<int> numbers(n);
  std::uint32_t state = 12345;
  for (int& number : numbers)
    number = static_cast<int>((state = state * 1664525 + 1013904223) >> 20);
  return numbers;
}
constexpr std::size_t kLengths[] = {0, 1, 7, 1023, 1024, 1025, 30'011};

TYPED_TEST(PlacesTest, CopiesThereAndBackKeepTheValues) {
  for (const std::size_t n : kLengths) {
    const std::vector<int> values = Numbers(n);
    const auto there = this->From(values);
    const auto again = this->template Made<int>(n);
    Copy(this->policy(), there.begin(), there.end(), again.begin());
    EXPECT_EQ(this->Back(again), values);
  }
}

TYPED_TEST(PlacesTest, ElementsAreReadWrittenAndAssignedToOneAnother) {
  auto vector = this->template Made<double>(3, 1.5);
  vector[0] = 4.0;
  vector[1] = vector[0];
  vector[0] = 8.0;
  EXPECT_EQ(this->Back(vector), (std::vector<double>{8, 4, 1.5}));
  EXPECT_EQ(vector[1], 4.0);
}

TYPED_TEST(PlacesTest, FillForEachAndTransformEqualTheLoops) {
  for (const std::size_t n : kLengths) {
    const std::vector<int> a = Numbers(n);
    auto in = this->From(a);
    auto out = this->template Made<int>(n);
    const auto policy = this->policy().With(DynamicChunk{3});
    Transform(policy, in.begin(), in.end(), out.begin(), [](int x) { return 3 * x; });
    Transform(policy, in.begin(), in.end(), out.begin(), out.begin(), std::minus<>());
    ForEach(policy, out.begin(), out.end(), [](int& x) { x += 1; });
    std::vector<int> expected = a;
    for (int& x : expected) x = 1 - 2 * x;
    EXPECT_EQ(this->Back(out), expected);
    Fill(policy, out.begin(), out.end(), 6);
    EXPECT_EQ(this->Back(out), std::vector<int>(n, 6));
  }
}

TYPED_TEST(PlacesTest, IndicesAndChunksReachTheDataThroughLocal) {
  auto vector = this->template Made<int>(5000);
  const auto at = this->policy().Local(vector.begin());
  ForEachIndex(this->policy(), 5000, [at](std::int64_t i) { at[i] += static_cast<int>(i); });
  ForEachChunk(this->policy(), 5000, [at](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) at[i] += 1;
  });
  std::vector<int> expected(5000);
  std::iota(expected.begin(), expected.end(), 1);
  EXPECT_EQ(this->Back(vector), expected);
}

TYPED_TEST(PlacesTest, SumOfFloatsHasTheBitsOfTheSequentialOne) {
  std::vector<float> values;
  for (const int number : Numbers(100'003)) values.push_back(1.0f / (1.0f + number));
  const auto there = this->From(values);
  const float expected = Reduce(kSeq, values.begin(), values.end(), 0.0f);
  const float sum = Reduce(this->policy(), there.begin(), there.end(), 0.0f);
  EXPECT_EQ(std::bit_cast<std::uint32_t>(sum), std::bit_cast<std::uint32_t>(expected));
}

TYPED_TEST(PlacesTest, ReductionsOfOneAndOfTwoRanges) {
  for (const std::size_t n : kLengths) {
    const std::vector<int> values = Numbers(n);
    const auto there = this->From(values);
    std::int64_t sum = 3, squares = 3;
    for (const int x : values) sum += 2 * x, squares += std::int64_t{x} * x;
    EXPECT_EQ(TransformReduce(this->policy(), there.begin(), there.end(), std::int64_t{3},
                              std::plus<>(), [](int x) { return 2 * x; }),
              sum);
    EXPECT_EQ(
        TransformReduce(this->policy(), there.begin(), there.end(), there.begin(), std::int64_t{3},
                        std::plus<>(), [](int x, int y) { return std::int64_t{x} * y; }),
        squares);
  }
}

TYPED_TEST(PlacesTest, ScansEqualTheStandardOnesAlsoInPlace) {
  for (const std::size_t n : kLengths) {
    const std::vector<int> values = Numbers(n);
    std::vector<int> expected(n);
    auto in = this->From(values);
    auto out = this->template Made<int>(n);
    std::exclusive_scan(values.begin(), values.end(), expected.begin(), 100);
    ExclusiveScan(this->policy(), in.begin(), in.end(), out.begin(), 100);
    EXPECT_EQ(this->Back(out), expected);
    std::inclusive_scan(values.begin(), values.end(), expected.begin());
    InclusiveScan(this->policy(), in.begin(), in.end(), in.begin());
    EXPECT_EQ(this->Back(in), expected);
  }
}

TYPED_TEST(PlacesTest, SortIsTheStableOrder) {
  struct Card {
    int key, place;
    bool operator==(const Card&) const = default;
  };
  for (const std::size_t n : kLengths) {
    std::vector<Card> cards;
    for (const int number : Numbers(n))
      cards.push_back({number % 50, static_cast<int>(cards.size())});
    auto there = this->From(cards);
    const auto less = [](const Card& a, const Card& b) { return a.key < b.key; };
    ASSERT_TRUE(Sort(this->policy(), there.begin(), there.end(), less).has_value());
    std::stable_sort(cards.begin(), cards.end(), less);
    EXPECT_EQ(this->Back(there), cards);
  }
}

TYPED_TEST(PlacesTest, SequentialPolicyReachesTheElementsToo) {
  auto vector = this->template Made<int>(5, 2);
  Fill(kSeq, vector.begin(), vector.begin() + 2, 7);
  Transform(kSeq, vector.begin(), vector.end(), vector.begin(), [](int x) { return x + 1; });
  EXPECT_EQ(Reduce(kSeq, vector.begin(), vector.end(), 0), 8 + 8 + 3 + 3 + 3);
}

TYPED_TEST(PlacesTest, ExceptionsOfFunctionsReachTheCallerAndTheNextCallWorks) {
  auto vector = this->template Made<int>(5000, 1);
  const auto refuse = [](int) -> int { throw std::runtime_error("no"); };
  const auto fill = [](int& x) -> void { x > 0 ? throw std::bad_alloc() : x = 2; };
  for (int round = 0; round < 2; ++round) {
    EXPECT_THROW(Transform(this->policy(), vector.begin(), vector.end(), vector.begin(), refuse),
                 ExceptionList);
    EXPECT_THROW(
        TransformReduce(this->policy(), vector.begin(), vector.end(), 0, std::plus<>(), refuse),
        ExceptionList);
    EXPECT_THROW(ForEach(this->policy(), vector.begin(), vector.end(), fill), std::bad_alloc);
  }
  EXPECT_EQ(Reduce(this->policy(), vector.begin(), vector.end(), 0), 5000);
}

TYPED_TEST(PlacesTest, RegionInsideARegionRunsInline) {
  auto vector = this->template Made<int>(8, 1);
  auto sums = this->template Made<int>(8);
  auto* executor = &this->executor();
  const auto first = vector.begin();
  Transform(this->policy(), vector.begin(), vector.end(), sums.begin(),
            [=](int x) { return x + Reduce(kPar.On(*executor), first, first + 8, 0); });
  EXPECT_EQ(this->Back(sums), std::vector<int>(8, 9));
}

TYPED_TEST(PlacesTest, TaskGivesItsValueOrItsException) {
  auto value = this->executor().Async([] { return 6 * 7; });
  auto failure = this->executor().Async([]() -> int { throw std::runtime_error("no"); });
  ASSERT_TRUE(value.has_value() && failure.has_value());
  EXPECT_EQ(value->get(), 42);
  EXPECT_THROW(failure->get(), std::runtime_error);
  EXPECT_EQ(this->executor().Async([] { return 1; })->get(), 1);
}

// Counts lives; the constructor of number `fatal` throws.
struct Life {
  explicit Life(std::atomic<int>* lives, std::atomic<int>* fatal) : lives_(lives) {
    if (--*fatal == 0) throw std::runtime_error("fatal");
    ++*lives_;
  }
  ~Life() { --*lives_; }
  std::atomic<int>* lives_;
};

TYPED_TEST(PlacesTest, LivesEndOnceWhateverIsThrown) {
  const typename TypeParam::template Allocator<Life> allocator(this->executor());
  using Lives = typename TestFixture::template VectorOf<Life>;
  std::atomic<int> lives{0}, fatal{0};
  {
    const auto vector = Lives::Create(allocator, 3000, &lives, &fatal);
    ASSERT_TRUE(vector.has_value());
    EXPECT_EQ(lives, 3000);
    const auto refuse = [](Life&) { throw std::runtime_error("no"); };
    EXPECT_THROW(ForEach(this->policy(), vector->begin(), vector->end(), refuse), ExceptionList);
  }
  EXPECT_EQ(lives, 0);
  fatal = 1500;
  EXPECT_THROW(IgnoreResult(Lives::Create(allocator, 3000, &lives, &fatal), "it throws"),
               ExceptionList);
  EXPECT_EQ(lives, 0);
}

// --- what only a device has ----------------------------------------------------------------------

TEST(LoopbackExecutorTest, BulkAfterTheDevicesErrorThrowsItAndDoesNothing) {
  Loopback place;
  std::atomic<int> called{0};
  auto failed = place.executor.BulkAsync(
      1, [](std::int64_t, std::int64_t, int) { throw std::runtime_error("lost"); });
  EXPECT_THROW(failed.get(), std::runtime_error);
  auto task = place.executor.Async([&] { return ++called; });
  EXPECT_THROW(task->get(), std::runtime_error);
  EXPECT_THROW(ForEachIndex(kPar.On(place.executor), 10, [&](std::int64_t) { ++called; }),
               ExceptionList);
  EXPECT_EQ(called, 0);
  ForEachIndex(kPar.On(place.executor), 10, [&](std::int64_t) { ++called; });
  EXPECT_EQ(called, 10);
}

TEST(LoopbackExecutorTest, LivesEndAlsoOnAStreamInError) {
  Loopback place;
  std::atomic<int> lives{0}, fatal{0};
  {
    const auto vector = Vector<Life, LoopbackAllocator<Life>>::Create(
        LoopbackAllocator<Life>(place.executor), 10, &lives, &fatal);
    ASSERT_TRUE(vector.has_value());
    place.device->stream().Launch([] { throw std::runtime_error("lost"); });
  }
  EXPECT_EQ(lives, 0);
  EXPECT_THROW(place.device->Synchronize(), ExceptionList) << "and the error is still there";
}

TEST(LoopbackExecutorTest, EveryBulkOperationIsOneLaunchAndNoneForNothing) {
  int launches = 0;
  auto device = std::move(*LoopbackDevice::Create(
      {.costs = {.launch_ns = 1, .pass = [&](std::int64_t) { ++launches; }}}));
  LoopbackExecutor executor(*device);
  auto vector = Vector<int, LoopbackAllocator<int>>::Create(LoopbackAllocator<int>(executor), 5000);
  ASSERT_TRUE(vector.has_value());
  EXPECT_EQ(launches, 1);
  Fill(kPar.On(executor), vector->begin(), vector->end(), 3);
  EXPECT_EQ(launches, 2);
  Fill(kPar.On(executor), vector->begin(), vector->begin(), 3);
  EXPECT_EQ(launches, 2);
  std::vector<int> host(5000);
  Copy(kPar.On(executor), vector->begin(), vector->end(), host.begin());
  EXPECT_EQ(launches, 3);
}

TEST(LoopbackExecutorTest, CopiesBetweenDevicesGoThroughTheProcess) {
  Loopback one, two;
  auto from =
      Vector<int, LoopbackAllocator<int>>::Create(LoopbackAllocator<int>(one.executor), 100, 5);
  auto to = Vector<int, LoopbackAllocator<int>>::Create(LoopbackAllocator<int>(two.executor), 100);
  ASSERT_TRUE(from.has_value() && to.has_value());
  Copy(kPar.On(two.executor), from->begin(), from->end(), to->begin());
  EXPECT_EQ(Reduce(kPar.On(two.executor), to->begin(), to->end(), 0), 500);
}

TEST(LoopbackExecutorDeathTest, PointerOfAnotherDeviceIsRefused) {
  Loopback one, two;
  auto vector =
      Vector<int, LoopbackAllocator<int>>::Create(LoopbackAllocator<int>(one.executor), 9);
  ASSERT_TRUE(vector.has_value());
  EXPECT_DEATH(Fill(kPar.On(two.executor), vector->begin(), vector->end(), 1), "internal error");
}

TEST(LoopbackExecutorTest, TwoExecutorsOnTwoStreamsWorkOnOneMemory) {
  Loopback place;
  LoopbackExecutor second(*place.device, **place.device->AddStream());
  auto vector =
      Vector<int, LoopbackAllocator<int>>::Create(LoopbackAllocator<int>(place.executor), 2000, 1);
  ASSERT_TRUE(vector.has_value());
  int* const at = place.executor.Local(vector->begin());
  auto a = place.executor.BulkAsync(1000, [at](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) at[i] = 2;
  });
  auto b = second.BulkAsync(1000, [at](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) at[1000 + i] = 3;
  });
  b.get();
  a.get();
  EXPECT_EQ(Reduce(kPar.On(second), vector->begin(), vector->end(), 0), 5000);
}

}  // namespace
}  // namespace cairn::parallel
