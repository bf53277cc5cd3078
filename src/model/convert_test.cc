// SPDX-License-Identifier: Apache-2.0
// Folders made from tests/golden/encoders: what is converted must be the same model again.
#include "model/convert.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>

#include "base/mapped_file.h"
#include "model/architectures.h"
#include "model/tokenizer.h"
#include "testing/checkpoint_folder.h"

namespace cairn::model {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

std::string GoldenPath(const std::string& name) {
  return (fs::path(CAIRN_SOURCE_DIR) / "tests/golden/encoders" / (name + ".gguf")).string();
}

class Folder : public cairn::testing::CheckpointFolder {
 public:
  explicit Folder(const std::string& name) : CheckpointFolder(GoldenPath(name)) {}
};

Result<std::vector<std::byte>> Converted(const std::string& folder) {
  std::vector<std::byte> bytes;
  OR_RETURN(ConvertFolder(folder, {.name = "a model", .pre = {}},
                          [&](std::span<const std::byte> piece) -> Result<void> {
                            bytes.insert(bytes.end(), piece.begin(), piece.end());
                            return {};
                          }));
  return bytes;
}

TEST(ConvertTest, AModelComesBackAsItWas) {
  for (const char* name : {"bert", "bert_scores"}) {
    Folder folder(name);
    const auto bytes = Converted(folder.Write());
    ASSERT_TRUE(bytes) << bytes.error().message;
    const auto got = Gguf::Parse(*bytes);
    ASSERT_TRUE(got) << got.error().message;
    const MappedFile file = *MappedFile::Open(GoldenPath(name));
    const Gguf golden = *Gguf::Parse(file.bytes());
    ASSERT_EQ(got->tensors().size(), golden.tensors().size());
    for (const GgufTensor& tensor : golden.tensors()) {
      const GgufTensor* other = got->FindTensor(tensor.name);
      ASSERT_NE(other, nullptr) << tensor.name;
      EXPECT_EQ(other->shape, tensor.shape);
      EXPECT_EQ(other->format, tensor.format);
      EXPECT_TRUE(std::ranges::equal(other->bytes, tensor.bytes)) << tensor.name;
    }
    const auto program = BuildProgram(*got);
    ASSERT_TRUE(program) << program.error().message;
    EXPECT_EQ(program->operations.size(), BuildProgram(golden)->operations.size());
    EXPECT_EQ(*got->GetStrings("tokenizer.ggml.tokens"),
              *golden.GetStrings("tokenizer.ggml.tokens"));
    EXPECT_EQ(*got->GetInts("tokenizer.ggml.token_type"),
              *golden.GetInts("tokenizer.ggml.token_type"));
    const auto ids = [](const Gguf& gguf) {
      return *Tokenizer::Create(*ReadVocabulary(gguf, ""))->Encode("a man, 42", true);
    };
    EXPECT_EQ(ids(*got), ids(golden));
  }
}

TEST(ConvertTest, TheSameFolderGivesTheSameBytes) {
  Folder folder("bert");
  const std::string& path = folder.Write();
  EXPECT_EQ(*Converted(path), *Converted(path));
}

TEST(ConvertTest, PoolingComesFromTheModules) {
  Folder folder("bert");
  folder.WriteText("modules.json",
                   R"([{"type":"sentence_transformers.models.Transformer","path":""},)"
                   R"({"type":"sentence_transformers.models.Pooling","path":"1_Pooling"}])");
  for (const auto& [key, pooling] :
       {std::pair("pooling_mode_mean_tokens", program::Pooling::kMean),
        std::pair("pooling_mode_cls_token", program::Pooling::kFirst),
        std::pair("pooling_mode_lasttoken", program::Pooling::kLast)}) {
    folder.WriteText("1_Pooling/config.json", json::serialize(json::object{{key, true}}));
    const auto bytes = Converted(folder.Write());
    ASSERT_TRUE(bytes) << bytes.error().message;
    EXPECT_EQ(BuildProgram(*Gguf::Parse(*bytes))->pooling, pooling) << key;
  }
  folder.WriteText("1_Pooling/config.json", R"({"pooling_mode_max_tokens":true})");
  EXPECT_EQ(Converted(folder.Write()).error().code, ErrorCode::kUnsupported);
}

TEST(ConvertTest, ShardsAreFoundThroughTheirIndex) {
  Folder folder("bert");
  const std::string& path = folder.Write();
  const auto expected = Converted(path);
  fs::rename(path + "/model.safetensors", path + "/part.safetensors");
  EXPECT_EQ(Converted(path).error().code, ErrorCode::kNotFound);
  folder.WriteText("model.safetensors.index.json",
                   R"({"weight_map":{"bert.embeddings.LayerNorm.bias":"part.safetensors"}})");
  EXPECT_EQ(*Converted(path), *expected);
}

TEST(ConvertTest, NothingOutsideOfTheFolderIsOpened) {
  Folder folder("bert");
  const std::string& path = folder.Write();
  for (const char* file : {"../part.safetensors", "/etc/passwd", "a/../../b", ""}) {
    folder.WriteText("model.safetensors.index.json",
                     json::serialize(json::object{{"weight_map", {{"tensor", file}}}}));
    const auto bytes = Converted(path);
    ASSERT_FALSE(bytes) << file;
    EXPECT_EQ(bytes.error().code, ErrorCode::kCorrupt);
  }
}

TEST(ConvertTest, WhatIsNotKnownIsRefusedByName) {
  const auto refused = [](auto change) {
    Folder folder("bert");
    change(folder);
    const auto bytes = Converted(folder.Write());
    return bytes ? std::string("converted") : bytes.error().message;
  };
  EXPECT_NE(refused([](Folder& f) { f.config["model_type"] = "blip"; }).find("'blip'"),
            std::string::npos);
  EXPECT_NE(refused([](Folder& f) { f.config["hidden_act"] = "silu"; }).find("'silu'"),
            std::string::npos);
  EXPECT_NE(refused([](Folder& f) { f.config.erase("hidden_size"); }).find("'hidden_size'"),
            std::string::npos);
  EXPECT_NE(refused([](Folder& f) {
              f.header["lora.0"] = f.header["bert.embeddings.LayerNorm.bias"];
              f.header.erase("bert.embeddings.LayerNorm.bias");
            }).find("'lora.0'"),
            std::string::npos);
  EXPECT_NE(refused([](Folder& f) {
              f.tokenizer["model"].as_object()["type"] = "Unigram";
            }).find("'Unigram'"),
            std::string::npos);
  EXPECT_NE(refused([](Folder& f) {
              f.tokenizer["model"].as_object()["vocab"].as_object()["far"] = 99;
            }).find("no token has the id"),
            std::string::npos);
}

}  // namespace
}  // namespace cairn::model
