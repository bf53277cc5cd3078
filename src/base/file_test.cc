// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <limits>

#include "testing/failing_file_system.h"
#include "testing/temp_folder.h"

namespace cairn {
namespace {

using testing::FailingFileSystem;

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

Result<void> WriteFile(FileSystem& files, const std::string& path, std::string_view text,
                       WriteMode mode) {
  const auto file = OR_RETURN(files.OpenToWrite(path, mode));
  OR_RETURN(file->Write(Bytes(text)));
  return file->Close();
}

// The recipe of base/file.h.
Result<void> Replace(FileSystem& files, const std::string& folder, const std::string& name,
                     std::string_view text) {
  const std::string part = folder + "/" + name + ".part";
  const auto file = OR_RETURN(files.OpenToWrite(part, WriteMode::kReplace));
  OR_RETURN(file->Write(Bytes(text)));
  OR_RETURN(file->Sync());
  OR_RETURN(file->Close());
  OR_RETURN(files.Rename(part, folder + "/" + name));
  return files.SyncFolder(folder);
}

class SystemFilesTest : public ::testing::Test {
 protected:
  std::string Read(const std::string& name) {
    return ReadWholeFile(files_, folder_.File(name), 1 << 20).value_or("(error)");
  }
  void ExpectError(const Error& error, ErrorCode code, const std::string& path) {
    EXPECT_EQ(error.code, code) << error.message;
    EXPECT_NE(error.message.find(path), std::string::npos) << error.message;
  }

