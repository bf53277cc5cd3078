// SPDX-License-Identifier: Apache-2.0
// Folders of safetensors of every kind (tests/golden/folders, saved by transformers through
// scripts/reference/make_folders.py) beside the GGUF files of the same weights, which
// architectures_test compares with transformers: the same logits, byte for byte.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "model/convert.h"
#include "model/folder.h"
#include "model/folder_kinds.h"
#include "model/quantise.h"
#include "testing/engine_helpers.h"
#include "testing/temp_folder.h"

namespace cairn::testing {
namespace {

namespace fs = std::filesystem;

const fs::path& Golden() {
  static const fs::path folder = fs::path(CAIRN_SOURCE_DIR) / "tests/golden";
  return folder;
}

std::vector<std::string> FolderNames() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(Golden() / "folders")) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

LogitRows LogitsOfModel(const std::string& path, std::span<const std::int32_t> tokens) {
  const auto model = model::Model::Load(path, {.threads = 1});
  EXPECT_TRUE(model) << model.error().message;
  if (!model) return {};
  const auto engine = MakeEngine(*model, {.threads = 2});
  return LogitsOf(*engine, tokens);
}

class FoldersTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::ifstream file(Golden() / "architectures" / (GetParam() + ".json"));
    const boost::json::value parsed =
        boost::json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
    tokens_ = boost::json::value_to<std::vector<std::int32_t>>(parsed.at("tokens"));
    expected_ = LogitsOfModel(Golden() / "architectures" / (GetParam() + ".gguf"), tokens_);
    ASSERT_EQ(expected_.size(), tokens_.size());
  }
  std::string folder() const { return Golden() / "folders" / GetParam(); }
  // Writes a file of what `write` hands over.
  std::string Written(const std::string& name, auto write) {
    const std::string path = temp_.File(name);
    std::ofstream out(path, std::ios::binary);
    const auto done = write([&](std::span<const std::byte> bytes) -> Result<void> {
      out.write(reinterpret_cast<const char*>(bytes.data()),
                static_cast<std::streamsize>(bytes.size()));
      return {};
    });
    EXPECT_TRUE(done) << done.error().message;
    return path;
  }

  TempFolder temp_;
  std::vector<std::int32_t> tokens_;
  LogitRows expected_;
};

TEST_P(FoldersTest, GivesTheLogitsOfTheFileOfTheSameWeights) {
  EXPECT_TRUE(SameBytes(LogitsOfModel(folder(), tokens_), expected_));
}

TEST_P(FoldersTest, ConvertedGivesTheSameLogitsAgain) {
  const std::string path = Written(
      "converted.gguf", [&](const auto& sink) { return model::ConvertFolder(folder(), {}, sink); });
  EXPECT_TRUE(SameBytes(LogitsOfModel(path, tokens_), expected_));
}

// Rows in another order and experts by themselves reach the quantiser too.
TEST_P(FoldersTest, QuantisedIsTheQuantisedFile) {
  parallel::WorkerTeam team(2);
  const auto quantised = [&](const std::string& name, const std::string& from) {
    const auto opened = model::OpenModelFile(from);
    EXPECT_TRUE(opened) << opened.error().message;
    return Written(name, [&](const auto& sink) {
      return model::QuantiseFile(*opened, tensor::Format::kQ8_0, nullptr, team, sink,
                                 [](const model::QuantisedTensor&) {});
    });
  };
  const std::string ours = quantised("ours.gguf", folder());
  const std::string other =
      quantised("other.gguf", Golden() / "architectures" / (GetParam() + ".gguf"));
  EXPECT_TRUE(SameBytes(LogitsOfModel(ours, tokens_), LogitsOfModel(other, tokens_)));
}

INSTANTIATE_TEST_SUITE_P(Tiny, FoldersTest, ::testing::ValuesIn(FolderNames()),
                         [](const auto& info) { return info.param; });

TEST(FolderKindsTest, EachHasATinyFolder) {
  std::set<std::string> tested{"bert"};  // convert_test
  for (const std::string& name : FolderNames()) {
    std::ifstream file(Golden() / "folders" / name / "config.json");
    const boost::json::value config =
        boost::json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
    tested.emplace(config.at("model_type").as_string());
  }
  std::string types = model::FolderTypes() + ", ";
  while (!types.empty()) {
    const std::size_t comma = types.find(", ");
    EXPECT_TRUE(tested.contains(types.substr(0, comma))) << types.substr(0, comma);
    types.erase(0, comma + 2);
  }
}

}  // namespace
}  // namespace cairn::testing
