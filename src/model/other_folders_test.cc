// SPDX-License-Identifier: Apache-2.0
#include "model/other_folders.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "testing/temp_folder.h"

namespace cairn::model {
namespace {

namespace fs = std::filesystem;

class OtherFoldersTest : public ::testing::Test {
 protected:
  void Put(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(folder_.File(path)).parent_path());
    std::ofstream(folder_.File(path)) << text;
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const FoundModel& found : FindModels(folders())) names.push_back(found.name);
    return names;
  }
  OtherFolders folders() const {
    return {.ollama = folder_.File("ollama"),
            .llama_cpp = folder_.File("llama.cpp"),
            .hugging_face = folder_.File("hub")};
  }
  void PutOllama(const std::string& name, const std::string& digest) {
    Put("ollama/manifests/" + name,
        R"({"layers": [{"mediaType": "application/vnd.ollama.image.template", "digest": "sha256:x"},)"
        R"({"mediaType": "application/vnd.ollama.image.model", "digest": ")" +
            digest + R"("}]})");
  }

  testing::TempFolder folder_;
};

TEST_F(OtherFoldersTest, EachProgramsModelsHaveNames) {
  const std::string digest(64, 'a');
  Put("ollama/blobs/sha256-" + digest, "model");
  PutOllama("registry.ollama.ai/library/tiny/1b", "sha256:" + digest);
  PutOllama("registry.ollama.ai/someone/tiny/latest", "sha256:" + digest);
  PutOllama("example.org/a/b/c", "sha256:" + digest);
  Put("llama.cpp/owner_m-Q4_0.gguf", "x");
  Put("llama.cpp/owner_m-Q4_0.gguf.json", "{}");
  Put("llama.cpp/mmproj-m.gguf", "x");
  Put("llama.cpp/below/n-00001-of-00002.gguf", "x");
  Put("llama.cpp/below/n-00002-of-00002.gguf", "x");
  Put("hub/models--o--r/blobs/123", "weights");
  fs::create_directories(folder_.File("hub/models--o--r/snapshots/c1/sub"));
  fs::create_symlink("../../../blobs/123",
                     folder_.File("hub/models--o--r/snapshots/c1/sub/m.gguf"));
  Put("hub/models--o--r/snapshots/c2/sub/m.gguf", "older");
  Put("hub/models--o--r/snapshots/c2/config.json", "{}");
  Put("hub/datasets--o--r/snapshots/c/d.gguf", "x");
  EXPECT_EQ(Names(),
            (std::vector<std::string>{"hf:o/r:sub/m.gguf", "llama.cpp:below/n-00001-of-00002.gguf",
                                      "llama.cpp:owner_m-Q4_0.gguf", "ollama:example.org/a/b:c",
                                      "ollama:someone/tiny:latest", "ollama:tiny:1b"}));
  const auto tiny = FindOthersModel(folders(), "ollama:someone/tiny");
  ASSERT_TRUE(tiny) << tiny.error().message;
  EXPECT_EQ(tiny->path, folder_.File("ollama/blobs/sha256-" + digest));
  EXPECT_EQ(tiny->bytes, 5u);
  EXPECT_TRUE(FindOthersModel(folders(), "hf:o/r"));
  EXPECT_FALSE(FindOthersModel(folders(), "ollama:tiny"));
  Put("hub/models--o--r/snapshots/c2/n.gguf", "another");
  const auto several = FindOthersModel(folders(), "hf:o/r");
  ASSERT_FALSE(several);
  EXPECT_EQ(several.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(OtherFoldersTest, FoldersOfSafetensorsAreModels) {
  const std::string snapshot = "hub/models--o--r/snapshots/c1/";
  Put(snapshot + "config.json", R"({"model_type": "qwen3"})");
  Put(snapshot + "model.safetensors.index.json", "{}");
  Put(snapshot + "model-00001-of-00002.safetensors", "12345");
  Put(snapshot + "model-00002-of-00002.safetensors", "678");
  Put("hub/models--o--speech/snapshots/c/config.json", R"({"model_type": "whisper"})");
  Put("hub/models--o--speech/snapshots/c/model.safetensors", "x");
  EXPECT_EQ(Names(), std::vector<std::string>{"hf:o/r"});
  const auto found = FindOthersModel(folders(), "hf:o/r");
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->path, folder_.File("hub/models--o--r/snapshots/c1"));
  EXPECT_EQ(found->bytes, 8u);
}

TEST_F(OtherFoldersTest, AManifestLeadsNowhereElse) {
  Put("secret", "x");
  PutOllama("h/n/m/t", "sha256:../../secret");
  PutOllama("h/n/m/u", "sha256:" + std::string(64, 'b'));  // no such blob
  Put("ollama/manifests/h/n/m/v", "no JSON");
  Put("ollama/manifests/h/n/m/w", R"({"layers": {"mediaType": 3}})");
  EXPECT_EQ(Names(), std::vector<std::string>{});
}

TEST_F(OtherFoldersTest, FoldersThatAreNotThereHaveNothing) { EXPECT_TRUE(Names().empty()); }

TEST_F(OtherFoldersTest, FoldersAreThoseOfTheOtherPrograms) {
  const auto home = OtherFoldersOf([](const char* name) -> const char* {
    return std::strcmp(name, "HOME") == 0 ? "/h" : nullptr;
  });
  EXPECT_EQ(home.ollama, "/h/.ollama/models");
  EXPECT_EQ(home.llama_cpp, "/h/.cache/llama.cpp");
  EXPECT_EQ(home.hugging_face, "/h/.cache/huggingface/hub");
  const auto named = OtherFoldersOf([](const char* name) -> const char* {
    if (std::strcmp(name, "OLLAMA_MODELS") == 0) return "/o";
    if (std::strcmp(name, "HF_HOME") == 0) return "/f";
    return std::strcmp(name, "XDG_CACHE_HOME") == 0 ? "/x" : nullptr;
  });
  EXPECT_EQ(named.ollama, "/o");
  EXPECT_EQ(named.llama_cpp, "/x/llama.cpp");
  EXPECT_EQ(named.hugging_face, "/f/hub");
}

}  // namespace
}  // namespace cairn::model
