// SPDX-License-Identifier: Apache-2.0
#include "kv/swap_file.h"

#include <gtest/gtest.h>

#include <limits>

#include "kv/test_sequence.h"
#include "testing/failing_file_system.h"
#include "testing/temp_folder.h"
#include "testing/virtual_clock.h"

namespace cairn::kv {
namespace {

using testing::FailingFileSystem;
using testing::VirtualClock;

class SwapFileTest : public ::testing::Test {
 protected:
  void Open(std::size_t most_bytes = 64 << 20) {
    auto scratch = files_.OpenScratch(folder_.path());
    ASSERT_TRUE(scratch) << scratch.error().message;
    swap_ = std::make_unique<SwapFile>(*pool_, *std::move(scratch), most_bytes, clock_);
  }
  TestSequence Filled(std::int64_t size, std::uint32_t seed = 1) {
    TestSequence sequence(*pool_);
    // Step by step, as a sequence grows: windows are given back on the way.
    for (std::int64_t at = 0; at < size; at += 50) {
      const auto words = Words(size, seed);
      EXPECT_TRUE(sequence.Append(std::span(words).subspan(
          static_cast<std::size_t>(at),
          static_cast<std::size_t>(std::min<std::int64_t>(50, size - at)))));
      sequence.tiles().Release(sequence.size());
    }
    return sequence;
  }
  // What `words` would be read back as.
  ::testing::AssertionResult ReadsBack(const SwappedTiles& swapped,
                                       const std::vector<std::int32_t>& words) {
    TestSequence again(*pool_);
    if (const auto read = swap_->Read(swapped, again.tiles()); !read) {
      return ::testing::AssertionFailure() << read.error().message;
    }
    again.Adopt(std::span(words).first(static_cast<std::size_t>(swapped.size())));
    return again.Holds();
  }

