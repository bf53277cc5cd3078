// SPDX-License-Identifier: Apache-2.0
#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <limits>

#include "testing/temp_folder.h"

namespace cairn {
namespace {

class MappedFileTest : public ::testing::Test {
 protected:
  std::string Path(const std::string& name) const { return folder_.File(name); }
  std::string Write(const std::string& name, const std::string& text) const {
    std::ofstream(Path(name), std::ios::binary) << text;
    return Path(name);
  }
  static void ExpectError(const std::string& path, ErrorCode code) {
    const auto file = MappedFile::Open(path);
    ASSERT_FALSE(file.has_value()) << path;
    EXPECT_EQ(file.error().code, code) << file.error().message;
    EXPECT_NE(file.error().message.find(path), std::string::npos) << file.error().message;
  }

  testing::TempFolder folder_;
};

TEST_F(MappedFileTest, ShowsTheBytesOfTheFile) {
  const auto file = MappedFile::Open(Write("a", "hello"));
  ASSERT_TRUE(file.has_value()) << file.error().message;
  ASSERT_EQ(file->bytes().size(), 5u);
  EXPECT_EQ(file->bytes()[4], std::byte{'o'});
  EXPECT_EQ(file->path(), Path("a"));
}

TEST_F(MappedFileTest, MissingFileIsNotFound) { ExpectError(Path("none"), ErrorCode::kNotFound); }

TEST_F(MappedFileTest, EmptyFileIsCorrupt) { ExpectError(Write("e", ""), ErrorCode::kCorrupt); }

TEST_F(MappedFileTest, DirectoryDeviceAndPipeAreRefusedWithoutWaiting) {
  ExpectError(folder_.path(), ErrorCode::kInvalidArgument);
  ExpectError("/dev/zero", ErrorCode::kInvalidArgument);
  ASSERT_EQ(::mkfifo(Path("pipe").c_str(), 0600), 0);
  ExpectError(Path("pipe"), ErrorCode::kInvalidArgument);
}

TEST_F(MappedFileTest, FileThatMayNotBeReadIsAnIoError) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
  const std::string path = Write("secret", "x");
  ::chmod(path.c_str(), 0);
  ExpectError(path, ErrorCode::kIo);
}

TEST_F(MappedFileTest, ReleasedPagesReadTheSame) {
  const std::string text(100'000, 'x');
  const auto file = MappedFile::Open(Write("big", text));
  ASSERT_TRUE(file.has_value());
  const auto same = [&] {
    return std::string_view(reinterpret_cast<const char*>(file->bytes().data()), text.size()) ==
           text;
  };
  ASSERT_TRUE(same());
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
  file->Release(0, text.size());
  EXPECT_TRUE(same());
  file->Release(5000, kMost);
  file->Release(kMost, kMost);
  file->Release(1, 10);
  file->Release(99'999, 1);
  EXPECT_TRUE(same());
}

TEST_F(MappedFileTest, MovingKeepsTheMapping) {
  auto file = MappedFile::Open(Write("a", "hello"));
  const std::byte* data = file->bytes().data();
  MappedFile moved = std::move(*file);
  EXPECT_EQ(moved.bytes().data(), data);
  EXPECT_EQ(moved.bytes()[0], std::byte{'h'});
}

}  // namespace
}  // namespace cairn
