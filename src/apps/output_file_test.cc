// SPDX-License-Identifier: Apache-2.0
#include "apps/output_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "testing/temp_folder.h"

namespace cairn::apps {
namespace {

std::string Read(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

Result<void> Write(const std::string& path, const std::string& text) {
  SystemFiles files;
  OutputFile file = OR_RETURN(OutputFile::Create(files, path));
  OR_RETURN(file.Append(std::as_bytes(std::span(text))));
  return file.Finish();
}

TEST(OutputFileTest, FileIsReplacedWhole) {
  const cairn::testing::TempFolder temp;
  const std::string path = temp.path() + "/a";
  ASSERT_TRUE(Write(path, "first, and longer"));
  ASSERT_TRUE(Write(path, "second"));
  EXPECT_EQ(Read(path), "second");
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
}

TEST(OutputFileTest, LinkStaysALink) {
  const cairn::testing::TempFolder temp;
  const std::string link = temp.path() + "/link";
  std::filesystem::create_symlink("target", link);
  ASSERT_TRUE(Write(link, "text"));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(Read(temp.path() + "/target"), "text");
}

TEST(OutputFileTest, PipeIsWrittenAndStaysOne) {
  const cairn::testing::TempFolder temp;
  const std::string path = temp.path() + "/pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const int end = open(path.c_str(), O_RDWR);  // keeps the pipe open: nothing waits
  ASSERT_GE(end, 0);
  EXPECT_TRUE(Write(path, "text"));
  char read[8] = {};
  EXPECT_EQ(::read(end, read, sizeof read), 4);
  EXPECT_STREQ(read, "text");
  close(end);
  EXPECT_TRUE(std::filesystem::is_fifo(path));
}

TEST(OutputFileTest, FolderIsRefused) {
  const cairn::testing::TempFolder temp;
  for (const std::string& path : {temp.path(), temp.path() + "/none/"}) {
    const auto written = Write(path, "text");
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_TRUE(std::filesystem::is_empty(temp.path()));
}

}  // namespace
}  // namespace cairn::apps
