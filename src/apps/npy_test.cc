// SPDX-License-Identifier: Apache-2.0
#include "apps/npy.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "testing/failing_file_system.h"
#include "testing/temp_folder.h"

namespace cairn::apps {
namespace {

TEST(NpyTest, FileIsWhatTheFormatSays) {
  const cairn::testing::TempFolder temp;
  const std::string path = temp.path() + "/a.npy";
  SystemFiles files;
  auto writer = NpyWriter::Create(files, path, 2, 3);
  ASSERT_TRUE(writer);
  const float rows[2][3] = {{1, 2, 3}, {-4, 0.5f, 6}};
  for (const auto& row : rows) ASSERT_TRUE(writer->Append(row));
  ASSERT_TRUE(writer->Finish());
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  const std::string bytes = text.str();
  ASSERT_EQ(bytes.size(), 128 + sizeof rows);
  EXPECT_EQ(bytes.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_EQ(bytes.substr(10, 59), "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
  EXPECT_EQ(bytes[127], '\n');
  EXPECT_EQ(std::memcmp(bytes.data() + 128, rows, sizeof rows), 0);
}

TEST(NpyTest, HeaderIsAlwaysAligned) {
  for (std::int64_t rows = 1; rows < 100'000'000; rows *= 10) {
    const std::string header = NpyHeader(rows, 49152);
    EXPECT_EQ(header.size() % 64, 0u) << rows;
    EXPECT_EQ(static_cast<unsigned char>(header[8]) + 256 * header[9] + 10u, header.size());
  }
}

TEST(NpyTest, FullDiskLeavesTheOldFileAlone) {
  const cairn::testing::TempFolder temp;
  const std::string path = temp.path() + "/a.npy";
  std::ofstream(path) << "old";
  SystemFiles system;
  cairn::testing::FailingFileSystem files(system);
  files.LimitSpace(130);
  auto writer = NpyWriter::Create(files, path, 1, 3);
  ASSERT_TRUE(writer);
  const float row[3] = {1, 2, 3};
  EXPECT_FALSE(writer->Append(row));
  { const NpyWriter gone = std::move(*writer); }
  EXPECT_EQ(std::filesystem::file_size(path), 3u);
  EXPECT_FALSE(std::filesystem::exists(path + ".part"));
}

}  // namespace
}  // namespace cairn::apps
