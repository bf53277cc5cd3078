// SPDX-License-Identifier: Apache-2.0
#include "index/node_arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <set>

namespace cairn::index {
namespace {

TEST(NodeArenaTest, PiecesAreAlignedAndApart) {
  ByteBudget budget(std::size_t{1} << 30);
  NodeArena arena(100, budget);
  std::set<std::uintptr_t> pieces;
  for (int i = 0; i < 1000; ++i) {
    void* const piece = arena.Allocate().value();
    std::memset(piece, i, 100);
    pieces.insert(reinterpret_cast<std::uintptr_t>(piece));
  }
  ASSERT_EQ(pieces.size(), 1000U);
  std::uintptr_t last = 0;
  for (const std::uintptr_t piece : pieces) {
    EXPECT_EQ(piece % 64, 0U);
    EXPECT_GE(piece - last, 128U);
    last = piece;
  }
}

TEST(NodeArenaTest, GivenBackPiecesAreUsedAgain) {
  ByteBudget budget(std::size_t{1} << 30);
  NodeArena arena(2048, budget);
  void* const piece = arena.Allocate().value();
  const std::size_t used = budget.used();
  for (int i = 0; i < 1000; ++i) {
    arena.GiveBack(piece);
    EXPECT_EQ(arena.Allocate().value(), piece);
  }
  EXPECT_EQ(budget.used(), used);
}

TEST(NodeArenaTest, BeyondTheBudgetIsAnErrorAndNeverTaken) {
  ByteBudget budget(100'000);
  NodeArena arena(1024, budget);
  int pieces = 0;
  Result<void*> piece = arena.Allocate();
  for (; piece; piece = arena.Allocate()) ++pieces;
  EXPECT_EQ(piece.error().code, ErrorCode::kLimit);
  EXPECT_GE(pieces, 24);
  EXPECT_LE(budget.used(), 100'000U);
}

}  // namespace
}  // namespace cairn::index
