// SPDX-License-Identifier: Apache-2.0
#include "base/virtual_range.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <set>

#include "base/random.h"

namespace cairn {
namespace {

const std::size_t kPage = VirtualRange::page_bytes();

TEST(VirtualRangeTest, ReserveZeroOrTooMuchIsAnError) {
  EXPECT_EQ(VirtualRange::Reserve(0).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(VirtualRange::Reserve(std::numeric_limits<std::size_t>::max()).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(VirtualRange::Reserve(std::size_t{1} << 62).error().code, ErrorCode::kOutOfMemory);
}

TEST(VirtualRangeTest, ReservingTakesNoMemory) {
  const auto range = VirtualRange::Reserve(std::size_t{1} << 38);  // more than the machine has
  ASSERT_TRUE(range.has_value()) << range.error().message;
  EXPECT_EQ(range->committed_bytes(), 0u);
}

TEST(VirtualRangeTest, FreshBytesAreZeroAndStayInPlaceWhenMoreIsCommitted) {
  auto range = VirtualRange::Reserve(64 * kPage);
  ASSERT_TRUE(range.has_value());
  auto first = range->Commit(0, 10);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->size(), 10u);
  EXPECT_EQ((*first)[9], std::byte{0});
  std::memset(first->data(), 7, 10);
  const auto all = range->Commit(0, 64 * kPage);
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(all->data(), first->data());
  EXPECT_EQ((*all)[9], std::byte{7});
  EXPECT_EQ(all->back(), std::byte{0});
  EXPECT_EQ(range->committed_bytes(), 64 * kPage);
}

TEST(VirtualRangeTest, DecommittedPagesComeBackAsZero) {
  auto range = VirtualRange::Reserve(4 * kPage);
  ASSERT_TRUE(range->Commit(0, 4 * kPage));
  std::memset(range->data(), 7, 4 * kPage);
  range->Decommit(kPage + 1, 2 * kPage);  // one whole page lies inside
  EXPECT_EQ(range->committed_bytes(), 3 * kPage);
  EXPECT_EQ(range->data()[kPage], std::byte{7});
  EXPECT_EQ(range->data()[3 * kPage], std::byte{7});
  ASSERT_TRUE(range->Commit(2 * kPage, 1));
  EXPECT_EQ(range->data()[2 * kPage], std::byte{0});
}

TEST(VirtualRangeTest, OutsideTheRangeIsAnErrorAndChangesNothing) {
  auto range = VirtualRange::Reserve(kPage);
  EXPECT_FALSE(range->Commit(0, kPage + 1).has_value());
  EXPECT_FALSE(range->Commit(kPage + 1, 0).has_value());
  EXPECT_FALSE(range->Commit(1, std::numeric_limits<std::size_t>::max()).has_value());
  range->Decommit(5 * kPage, kPage);
  EXPECT_EQ(range->committed_bytes(), 0u);
  ASSERT_TRUE(range->Commit(0, kPage));
  range->Decommit(0, std::numeric_limits<std::size_t>::max());
  EXPECT_EQ(range->committed_bytes(), 0u);
}

TEST(VirtualRangeTest, CommittedBytesFollowAPlainSetOfPages) {
  auto range = VirtualRange::Reserve(32 * kPage, {.huge_pages = true});
  std::set<std::size_t> pages;
  const CounterRandom random(3);
  for (std::uint64_t step = 0; step < 2000; ++step) {
    const auto pick = [&](int index) {
      return static_cast<std::size_t>(random.Uniform(step, static_cast<std::uint64_t>(index)) * 32);
    };
    const std::size_t first = pick(0), count = std::min(pick(1), 32 - first);
    if (random.Uniform(step, 2) < 0.5) {
      ASSERT_TRUE(range->Commit(first * kPage, count * kPage));
      for (std::size_t p = first; p < first + count; ++p) {
        if (!pages.insert(p).second) {
          ASSERT_EQ(range->data()[p * kPage], std::byte{7}) << "step " << step;
        } else {
          ASSERT_EQ(range->data()[p * kPage], std::byte{0}) << "step " << step;
          range->data()[p * kPage] = std::byte{7};
        }
      }
    } else {
      range->Decommit(first * kPage, count * kPage);
      for (std::size_t p = first; p < first + count; ++p) pages.erase(p);
    }
    ASSERT_EQ(range->committed_bytes(), pages.size() * kPage) << "step " << step;
  }
}

TEST(VirtualRangeTest, MovingKeepsTheAddress) {
  auto range = VirtualRange::Reserve(kPage);
  std::byte* data = range->Commit(0, kPage)->data();
  VirtualRange moved = std::move(*range);
  EXPECT_EQ(moved.data(), data);
  EXPECT_EQ(moved.committed_bytes(), kPage);
  moved.data()[0] = std::byte{1};
}

TEST(VirtualRangeDeathTest, TouchingWhatIsNotCommittedEndsTheProgram) {
  auto range = VirtualRange::Reserve(kPage);
  EXPECT_DEATH(*const_cast<volatile std::byte*>(range->data()) = std::byte{1}, "");
}

}  // namespace
}  // namespace cairn
