// SPDX-License-Identifier: Apache-2.0
// Who touches a page first, and who reads it: the proof that allocator, vector and algorithms split
// alike, on machines of several memory nodes that are made up.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <map>
#include <mutex>
#include <set>

#include "parallel/algorithms.h"
#include "parallel/vector.h"

namespace cairn::parallel {
namespace {

constexpr std::uintptr_t kPage = 4096;

// Which workers did something to each page.
class PageLog {
 public:
  void Add(const void* address, int worker) {
    const std::uintptr_t page = reinterpret_cast<std::uintptr_t>(address) / kPage;
    const std::lock_guard lock(mutex_);
    workers_[page].insert(worker);
  }
  const std::map<std::uintptr_t, std::set<int>>& workers() const { return workers_; }
  void Clear() { workers_.clear(); }

 private:
  std::mutex mutex_;
  std::map<std::uintptr_t, std::set<int>> workers_;
};

PageLog touched;

// Says who constructed it. A cache line, so that a page has 64.
struct alignas(64) Witness {
  Witness() { touched.Add(this, CurrentWorker()); }
  std::array<std::byte, 64> bytes{};
};

// The share of pages that are read on another node than the one they were touched on. Pages that
// the border of two parts cuts are left out of it and counted.
struct Remote {
  double share;
  int cut;
};
Remote CompareLogs(const Executor& executor, const PageLog& read) {
  // A page that the calling thread touched outside of the executor lies on its node, the first.
  const auto node = [&](int worker) { return executor.TargetOf(std::max(worker, 0)); };
  int pages = 0, remote = 0, cut = 0;
  for (const auto& [page, readers] : read.workers()) {
    std::set<int> nodes_read, nodes_touched;
    for (const int worker : readers) nodes_read.insert(node(worker));
    for (const int worker : touched.workers().at(page)) nodes_touched.insert(node(worker));
    if (nodes_read.size() > 1 || nodes_touched.size() > 1) {
      ++cut;
      continue;
    }
    ++pages;
    if (nodes_read != nodes_touched) ++remote;
  }
  return {static_cast<double>(remote) / pages, cut};
}

// Four nodes of eight units. Threads are not pinned; which worker does what is the same.
class PlacementTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kElements = 64 * 400 + 17;
  PlacementTest()
      : executor_(std::move(*Executor::Create(NumaDomains(MadeUpMachine(4, 8)), {.pin = false}))) {
    touched.Clear();
  }
  template <typename Policy, typename It>
  void Read(const Policy& policy, It first, It last) {
    ForEach(policy, first, last,
            [this](const Witness& witness) { read_.Add(&witness, CurrentWorker()); });
  }
  std::unique_ptr<Executor> executor_;
  PageLog read_;
};

TEST_F(PlacementTest, EveryPageIsReadByTheWorkerThatTouchedItFirst) {
  auto vector = Vector<Witness>::Create(BlockAllocator<Witness>(*executor_), kElements);
  ASSERT_TRUE(vector.has_value());
  Read(kPar.On(*executor_), vector->begin(), vector->end());
  // Also on the pages that are cut: both logs hold the same two workers.
  EXPECT_EQ(read_.workers(), touched.workers());
  std::set<int> all;
  for (const auto& [page, workers] : touched.workers()) all.insert(workers.begin(), workers.end());
  EXPECT_EQ(all.size(), 32u) << "everyone had a part";
}

TEST_F(PlacementTest, EveryChunkerReadsOnTheNodeThatTouched) {
  auto vector = Vector<Witness>::Create(BlockAllocator<Witness>(*executor_), kElements);
  ASSERT_TRUE(vector.has_value());
  const auto check = [&](const auto& chunker) {
    read_.Clear();
    Read(kPar.On(*executor_).With(chunker), vector->begin(), vector->end());
    const Remote remote = CompareLogs(*executor_, read_);
    EXPECT_EQ(remote.share, 0);
    EXPECT_LE(remote.cut, 3) << "one page for each border between four nodes";
  };
  check(StaticChunk{});
  check(StaticChunk{64});
  check(DynamicChunk{16});
  check(GuidedChunk{8});
}

// What goes wrong without the layer: a vector that its constructor fills on one thread.
TEST_F(PlacementTest, VectorFilledSeriallyIsRemoteForAllNodesButOne) {
  const std::vector<Witness> vector(kElements);
  Read(kPar.On(*executor_).With(DynamicChunk{16}), vector.begin(), vector.end());
  const Remote remote = CompareLogs(*executor_, read_);
  EXPECT_NEAR(remote.share, 3.0 / 4, 0.01);
}

// The caller is a worker of the first target, whose share holds the first hundredth.
TEST_F(PlacementTest, AutoChunkReadsOnTheNodeThatTouched) {
  auto vector = Vector<Witness>::Create(BlockAllocator<Witness>(*executor_), kElements);
  ASSERT_TRUE(vector.has_value());
  Read(kPar.On(*executor_).With(AutoChunk{}), vector->begin(), vector->end());
  EXPECT_EQ(CompareLogs(*executor_, read_).share, 0);
  EXPECT_TRUE(read_.workers().begin()->second.contains(0));
}

int ResidentPages(const std::byte* data, std::size_t bytes) {
  const std::size_t pages = (bytes + kPage - 1) / kPage;
  std::vector<unsigned char> resident(pages);
  EXPECT_EQ(::mincore(const_cast<std::byte*>(data), bytes, resident.data()), 0);
  int count = 0;
  for (const unsigned char page : resident) count += page & 1;
  return count;
}

TEST(BlockPagesTest, AllocatedPagesAreUntouched) {
  const auto executor =
      std::move(*Executor::Create(NumaDomains(MadeUpMachine(4, 1)), {.pin = false}));
  const BlockAllocator<double> allocator(*executor);
  const auto block = allocator.Allocate(100'000);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(ResidentPages(block->data(), block->size()), 0);
  allocator.BulkConstruct(reinterpret_cast<double*>(block->data()), 100'000, 2.0);
  EXPECT_EQ(ResidentPages(block->data(), block->size()), 196);
}

// A block that is given back by its count of elements leaves pages behind.
TEST(BlockPagesTest, FreedBlockLeavesNoPage) {
  for (const HugePages huge : {HugePages::kNever, HugePages::kAdvise}) {
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{4097}, 3 * kHugePageBytes + 5}) {
      const std::byte* data = nullptr;
      {
        const auto block = PageBlock::Allocate(bytes, huge);
        ASSERT_TRUE(block.has_value());
        data = block->data();
        ASSERT_EQ(data[bytes - 1], std::byte{0});
      }
      unsigned char resident = 0;
      for (const std::size_t at : {std::size_t{0}, (bytes - 1) / kPage * kPage}) {
        EXPECT_NE(::mincore(const_cast<std::byte*>(data) + at, 1, &resident), 0)
            << bytes << " bytes, page at " << at;
      }
    }
  }
}

TEST(BlockPagesTest, HugeBlocksBeginAtAHugePage) {
  const auto block = PageBlock::Allocate(kHugePageBytes + 1, HugePages::kAdvise);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block->data()) % kHugePageBytes, 0u);
}

