// SPDX-License-Identifier: Apache-2.0
// The loopback device itself: fence, memory, streams, errors, proxies.
#include "parallel/loopback_device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <latch>
#include <numeric>
#include <stdexcept>
#include <string>

#include "parallel/device_pointer.h"
#include "parallel/executor.h"

namespace cairn::parallel {
namespace {

std::unique_ptr<LoopbackDevice> Device(LoopbackOptions options = {.memory_bytes = 1 << 20}) {
  return std::move(*LoopbackDevice::Create(std::move(options)));
}

bool IsReady(const std::future<void>& future) {
  return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

std::string What(const ExceptionList& list) {
  try {
    std::rethrow_exception(list.exceptions().at(0));
  } catch (const std::exception& exception) {
    return exception.what();
  }
}

TEST(LoopbackDeviceDeathTest, DevicePointerDereferencedByTheHostFaults) {
  const auto device = Device();
  auto block = device->Allocate(sizeof(int));
  ASSERT_TRUE(block.has_value());
  const DevicePointer<int> pointer(device.get(), reinterpret_cast<int*>(block->data()));
  *pointer = 5;
  EXPECT_EQ(*pointer, 5) << "through the proxy";
  EXPECT_DEATH(*const_cast<volatile int*>(pointer.get()) = 1, "");
  EXPECT_DEATH(std::printf("%d", *const_cast<volatile int*>(pointer.get())), "");
}

TEST(LoopbackDeviceDeathTest, AddressOfTheHostIsNoDeviceAddress) {
  const auto device = Device();
  int value = 0;
  EXPECT_DEATH(device->Local(&value), "internal error");
}

TEST(LoopbackDeviceTest, FullMemoryIsAnErrorAndComesBackWithTheBlock) {
  const auto device = Device();
  auto half = device->Allocate(1 << 19);
  ASSERT_TRUE(half.has_value());
  {
    auto rest = device->Allocate(1 << 19);
    ASSERT_TRUE(rest.has_value());
    const auto more = device->Allocate(1);
    ASSERT_FALSE(more.has_value());
    EXPECT_EQ(more.error().code, ErrorCode::kOutOfMemory);
    EXPECT_FALSE(device->Allocate(~std::size_t{0}).has_value());
  }
  const DeviceBlock first = std::move(*half);
  EXPECT_FALSE(device->Allocate(1 << 20).has_value());
  EXPECT_TRUE(device->Allocate(1 << 19).has_value());
}

TEST(LoopbackDeviceTest, StretchesThatAreGivenBackJoinInAnyOrder) {
  const auto device = Device();
  for (const auto& order : {std::vector{0, 1, 2, 3}, {3, 2, 1, 0}, {0, 2, 1, 3}, {1, 3, 0, 2}}) {
    std::vector<DeviceBlock> blocks;
    for (int i = 0; i < 4; ++i) blocks.push_back(std::move(*device->Allocate(1 << 18)));
    for (const int i : order) DeviceBlock(std::move(blocks[static_cast<std::size_t>(i)]));
    EXPECT_TRUE(device->Allocate(1 << 20).has_value());
  }
}

TEST(LoopbackDeviceTest, FreshMemoryReadsAsZeroAlsoTheSecondTime) {
  const auto device = Device();
  for (int round = 0; round < 2; ++round) {
    auto block = device->Allocate(5000);
    ASSERT_TRUE(block.has_value());
    std::vector<char> bytes(5000, 'x');
    device->Read(bytes.data(), block->data(), bytes.size());
    EXPECT_EQ(bytes, std::vector<char>(5000, '\0'));
    bytes.assign(5000, 'y');
    device->Write(block->data(), bytes.data(), bytes.size());
  }
  EXPECT_EQ(device->Allocate(0)->data(), nullptr);
  EXPECT_FALSE(LoopbackDevice::Create({.memory_bytes = 0}).has_value());
}

TEST(LoopbackStreamTest, CommandsAreDoneInTheirOrderOnOneOtherThread) {
  const auto device = Device();
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) {
    device->stream().Launch([&order, i, device = device.get(), host = std::this_thread::get_id()] {
      order.push_back(i);
      EXPECT_TRUE(device->InKernel());
      EXPECT_EQ(CurrentWorker(), 0);
      EXPECT_NE(std::this_thread::get_id(), host);
    });
  }
  device->stream().Synchronize();
  std::vector<int> expected(100);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(order, expected);
  EXPECT_FALSE(device->InKernel());
}

TEST(LoopbackStreamTest, LaunchesAndBytesCostWhatTheOptionsSay) {
  std::vector<std::int64_t> passed;
  const auto device = Device(
      {.memory_bytes = 1 << 20, .costs = {.launch_ns = 700, .byte_ps = 250, .pass = [&](auto ns) {
                                            passed.push_back(ns);
                                          }}});
  auto block = device->Allocate(1000);
  ASSERT_TRUE(block.has_value());
  std::vector<std::byte> bytes(1000);
  device->Read(bytes.data(), block->data(), 1000);
  device->stream().Launch([] {});
  device->stream().Callback([](const std::exception_ptr&) {});
  device->stream().Synchronize();
  EXPECT_EQ(passed, (std::vector<std::int64_t>{700 + 250, 700}));
}

TEST(LoopbackStreamTest, TimePassesWhereNobodyElseLetsIt) {
  const auto device = Device({.memory_bytes = 1 << 20, .costs = {.launch_ns = 3'000'000}});
  const auto begin = std::chrono::steady_clock::now();
  device->stream().Launch([] {});
  device->stream().Synchronize();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(3));
}

TEST(LoopbackStreamTest, TwoStreamsCompleteOutOfTheOrderOfTheirLaunches) {
  const auto device = Device();
  LoopbackStream* second = *device->AddStream();
  std::latch go(1);
  std::atomic<int> done{0};
  int first_place = 0, second_place = 0;
  device->stream().Launch([&] {
    go.wait();
    first_place = ++done;
  });
  const std::future<void> first = device->stream().Reached();
  second->Launch([&] { second_place = ++done; });
  second->Reached().get();
  EXPECT_FALSE(IsReady(first));
  go.count_down();
  device->Synchronize();
  EXPECT_TRUE(IsReady(first)) << "what was queued before is done, the callback too";
  EXPECT_EQ(second_place, 1);
  EXPECT_EQ(first_place, 2);
}

TEST(LoopbackStreamTest, FutureComesFromACallbackBehindTheWork) {
  const auto device = Device();
  std::latch go(1);
  bool worked = false;
  device->stream().Launch([&] {
    go.wait();
    worked = true;
  });
  std::future<void> reached = device->stream().Reached();
  EXPECT_FALSE(IsReady(reached));
  go.count_down();
  reached.get();
  EXPECT_TRUE(worked);
}

TEST(LoopbackStreamTest, ExceptionOfAKernelReachesTheWaiterAndStopsWhatFollows) {
  const auto device = Device();
  LoopbackStream& stream = device->stream();
  LoopbackStream* other = *device->AddStream();
  int after = 0;
  stream.Launch([] { throw std::runtime_error("lost"); });
  stream.Launch([&] { ++after; });
  stream.Launch([&] { after += 10; }, LoopbackStream::When::kAlways);
  EXPECT_THROW(stream.Reached().get(), std::runtime_error);
  stream.Launch([&] { ++after; });  // a launch after the device's error
  stream.Wait();                    // does not take it
  other->Launch([&] { after += 100; });
  other->Synchronize();
  try {
    stream.Synchronize();
    FAIL() << "nothing reached the waiter";
  } catch (const ExceptionList& list) {
    EXPECT_EQ(list.exceptions().size(), 1u);
    EXPECT_EQ(What(list), "lost");
  }
  EXPECT_EQ(after, 110);
  stream.Launch([&] { ++after; });
  stream.Synchronize();
  EXPECT_EQ(after, 111) << "once the error is taken the stream works again";
}

TEST(LoopbackStreamTest, BadAllocOfAKernelLeavesAsItself) {
  const auto device = Device();
  device->stream().Launch([] { throw std::bad_alloc(); });
  EXPECT_THROW(device->Synchronize(), std::bad_alloc);
  EXPECT_NO_THROW(device->Synchronize());
}

TEST(LoopbackStreamTest, EndOfTheDeviceDoesWhatIsQueued) {
  std::atomic<int> done{0};
  auto device = Device();
  for (int i = 0; i < 50; ++i) device->stream().Launch([&] { ++done; });
  device->stream().Launch([] { throw std::runtime_error("that nobody takes"); });
  device.reset();
  EXPECT_EQ(done, 50);
}

// --- pointers and proxies ------------------------------------------------------------------------

static_assert(std::random_access_iterator<DevicePointer<float>>);
static_assert(!std::contiguous_iterator<DevicePointer<float>>);
static_assert(std::indirectly_writable<DevicePointer<float>, float>);

class DevicePointerTest : public ::testing::Test {
 protected:
  DevicePointerTest() {
    const int values[] = {4, 1, 3, 2};
    device_->Write(block_.data(), values, sizeof(values));
  }
  std::vector<int> Values() const {
    std::vector<int> values(4);
    device_->Read(values.data(), block_.data(), 4 * sizeof(int));
    return values;
  }
  std::unique_ptr<LoopbackDevice> device_ = Device();
  DeviceBlock block_ = std::move(*device_->Allocate(4 * sizeof(int)));
  DevicePointer<int> first_{device_.get(), reinterpret_cast<int*>(block_.data())};
};

TEST_F(DevicePointerTest, AssigningAProxyCopiesTheValue) {
  auto a = first_[0];
  const auto b = first_[1];
  a = b;
  EXPECT_EQ(Values(), (std::vector<int>{1, 1, 3, 2}));
  a = 9;  // had it been bound anew, this would reach the other element
  EXPECT_EQ(Values(), (std::vector<int>{9, 1, 3, 2}));
  b = first_[2];
  EXPECT_EQ(Values(), (std::vector<int>{9, 3, 3, 2}));
}

TEST_F(DevicePointerTest, AlgorithmsOfTheStandardWorkThroughProxies) {
  std::sort(first_, first_ + 4);
  EXPECT_EQ(Values(), (std::vector<int>{1, 2, 3, 4}));
  std::reverse(first_, first_ + 4);
  EXPECT_EQ(Values(), (std::vector<int>{4, 3, 2, 1}));
  std::copy(first_, first_ + 2, first_ + 2);
  EXPECT_EQ(Values(), (std::vector<int>{4, 3, 4, 3}));
  EXPECT_EQ(std::accumulate(first_, first_ + 4, 0), 14);
}

TEST_F(DevicePointerTest, ProxyInAKernelReachesTheElement) {
  int read = 0;
  device_->stream().Launch([&, first = first_] {
    read = first[2];
    first[3] = 7;
  });
  device_->stream().Synchronize();
  EXPECT_EQ(read, 3);
  EXPECT_EQ(Values(), (std::vector<int>{4, 1, 3, 7}));
}

TEST_F(DevicePointerTest, AccessThrowsWhatAnEarlierKernelThrew) {
  device_->stream().Launch([] { throw std::runtime_error("lost"); });
  EXPECT_THROW(static_cast<void>(int{first_[0]}), ExceptionList);
  EXPECT_EQ(first_[0], 4);
}

TEST_F(DevicePointerTest, WalksAsAPointer) {
  DevicePointer<int> p = first_;
  EXPECT_EQ(*++p, 1);
  EXPECT_EQ(*p++, 1);
  EXPECT_EQ(*p--, 3);
  EXPECT_EQ(*--p, 4);
  EXPECT_EQ((p + 3) - first_, 3);
  EXPECT_EQ(1 + p, p + 1);
  EXPECT_LT(p, p + 1);
  EXPECT_EQ(*((p + 3) - 1), 3);
}

}  // namespace
}  // namespace cairn::parallel
