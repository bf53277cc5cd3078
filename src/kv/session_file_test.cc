// SPDX-License-Identifier: Apache-2.0
// Texts here have full tiles: the test's keys and values do not lie as the kernels' do. Tiles that
// are not full: engine/session_test.cc.
#include "kv/session_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>

#include "kv/test_sequence.h"
#include "testing/failing_file_system.h"
#include "testing/temp_folder.h"

namespace cairn::kv {
namespace {

using testing::FailingFileSystem;

constexpr int kVocabulary = 1 << 24;
constexpr std::string_view kNote = "what was said";

class SessionFileTest : public ::testing::Test {
 protected:
  // As a sequence grows: windows are given back on the way.
  TestSequence Filled(std::int64_t size, std::uint32_t seed = 1) {
    TestSequence sequence(*pool_);
    const auto words = Words(size, seed);
    for (std::int64_t at = 0; at < size; at += kTile) {
      EXPECT_TRUE(sequence.Append(std::span(words).subspan(static_cast<std::size_t>(at), kTile)));
      sequence.tiles().Release(sequence.size());
    }
    return sequence;
  }
  std::vector<std::byte> Written(const TestSequence& sequence, const SequenceTiles& tiles) {
    std::vector<std::byte> bytes;
    ends_.clear();
    const auto written = WriteSession(pool_->layout(), origin_, sequence.tokens(), kNote, tiles,
                                      [&](std::span<const std::byte> part) -> Result<void> {
                                        bytes.insert(bytes.end(), part.begin(), part.end());
                                        ends_.push_back(bytes.size());
                                        return {};
                                      });
    EXPECT_TRUE(written) << written.error().message;
    EXPECT_EQ(*written, bytes.size());
    return bytes;
  }
  std::vector<std::byte> Written(std::int64_t size) {
    TestSequence sequence = Filled(size);
    return Written(sequence, sequence.tiles());
  }
  void Store(std::span<const std::byte> bytes) {
    auto file = real_.OpenToWrite(path_, WriteMode::kReplace);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->Write(bytes));
    ASSERT_TRUE((*file)->Close());
  }
  Result<SessionText> Read(KvPool& pool, SequenceTiles& tiles) {
    const auto file = OR_RETURN(files_.OpenToRead(path_));
    return ReadSession(*file, origin_, limits_, pool, tiles);
  }
  // The code with which what lies there is refused; nothing where it is read.
  std::optional<ErrorCode> Refused(std::span<const std::byte> bytes) {
    Store(bytes);
    SequenceTiles tiles(*pool_);
    const auto read = Read(*pool_, tiles);
    if (read) return std::nullopt;
    EXPECT_EQ(tiles.tile_count(), 0) << "half of a session is there";
    EXPECT_FALSE(read.error().message.empty());
    return read.error().code;
  }

