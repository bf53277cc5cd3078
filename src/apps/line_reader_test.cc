// SPDX-License-Identifier: Apache-2.0
#include "apps/line_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <vector>

#include "testing/temp_folder.h"

namespace cairn::apps {
namespace {

using Got = LineReader::Got;

// The lines of `text`; "?" for one that is too long.
std::vector<std::string> LinesOf(const std::string& text, std::size_t most = 100) {
  const cairn::testing::TempFolder temp;
  std::ofstream(temp.File("a")) << text;
  auto reader = LineReader::Open(temp.File("a"), most);
  EXPECT_TRUE(reader);
  std::vector<std::string> lines;
  std::string line;
  while (true) {
    const auto got = reader->Next(line, 0);
    EXPECT_TRUE(got);
    if (!got || *got == Got::kEnd) return lines;
    lines.push_back(*got == Got::kTooLong ? "?" : line);
    EXPECT_EQ(reader->number(), static_cast<std::int64_t>(lines.size()));
  }
}

using Lines = std::vector<std::string>;

TEST(LineReaderTest, LinesComeWithoutTheirBreaks) {
  EXPECT_EQ(LinesOf(""), Lines{});
  EXPECT_EQ(LinesOf("a\n\nb\n"), (Lines{"a", "", "b"}));
  EXPECT_EQ(LinesOf("a\nb"), (Lines{"a", "b"}));
  EXPECT_EQ(LinesOf("\n"), Lines{""});
  EXPECT_EQ(LinesOf("\xEF\xBB\xBF"
                    "a\n\xEF\xBB\xBF"),
            (Lines{"a", "\xEF\xBB\xBF"}));
}

TEST(LineReaderTest, LongLinesOfManyChunksAreWhole) {
  const std::string big(3'000'000, 'x');
  EXPECT_EQ(LinesOf("a\n" + big + "\nb\n", big.size()), (Lines{"a", big, "b"}));
}

TEST(LineReaderTest, TooLongLineIsLeftOutAndCounted) {
  const std::string big(3'000'000, 'x');
  EXPECT_EQ(LinesOf("a\n" + big + "\nb\n"), (Lines{"a", "?", "b"}));
  EXPECT_EQ(LinesOf("a\n" + big), (Lines{"a", "?"}));
  EXPECT_EQ(LinesOf(std::string(100, 'x') + "\n" + std::string(101, 'y')),
            (Lines{std::string(100, 'x'), "?"}));
}

TEST(LineReaderTest, PipeWithoutALineIsNotWaitedFor) {
  const cairn::testing::TempFolder temp;
  const std::string path = temp.File("pipe");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const int end = open(path.c_str(), O_RDWR);
  auto reader = LineReader::Open(path, 100);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->CountLines(), -1);
  std::string line;
  EXPECT_EQ(*reader->Next(line, 0), Got::kNotYet);
  ASSERT_EQ(write(end, "ha", 2), 2);
  EXPECT_EQ(*reader->Next(line, 0), Got::kNotYet);
  ASSERT_EQ(write(end, "lf\n", 3), 3);
  EXPECT_EQ(*reader->Next(line, 0), Got::kLine);
  EXPECT_EQ(line, "half");
  close(end);
}

TEST(LineReaderTest, CountIsOfLinesThatHoldSomething) {
  const cairn::testing::TempFolder temp;
  std::ofstream(temp.File("a")) << "a\n \t\r\n\nb\nc";
  const auto reader = LineReader::Open(temp.File("a"), 100);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->CountLines(), 3);
}

TEST(LineReaderTest, FolderAndMissingFileAreErrors) {
  const cairn::testing::TempFolder temp;
  EXPECT_EQ(LineReader::Open(temp.path(), 100).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(LineReader::Open(temp.File("none"), 100).error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace cairn::apps