TEST(BlockPagesTest, EmptyBlockHasNoMemory) {
  const auto block = PageBlock::Allocate(0, HugePages::kAdvise);
  ASSERT_TRUE(block.has_value());
  EXPECT_EQ(block->data(), nullptr);
}

TEST(BlockPagesTest, SizeThatFitsNoMachineIsAnError) {
  for (const std::size_t bytes :
       {~std::size_t{0}, ~std::size_t{0} - kHugePageBytes, std::size_t{1} << 62}) {
    const auto block = PageBlock::Allocate(bytes, HugePages::kAdvise);
    ASSERT_FALSE(block.has_value());
    EXPECT_EQ(block.error().code, ErrorCode::kOutOfMemory);
  }
}

TEST(HugePagesTest, AreAskedForWherePlacementAllowsTheirGrain) {
  const std::vector<Target> one = EachUnit(MadeUpMachine(1, 4));
  const std::vector<Target> four = NumaDomains(MadeUpMachine(4, 1));
  EXPECT_EQ(HugePagesFor(kHugePageBytes - 1, one), HugePages::kNever);
  EXPECT_EQ(HugePagesFor(kHugePageBytes, one), HugePages::kAdvise);
  EXPECT_EQ(HugePagesFor(16 * kHugePageBytes, four), HugePages::kNever);
  EXPECT_EQ(HugePagesFor(4 * kLeastHugePagesPerPart * kHugePageBytes, four), HugePages::kAdvise);
  // One target over several nodes: its pages lie on any of them.
  EXPECT_EQ(HugePagesFor(kHugePageBytes, WholeMachine(MadeUpMachine(2, 2))), HugePages::kNever);
}

}  // namespace
}  // namespace cairn::parallel
