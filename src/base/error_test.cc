// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <gtest/gtest.h>

#include "base/checked.h"

namespace cairn {
namespace {

Result<int> Half(int value) {
  if (value % 2 != 0) return Fail(ErrorCode::kInvalidArgument, "value is odd");
  return value / 2;
}

Result<void> RequireEven(int value) {
  OR_RETURN(Half(value));
  return {};
}

Result<int> Quarter(int value) {
  OR_RETURN(RequireEven(value));
  return Half(OR_RETURN(Half(value)));
}

TEST(ErrorTest, OrReturnYieldsTheValue) { EXPECT_EQ(*Quarter(12), 3); }

TEST(ErrorTest, OrReturnPassesTheErrorOn) {
  const Result<int> result = Quarter(6);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(result.error().message, "value is odd");
}

TEST(ErrorTest, WithinPutsTheContextInFront) {
  Error error{ErrorCode::kIo, "cannot open"};
  EXPECT_EQ(std::move(error).Within("model.gguf").message, "model.gguf: cannot open");
}

TEST(CheckedTest, OverflowIsNothing) {
  EXPECT_FALSE(CheckedMul<std::size_t>(~std::size_t{0}, 2));
  EXPECT_FALSE(CheckedAdd<std::size_t>(~std::size_t{0}, 1));
  EXPECT_FALSE(CheckedRoundUp<std::size_t>(~std::size_t{0} - 1, 16));
  EXPECT_EQ(CheckedRoundUp<std::size_t>(17, 16), 32u);
}

}  // namespace
}  // namespace cairn