  testing::TempFolder folder_;
  SystemFiles real_;
  FailingFileSystem files_{real_};
  VirtualClock clock_;
  std::unique_ptr<KvPool> pool_ = MakePoolOf(TwoGroups(), 60);
  std::unique_ptr<SwapFile> swap_;
};

TEST_F(SwapFileTest, WhatWasWrittenIsReadBackIntoOtherTiles) {
  Open();
  for (const std::int64_t size : {1, 63, 64, 65, 128, 300, 777}) {
    TestSequence sequence = Filled(size);
    const auto swapped = swap_->Write(sequence.tiles(), size);
    ASSERT_TRUE(swapped) << swapped.error().message;
    EXPECT_EQ(swapped->size(), size);
    const auto words = sequence.tokens();
    sequence = TestSequence(*pool_);
    const TestSequence other = Filled(size, 2);  // writes over the tiles that became free
    EXPECT_TRUE(ReadsBack(*swapped, words)) << size;
    EXPECT_TRUE(other.Holds());
  }
  EXPECT_EQ(swap_->counters().bytes, 0u);
  EXPECT_EQ(pool_->use().used, 0u);
}

TEST_F(SwapFileTest, AShorterTextIsReadWhereItsWindowIsThere) {
  Open();
  TestSequence sequence = Filled(300);
  for (const std::int64_t keep : {299, 292}) {
    auto swapped = swap_->Write(sequence.tiles(), 300);
    ASSERT_TRUE(swapped);
    swapped->Shrink(keep);
    ASSERT_TRUE(*swapped) << keep;
    EXPECT_TRUE(ReadsBack(*swapped, sequence.tokens())) << keep;
  }
  auto swapped = swap_->Write(sequence.tiles(), 300);
  ASSERT_TRUE(swapped);
  swapped->Shrink(100);  // its window was given back before
  EXPECT_FALSE(*swapped);
  EXPECT_EQ(swap_->counters().bytes, 0u);
}

TEST_F(SwapFileTest, ShrinkToNothingGivesTheRoomBack) {
  Open();
  TestSequence sequence = Filled(80);
  auto swapped = swap_->Write(sequence.tiles(), 80);
  ASSERT_TRUE(swapped);
  swapped->Shrink(0);
  EXPECT_FALSE(*swapped);
  EXPECT_EQ(swap_->counters().bytes, 0u);
}

TEST_F(SwapFileTest, TheCapIsKeptAndRoomIsUsedAgain) {
  std::size_t tile = 0;
  for (const std::size_t bytes : pool_->layout().tile_bytes) tile += bytes;
  Open(5 * tile);
  TestSequence two = Filled(128), one = Filled(64, 2);
  auto a = swap_->Write(two.tiles(), 128);
  auto b = swap_->Write(one.tiles(), 64);
  auto c = swap_->Write(two.tiles(), 128);
  ASSERT_TRUE(a && b && c);
  EXPECT_EQ(swap_->counters().bytes, 5 * tile);
  EXPECT_EQ(swap_->Write(one.tiles(), 64).error().code, ErrorCode::kLimit);
  *b = SwappedTiles();
  *c = SwappedTiles();  // the rooms of both are one again
  auto d = swap_->Write(Filled(192, 3).tiles(), 192);
  ASSERT_TRUE(d);
  EXPECT_TRUE(ReadsBack(*a, two.tokens()));
  EXPECT_TRUE(ReadsBack(*d, Filled(192, 3).tokens()));
  EXPECT_EQ(swap_->counters().most_bytes, 5 * tile);
  EXPECT_EQ(swap_->counters().refused, 1);
}

// Whatever fails, the next one works: the caller computes again what it did not get.
TEST_F(SwapFileTest, EveryOperationMayFailAndNothingIsLeft) {
  Open();
  TestSequence sequence = Filled(300);
  std::int64_t failures = 0;
  for (std::int64_t n = files_.operations();; n = files_.operations() + failures) {
    files_.FailAt(n);
    const std::int64_t failed = swap_->counters().failed;
    bool read = false;
    {
      const auto swapped = swap_->Write(sequence.tiles(), 300);
      read = swapped && ReadsBack(*swapped, sequence.tokens());
    }
    EXPECT_EQ(swap_->counters().bytes, 0u);
    if (read) break;
    EXPECT_EQ(swap_->counters().failed, failed + 1);
    EXPECT_EQ(swap_->WriteNsPerByte(), std::numeric_limits<double>::infinity());
    ++failures;
  }
  EXPECT_GT(failures, 10);
  files_.FailAt(-1);
  clock_.AdvanceNs(SwapFile::kForgiveNs);
  EXPECT_LT(swap_->WriteNsPerByte(), 1e9);
}

// Bytes that are not what was written are an error, not another text.
class LyingFile final : public ScratchFile {
 public:
  Result<void> ReadAt(std::uint64_t offset, std::span<std::byte> out) override {
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
    return {};
  }
  Result<void> WriteAt(std::uint64_t offset, std::span<const std::byte> bytes) override {
    bytes_.resize(std::max(bytes_.size(), offset + bytes.size()));
    std::ranges::copy(bytes, bytes_.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  void Flip(std::size_t at) { bytes_[at % bytes_.size()] ^= std::byte{1}; }

 private:
  std::vector<std::byte> bytes_;
};

TEST_F(SwapFileTest, AFlippedBitIsCorrupt) {
  auto lying = std::make_unique<LyingFile>();
  LyingFile& file = *lying;
  swap_ = std::make_unique<SwapFile>(*pool_, std::move(lying), 64 << 20, clock_);
  TestSequence sequence = Filled(300);
  for (std::size_t at = 0; at < 100; ++at) {
    const auto swapped = swap_->Write(sequence.tiles(), 300);
    ASSERT_TRUE(swapped);
    file.Flip(at * 7919);
    TestSequence again(*pool_);
    const auto read = swap_->Read(*swapped, again.tiles());
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, ErrorCode::kCorrupt);
    EXPECT_EQ(again.tiles().tile_count(), 0);
  }
}

TEST_F(SwapFileTest, AFullPoolIsALimitAndNotAFailureOfTheFile) {
  Open();
  TestSequence sequence = Filled(300);
  const auto swapped = swap_->Write(sequence.tiles(), 300);
  ASSERT_TRUE(swapped);
  std::vector<TestSequence> others;
  for (std::uint32_t seed = 2; pool_->available(0) > 2; ++seed) others.push_back(Filled(64, seed));
  TestSequence again(*pool_);
  const std::size_t before = pool_->use().used;
  EXPECT_EQ(swap_->Read(*swapped, again.tiles()).error().code, ErrorCode::kLimit);
  EXPECT_EQ(pool_->use().used, before);
  EXPECT_EQ(swap_->counters().failed, 0);
}

}  // namespace
}  // namespace cairn::kv