  testing::TempFolder folder_;
  std::string path_ = folder_.File("session");
  SystemFiles real_;
  FailingFileSystem files_{real_};
  std::unique_ptr<KvPool> pool_ = MakePoolOf(TwoGroups(), 40);
  SessionOrigin origin_{.model = {std::byte{1}, std::byte{2}}, .arithmetic = 1};
  SessionLimits limits_{.positions = 4096, .vocabulary = kVocabulary};
  std::vector<std::size_t> ends_;  // of the parts that were written last
};

TEST_F(SessionFileTest, WhatWasWrittenIsReadBackIntoAnotherPool) {
  for (const KvBackend backend : {KvBackend::kArena, KvBackend::kMapped}) {
    for (const std::int64_t size : {0, 64, 128, 640}) {
      TestSequence sequence = Filled(size);
      Store(Written(sequence, sequence.tiles()));
      const auto other = MakePoolOf(TwoGroups(), 12, backend);
      TestSequence again(*other);
      const auto read = Read(*other, again.tiles());
      ASSERT_TRUE(read) << read.error().message;
      EXPECT_EQ(read->tokens, sequence.tokens());
      EXPECT_EQ(read->note, kNote);
      EXPECT_EQ(read->bytes, ends_.back());
      again.Adopt(read->tokens);
      EXPECT_TRUE(again.Holds()) << size;
    }
  }
  EXPECT_EQ(pool_->use().used, 0u);
}

TEST_F(SessionFileTest, TheSameTextGivesTheSameBytes) {
  TestSequence first = Filled(192);
  const auto bytes = Written(first, first.tiles());
  TestSequence other = Filled(192, 9), again = Filled(192);
  EXPECT_EQ(Written(again, again.tiles()), bytes);
  EXPECT_NE(Written(other, other.tiles()), bytes);
}

TEST_F(SessionFileTest, EveryCutIsCorrupt) {
  const auto bytes = Written(256);
  std::vector<std::size_t> cuts = ends_;
  cuts.pop_back();  // all of it
  cuts.insert(cuts.end(), {0, 1, 7, 8, 63, 64, bytes.size() - 1});
  std::mt19937 random(4);
  for (int i = 0; i < 200; ++i) cuts.push_back(random() % bytes.size());
  for (const std::size_t cut : cuts) {
    ASSERT_EQ(Refused(std::span(bytes).first(cut)), ErrorCode::kCorrupt) << cut;
  }
  auto longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_EQ(Refused(longer), ErrorCode::kCorrupt);
  EXPECT_EQ(Refused(bytes), std::nullopt) << "and the whole file is read";
}

TEST_F(SessionFileTest, EveryFlippedBitIsAnError) {
  const auto bytes = Written(192);
  std::vector<std::size_t> bits;
  for (std::size_t bit = 0; bit < 8 * std::min<std::size_t>(bytes.size(), 120); ++bit) {
    bits.push_back(bit);  // all of the head and its checksum
  }
  for (const std::size_t end : ends_) {  // the last and the first of every block and checksum
    bits.push_back(8 * end - 1);
    if (end < bytes.size()) bits.push_back(8 * end);
  }
  std::mt19937 random(5);
  for (int i = 0; i < 300; ++i) bits.push_back(random() % (8 * bytes.size()));
  for (const std::size_t bit : bits) {
    auto flipped = bytes;
    flipped[bit / 8] ^= std::byte{1} << (bit % 8);
    ASSERT_NE(Refused(flipped), std::nullopt) << "bit " << bit << " of " << 8 * bytes.size();
  }
}

// Tiles of the same size whose own bytes are whole: a checksum of each alone would not see it.
TEST_F(SessionFileTest, BlocksOfAnotherPlaceOrFileAreCorrupt) {
  const auto bytes = Written(256);
  // Parts: a block, its checksum, ... head, tokens, note, then the tiles of the first group.
  const auto tile = [&](std::size_t i) {
    return std::pair(ends_[2 * (3 + i) - 1], ends_[2 * (4 + i) - 1]);
  };
  auto swapped = bytes;
  const auto [a, a_end] = tile(0);
  const auto [b, b_end] = tile(1);
  ASSERT_EQ(a_end - a, b_end - b);
  std::swap_ranges(swapped.begin() + static_cast<std::ptrdiff_t>(a),
                   swapped.begin() + static_cast<std::ptrdiff_t>(a_end),
                   swapped.begin() + static_cast<std::ptrdiff_t>(b));
  EXPECT_EQ(Refused(swapped), ErrorCode::kCorrupt);
  TestSequence other = Filled(256, 7);
  const auto theirs = Written(other, other.tiles());
  auto mixed = bytes;
  std::copy(theirs.begin() + static_cast<std::ptrdiff_t>(b),
            theirs.begin() + static_cast<std::ptrdiff_t>(b_end),
            mixed.begin() + static_cast<std::ptrdiff_t>(b));
  EXPECT_EQ(Refused(mixed), ErrorCode::kCorrupt);
}

TEST_F(SessionFileTest, WhatIsOfAnotherModelArithmeticOrFormatIsRefused) {
  const auto bytes = Written(128);
  origin_.model[15] = std::byte{1};
  EXPECT_EQ(Refused(bytes), ErrorCode::kInvalidArgument);
  origin_.model[15] = std::byte{0};
  origin_.arithmetic = 2;
  EXPECT_EQ(Refused(bytes), ErrorCode::kUnsupported);
  origin_.arithmetic = 1;
  limits_.positions = 127;
  EXPECT_EQ(Refused(bytes), ErrorCode::kLimit);
  limits_.positions = 128;
  limits_.vocabulary = 1000;
  EXPECT_EQ(Refused(bytes), ErrorCode::kCorrupt);
  limits_.vocabulary = kVocabulary;
  EXPECT_EQ(Refused(bytes), std::nullopt);
  pool_ = MakePoolOf(TwoGroups(32), 40);  // another window
  EXPECT_EQ(Refused(bytes), ErrorCode::kCorrupt);
  KvLayout f32 = LayOut({{.heads = 2, .head_dim = 16, .window = 0}}, kernels::KvFormat::kF32);
  pool_ = MakePoolOf(f32, 40);
  EXPECT_EQ(Refused(bytes), ErrorCode::kInvalidArgument);
}

TEST_F(SessionFileTest, AFullMemoryIsALimitAndLeavesNothing) {
  const auto bytes = Written(640);
  pool_ = MakePoolOf(TwoGroups(), 5);
  EXPECT_EQ(Refused(bytes), ErrorCode::kLimit);
  EXPECT_EQ(pool_->use().used, 0u);
}

TEST_F(SessionFileTest, AnyFailingReadIsAnError) {
  Store(Written(192));
  for (int n = 0;; ++n) {
    FailingFileSystem failing(real_);
    failing.FailAt(n);
    SequenceTiles tiles(*pool_);
    const auto file = failing.OpenToRead(path_);
    const auto read = file ? ReadSession(**file, origin_, limits_, *pool_, tiles)
                           : Result<SessionText>(std::unexpected(file.error()));
    if (!failing.failed()) break;
    ASSERT_FALSE(read) << n;
    EXPECT_EQ(read.error().code, ErrorCode::kIo);
    EXPECT_EQ(tiles.tile_count(), 0);
  }
}

}  // namespace
}  // namespace cairn::kv
