// SPDX-License-Identifier: Apache-2.0
#include "capi/structs.h"

#include <gtest/gtest.h>

#include <array>

namespace cairn::capi {
namespace {

// Three versions of one struct, as a library and programs of other times know it.
struct Old {
  std::size_t size;
  std::int32_t a;
  std::int32_t b;
};
struct Now {
  std::size_t size;
  std::int32_t a;
  std::int32_t b;
  std::int64_t added;
};
struct Later {
  std::size_t size;
  std::int32_t a;
  std::int32_t b;
  std::int64_t added;
  std::int64_t unknown;
};
constexpr Now kDefaults{.size = sizeof(Now), .a = 1, .b = 2, .added = 3};

template <typename T>
Result<Now> Read(const T& given) {
  return ReadStruct("it", reinterpret_cast<const Now*>(&given), sizeof(Old), kDefaults);
}

TEST(StructsTest, WhatAnOldProgramLacksIsTheDefault) {
  const Old old{.size = sizeof(Old), .a = 10, .b = 20};
  const auto read = Read(old);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->a, 10);
  EXPECT_EQ(read->b, 20);
  EXPECT_EQ(read->added, 3);
  EXPECT_EQ(read->size, sizeof(Now));
}

TEST(StructsTest, WhatALaterProgramLeavesAtZeroIsTaken) {
  Later later{.size = sizeof(Later), .a = 10, .b = 20, .added = 30, .unknown = 0};
  const auto read = Read(later);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->added, 30);
  later.unknown = 1;
  EXPECT_EQ(Read(later).error().code, ErrorCode::kUnsupported);
}

TEST(StructsTest, SizesThatWereNotSetAreRefused) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, sizeof(Old) - 1,
                                 std::size_t{kMostStructBytes + 1}, ~std::size_t{0}}) {
    const Now now{.size = size};
    EXPECT_EQ(Read(now).error().code, ErrorCode::kInvalidArgument) << size;
    Now to{.size = size, .a = 7};
    EXPECT_FALSE(WriteStruct("it", &to, sizeof(Old), kDefaults)) << size;
    EXPECT_EQ(to.a, 7) << size;
  }
}

TEST(StructsTest, NoPlaceIsRefusedAndNoOptionsAreTheDefaults) {
  EXPECT_FALSE(WriteStruct<Now>("it", nullptr, sizeof(Old), kDefaults));
  const auto read = ReadStruct<Now>("it", nullptr, sizeof(Old), kDefaults);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->added, 3);
}

TEST(StructsTest, AnOldStructIsFilledUpToItsEndAndALaterOneWithZeros) {
  struct {
    Old old{.size = sizeof(Old)};
    std::int64_t behind = 77;
  } room;
  ASSERT_TRUE(WriteStruct("it", reinterpret_cast<Now*>(&room.old), sizeof(Old), kDefaults));
  EXPECT_EQ(room.old.b, 2);
  EXPECT_EQ(room.old.size, sizeof(Old));
  EXPECT_EQ(room.behind, 77);

  Later later{.size = sizeof(Later), .unknown = 5};
  ASSERT_TRUE(WriteStruct("it", reinterpret_cast<Now*>(&later), sizeof(Old), kDefaults));
  EXPECT_EQ(later.added, 3);
  EXPECT_EQ(later.unknown, 0);
  EXPECT_EQ(later.size, sizeof(Later));
}

TEST(StructsTest, InitWritesDefaultsWithinTheGivenSize) {
  std::array<std::int64_t, 8> room;
  room.fill(-1);
  InitStruct(reinterpret_cast<Now*>(room.data()), sizeof(Old), sizeof(Old), kDefaults);
  const auto* old = reinterpret_cast<const Old*>(room.data());
  EXPECT_EQ(old->size, sizeof(Old));
  EXPECT_EQ(old->b, 2);
  EXPECT_EQ(room[2], -1);

  room.fill(-1);
  InitStruct(reinterpret_cast<Now*>(room.data()), sizeof(Later), sizeof(Old), kDefaults);
  const auto* later = reinterpret_cast<const Later*>(room.data());
  EXPECT_EQ(later->added, 3);
  EXPECT_EQ(later->unknown, 0);
  EXPECT_EQ(room[4], -1);

  room.fill(-1);
  InitStruct(reinterpret_cast<Now*>(room.data()), 3, sizeof(Old), kDefaults);
  EXPECT_EQ(room[0], -1);
}

}  // namespace
}  // namespace cairn::capi
