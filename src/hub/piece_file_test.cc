// SPDX-License-Identifier: Apache-2.0
#include "hub/piece_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <vector>

#include "testing/temp_folder.h"

namespace cairn::hub {
namespace {

constexpr std::uint64_t kBytes = 1050, kPiece = 100;

class PieceFileTest : public ::testing::Test {
 protected:
  std::unique_ptr<PieceFile> Open(const std::string& version = "v", std::uint64_t bytes = kBytes) {
    auto file = PieceFile::Open(folder_.path(), bytes, version, kPiece);
    EXPECT_TRUE(file) << file.error().message;
    return file ? *std::move(file) : nullptr;
  }
  void Fill(PieceFile& file, std::size_t piece) {
    const auto [begin, end] = file.RangeOf(piece);
    const std::vector<std::byte> bytes(end - begin, static_cast<std::byte>(piece + 1));
    ASSERT_TRUE(file.Write(begin, bytes));
    ASSERT_TRUE(file.MarkWhole(piece));
  }
  static std::vector<std::size_t> Whole(const PieceFile& file) {
    std::vector<std::size_t> whole;
    for (std::size_t i = 0; i < file.count(); ++i) {
      if (file.whole(i)) whole.push_back(i);
    }
    return whole;
  }

  testing::TempFolder folder_;
};

using Pieces = std::vector<std::size_t>;

TEST_F(PieceFileTest, PiecesThatWereWholeAreFoundAgain) {
  {
    const auto file = Open();
    ASSERT_EQ(file->count(), 11u);
    EXPECT_EQ(file->RangeOf(10), (std::pair<std::uint64_t, std::uint64_t>(1000, 1050)));
    EXPECT_EQ(Whole(*file), Pieces{});
    Fill(*file, 3);
    Fill(*file, 10);
    ASSERT_TRUE(file->Write(0, std::vector<std::byte>(50)));  // a part of a piece
  }
  EXPECT_EQ(Whole(*Open()), (Pieces{3, 10}));
}

TEST_F(PieceFileTest, AnotherVersionOrSizeBeginsAnew) {
  Fill(*Open(), 3);
  EXPECT_EQ(Whole(*Open("w")), Pieces{});
  EXPECT_EQ(Whole(*Open()), Pieces{}) << "the first one is gone";
  Fill(*Open(), 3);
  EXPECT_EQ(Whole(*Open("v", 1051)), Pieces{});
}

TEST_F(PieceFileTest, WhatWasChangedOrCutIsForgotten) {
  {
    const auto file = Open();
    Fill(*file, 3);
    Fill(*file, 4);
    ASSERT_TRUE(file->Write(333, std::vector<std::byte>(1)));
  }
  EXPECT_EQ(Whole(*Open()), Pieces{4});
  std::ofstream(folder_.File("pieces"), std::ios::app) << "5 12\nnonsense\n99 1\n6 ab";
  EXPECT_EQ(Whole(*Open()), Pieces{4});
  std::filesystem::resize_file(folder_.File("body"), 500);
  EXPECT_EQ(Whole(*Open()), Pieces{});
}

}  // namespace
}  // namespace cairn::hub