  SystemFiles files_;
  testing::TempFolder folder_;
};

TEST_F(SystemFilesTest, WhatIsWrittenIsRead) {
  ASSERT_TRUE(WriteFile(files_, folder_.File("a"), "hello", WriteMode::kCreateNew));
  EXPECT_EQ(Read("a"), "hello");
  EXPECT_EQ(files_.Size(folder_.File("a")).value(), 5u);
  ASSERT_TRUE(WriteFile(files_, folder_.File("a"), " you", WriteMode::kAppend));
  EXPECT_EQ(Read("a"), "hello you");
  ASSERT_TRUE(WriteFile(files_, folder_.File("a"), "new", WriteMode::kReplace));
  EXPECT_EQ(Read("a"), "new");
}

TEST_F(SystemFilesTest, CreateNewRefusesWhatExistsAndLeavesIt) {
  ASSERT_TRUE(WriteFile(files_, folder_.File("a"), "old", WriteMode::kCreateNew));
  const auto again = WriteFile(files_, folder_.File("a"), "new", WriteMode::kCreateNew);
  ASSERT_FALSE(again.has_value());
  ExpectError(again.error(), ErrorCode::kIo, folder_.File("a"));
  EXPECT_EQ(Read("a"), "old");
}

TEST_F(SystemFilesTest, ReadAtIsShortOnlyAtTheEnd) {
  ASSERT_TRUE(WriteFile(files_, folder_.File("a"), "0123456789", WriteMode::kCreateNew));
  const auto file = files_.OpenToRead(folder_.File("a"));
  ASSERT_TRUE(file.has_value());
  std::vector<std::byte> out(6);
  EXPECT_EQ((*file)->ReadAt(2, out).value(), 6u);
  EXPECT_EQ(out[5], std::byte{'7'});
  EXPECT_EQ((*file)->ReadAt(7, out).value(), 3u);
  EXPECT_EQ((*file)->ReadAt(10, out).value(), 0u);
  EXPECT_EQ((*file)->ReadAt(1 << 20, out).value(), 0u);
  const auto absurd = (*file)->ReadAt(std::numeric_limits<std::uint64_t>::max(), out);
  ASSERT_FALSE(absurd.has_value());
  EXPECT_EQ(absurd.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(SystemFilesTest, AScratchFileIsWrittenAnywhereAndHasNoName) {
  auto scratch = files_.OpenScratch(folder_.path());
  ASSERT_TRUE(scratch) << scratch.error().message;
  ASSERT_TRUE((*scratch)->WriteAt(100, Bytes("there")));
  ASSERT_TRUE((*scratch)->WriteAt(10, Bytes("here")));
  ASSERT_TRUE((*scratch)->WriteAt(102, Bytes("EE")));
  std::string text(5, ' ');
  ASSERT_TRUE((*scratch)->ReadAt(100, std::as_writable_bytes(std::span(text))));
  EXPECT_EQ(text, "thEEe");
  // What was never written, also in part.
  ExpectError((*scratch)->ReadAt(103, std::as_writable_bytes(std::span(text))).error(),
              ErrorCode::kIo, folder_.path());
  EXPECT_TRUE(files_.List(folder_.path()).value().empty());
  EXPECT_EQ(files_.OpenScratch(folder_.File("none")).error().code, ErrorCode::kNotFound);
}

TEST_F(SystemFilesTest, MissingFilesAreNotFound) {
  const std::string path = folder_.File("none");
  ExpectError(files_.OpenToRead(path).error(), ErrorCode::kNotFound, path);
  ExpectError(files_.Size(path).error(), ErrorCode::kNotFound, path);
  ExpectError(files_.Remove(path).error(), ErrorCode::kNotFound, path);
  ExpectError(files_.Rename(path, path + "2").error(), ErrorCode::kNotFound, path);
  ExpectError(files_.List(path).error(), ErrorCode::kNotFound, path);
  ExpectError(files_.SyncFolder(path).error(), ErrorCode::kNotFound, path);
  ExpectError(files_.OpenToWrite(path + "/x", WriteMode::kReplace).error(), ErrorCode::kNotFound,
              path);
}

TEST_F(SystemFilesTest, FoldersDevicesAndPipesAreNoFiles) {
  const auto expect = [&](const std::string& path) {
    ExpectError(files_.OpenToRead(path).error(), ErrorCode::kInvalidArgument, path);
  };
  expect(folder_.path());
  expect("/dev/zero");
  ASSERT_EQ(::mkfifo(folder_.File("pipe").c_str(), 0600), 0);
  expect(folder_.File("pipe"));
  ExpectError(files_.OpenToWrite(folder_.path(), WriteMode::kReplace).error(),
              ErrorCode::kInvalidArgument, folder_.path());
  ExpectError(files_.OpenToWrite("/dev/null", WriteMode::kAppend).error(),
              ErrorCode::kInvalidArgument, "/dev/null");
  const std::string zero(folder_.File("a") + std::string("\0b", 2));
  EXPECT_EQ(files_.OpenToRead(zero).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(files_.Remove(zero).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(files_.Rename(zero, "b").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(files_.CreateFolders(zero).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(files_.List(zero).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(SystemFilesTest, FoldersAreMadeAndListedSorted) {
  const std::string deep = folder_.File("x/y/z");
  ASSERT_TRUE(files_.CreateFolders(deep));
  ASSERT_TRUE(files_.CreateFolders(deep));
  ASSERT_TRUE(WriteFile(files_, deep + "/b", "", WriteMode::kCreateNew));
  ASSERT_TRUE(WriteFile(files_, deep + "/a", "", WriteMode::kCreateNew));
  EXPECT_EQ(files_.List(deep).value(), (std::vector<std::string>{"a", "b"}));
  ASSERT_TRUE(files_.Remove(deep + "/a"));
  EXPECT_EQ(files_.List(deep).value(), (std::vector<std::string>{"b"}));
  EXPECT_FALSE(files_.CreateFolders(deep + "/b/c").has_value());
}

TEST_F(SystemFilesTest, WholeFileLongerThanTheCapIsALimit) {
  ASSERT_TRUE(WriteFile(files_, folder_.File("a"), "hello", WriteMode::kCreateNew));
  EXPECT_EQ(ReadWholeFile(files_, folder_.File("a"), 5).value(), "hello");
  const auto longer = ReadWholeFile(files_, folder_.File("a"), 4);
  ASSERT_FALSE(longer.has_value());
  ExpectError(longer.error(), ErrorCode::kLimit, folder_.File("a"));
}

class FailingFileSystemTest : public SystemFilesTest {};

TEST_F(FailingFileSystemTest, ReplacingFailsAtEveryOperationAndNeverLeavesAMixture) {
  for (const bool and_after : {false, true}) {
    std::int64_t n = 0;
    for (;; ++n) {
      ASSERT_LT(n, 100);
      ASSERT_TRUE(Replace(files_, folder_.path(), "a", "the old text"));
      FailingFileSystem failing(files_);
      failing.FailAt(n, and_after);
      const auto done = Replace(failing, folder_.path(), "a", "the new, longer text");
      if (!failing.failed()) {
        EXPECT_TRUE(done.has_value());
        break;
      }
      ASSERT_FALSE(done.has_value()) << n;
      EXPECT_EQ(done.error().code, ErrorCode::kIo);
      const std::string text = Read("a");
      EXPECT_TRUE(text == "the old text" || text == "the new, longer text") << text;
    }
    EXPECT_EQ(n, 6);  // open, write, sync, close, rename, sync of the folder
    EXPECT_EQ(Read("a"), "the new, longer text");
  }
}

TEST_F(FailingFileSystemTest, FailedWriteIsTornInTwo) {
  FailingFileSystem failing(files_);
  failing.FailAt(1);
  EXPECT_FALSE(WriteFile(failing, folder_.File("a"), "12345678", WriteMode::kCreateNew));
  EXPECT_EQ(Read("a"), "1234");
}

TEST_F(FailingFileSystemTest, NoSpaceWritesWhatFitsAndFails) {
  FailingFileSystem failing(files_);
  failing.LimitSpace(5);
  const auto done = WriteFile(failing, folder_.File("a"), "12345678", WriteMode::kCreateNew);
  ASSERT_FALSE(done.has_value());
  ExpectError(done.error(), ErrorCode::kIo, folder_.File("a"));
  EXPECT_NE(done.error().message.find("No space"), std::string::npos);
  EXPECT_TRUE(failing.failed());
  EXPECT_EQ(Read("a"), "12345");
}

TEST_F(FailingFileSystemTest, FilesSeemToEndEarly) {
  ASSERT_TRUE(WriteFile(files_, folder_.File("a"), "12345678", WriteMode::kCreateNew));
  FailingFileSystem failing(files_);
  failing.EndFilesAt(3);
  EXPECT_EQ(ReadWholeFile(failing, folder_.File("a"), 100).value(), "123");
  EXPECT_EQ(failing.operations(), 3);  // open, size, read
}

}  // namespace
}  // namespace cairn
