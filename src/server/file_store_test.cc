// SPDX-License-Identifier: Apache-2.0
#include "server/file_store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "testing/failing_file_system.h"

namespace cairn::server {
namespace {

class FileStoreTest : public ::testing::Test {
 protected:
  FileStoreTest() { std::filesystem::remove_all(folder_); }
  ~FileStoreTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<FileStore> Open(FileSystem& disk, std::uint64_t most = 1 << 20) {
    auto store = FileStore::Open(disk, folder_, most);
    EXPECT_TRUE(store) << store.error().message;
    return *std::move(store);
  }

  SystemFiles disk_;
  const std::string folder_ = ::testing::TempDir() + "file_store_test." + std::to_string(getpid());
};

TEST_F(FileStoreTest, FilesAreOfTheirTenantAndOutliveTheProcess) {
  const auto added = Open(disk_)->Add("ann", "../../etc/passwd", "batch", "text");
  ASSERT_TRUE(added);
  const auto store = Open(disk_);
  ASSERT_EQ(store->List("ann").size(), 1U);
  EXPECT_EQ(store->List("ann")[0].filename, "../../etc/passwd");
  EXPECT_EQ(*store->Read("ann", added->id), "text");
  EXPECT_TRUE(store->List("bob").empty());
  for (const auto& [tenant, id] : {std::pair<std::string, std::string>{"bob", added->id},
                                   {"ann", "file-x"},
                                   {"ann", "../" + added->id}}) {
    EXPECT_FALSE(store->Read(tenant, id));
    EXPECT_FALSE(store->Remove(tenant, id));
  }
  EXPECT_TRUE(store->Remove("ann", added->id));
  EXPECT_FALSE(store->Read("ann", added->id));
  EXPECT_TRUE(disk_.List(folder_)->empty());
}

TEST_F(FileStoreTest, AFullStoreRefusesAndGoesOnOnceSomethingIsDeleted) {
  const auto store = Open(disk_, 10);
  const auto first = store->Add("", "a", "batch", "12345678");
  ASSERT_TRUE(first);
  const auto refused = store->Add("", "b", "batch", "123");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kLimit);
  EXPECT_TRUE(store->Add("", "b", "batch", "12"));
  EXPECT_TRUE(store->Remove("", first->id));
  EXPECT_TRUE(store->Add("", "c", "batch", "12345678"));
}

// Killed at each operation of an Add and of a Remove, the store has the file whole or not at all,
// and the others as they were.
TEST_F(FileStoreTest, AKillAtAnyMomentLeavesWholeFiles) {
  bool failed = true;
  for (int n = 0; failed; ++n) {
    std::filesystem::remove_all(folder_);
    testing::FailingFileSystem dying(disk_);
    const auto store = Open(dying);
    const auto before = store->Add("", "before", "batch", "12345");
    const auto removed = store->Add("", "removed", "batch", "678");
    ASSERT_TRUE(before && removed);
    dying.FailAt(dying.operations() + n, true);
    const auto added = store->Add("", "added", "batch", "90");
    const auto gone = store->Remove("", removed->id);
    failed = dying.failed();
    EXPECT_NE(failed, added && gone);
    const auto after = Open(disk_);
    EXPECT_EQ(*after->Read("", before->id), "12345");
    for (const StoredFile& file : after->List("")) {
      const auto text = after->Read("", file.id);
      ASSERT_TRUE(text) << n;
      EXPECT_EQ(static_cast<std::int64_t>(text->size()), file.bytes);
    }
    const auto names = disk_.List(folder_);
    ASSERT_TRUE(names);
    for (const std::string& name : *names) {
      const std::string id = name.substr(0, name.rfind('.'));
      EXPECT_TRUE(after->Find("", id)) << name << " is of no file, " << n;
    }
  }
}

}  // namespace
}  // namespace cairn::server
