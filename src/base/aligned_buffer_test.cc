// SPDX-License-Identifier: Apache-2.0
#include "base/aligned_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace cairn {
namespace {

TEST(AlignedBufferTest, IsAlignedZeroAndAsLongAsAsked) {
  for (const std::size_t bytes :
       {std::size_t{1}, std::size_t{63}, std::size_t{4097}, (std::size_t{2} << 20) + 1}) {
    const auto buffer = AlignedBuffer::Allocate(bytes);
    ASSERT_TRUE(buffer.has_value());
    EXPECT_EQ(buffer->size(), bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer->data()) % 64, 0u);
    EXPECT_TRUE(
        std::ranges::all_of(buffer->bytes(), [](std::byte b) { return b == std::byte{0}; }));
    buffer->bytes().back() = std::byte{1};
  }
}

TEST(AlignedBufferTest, NothingIsABuffer) {
  const auto buffer = AlignedBuffer::Allocate(0);
  ASSERT_TRUE(buffer.has_value());
  EXPECT_EQ(buffer->size(), 0u);
}

TEST(AlignedBufferTest, MoreThanThereIsIsAnError) {
  for (const std::size_t bytes : {std::size_t{1} << 62, std::numeric_limits<std::size_t>::max()}) {
    const auto buffer = AlignedBuffer::Allocate(bytes);
    ASSERT_FALSE(buffer.has_value());
    EXPECT_EQ(buffer.error().code, ErrorCode::kOutOfMemory);
  }
}

TEST(AlignedBufferTest, MovingKeepsTheBytes) {
  auto buffer = AlignedBuffer::Allocate(100);
  buffer->bytes()[5] = std::byte{9};
  AlignedBuffer moved = std::move(*buffer);
  EXPECT_EQ(buffer->size(), 0u);
  EXPECT_EQ(moved.bytes()[5], std::byte{9});
  AlignedBuffer other;
  other = std::move(moved);
  EXPECT_EQ(other.bytes()[5], std::byte{9});
}

}  // namespace
}  // namespace cairn
