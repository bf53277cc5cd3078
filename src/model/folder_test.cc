// SPDX-License-Identifier: Apache-2.0
// Folders that lie or ask for what is not known: each gets an Error that names it. That honest ones
// are right is in testing/folders_test.cc.
#include "model/folder.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "model/architectures.h"
#include "model/convert.h"
#include "model/vocabulary.h"
#include "testing/temp_folder.h"

namespace cairn::model {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

std::string ReadAll(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A copy of a folder of tests/golden/folders with one file of weights, to be changed.
class Copy {
 public:
  explicit Copy(const std::string& name) {
    const fs::path from = fs::path(CAIRN_SOURCE_DIR) / "tests/golden/folders" / name;
    for (const auto& entry : fs::directory_iterator(from)) {
      fs::copy_file(entry.path(), fs::path(path()) / entry.path().filename());
    }
    config = json::parse(ReadAll(from / "config.json")).as_object();
    tokenizer = json::parse(ReadAll(from / "tokenizer.json")).as_object();
    const std::string weights = ReadAll(from / "model.safetensors");
    std::uint64_t size = 0;
    std::memcpy(&size, weights.data(), sizeof size);
    header = json::parse(std::string_view(weights).substr(sizeof size, size)).as_object();
    data = weights.substr(sizeof size + size);
  }
  const std::string& path() const { return temp_.path(); }
  std::string File(const std::string& name) const { return temp_.File(name); }
  void WriteText(const std::string& name, const std::string& text) const {
    std::ofstream(File(name)) << text;
  }
  void WriteWeights(const std::string& name = "model.safetensors") const {
    std::string text = json::serialize(header);
    text.append((8 - text.size() % 8) % 8 + padding, ' ');
    const std::uint64_t size = text.size();
    std::ofstream out(File(name), std::ios::binary);
    out.write(reinterpret_cast<const char*>(&size), sizeof size);
    out << text << data;
  }
  const std::string& Write() const {
    WriteText("config.json", json::serialize(config));
    WriteText("tokenizer.json", json::serialize(tokenizer));
    WriteWeights();
    return path();
  }
  void Rename(const std::string& from, const std::string& to) {
    ASSERT_TRUE(header.contains(from)) << from;
    header[to] = header[from];
    header.erase(from);
  }

  json::object config, tokenizer, header;
  std::string data;
  std::size_t padding = 0;  // of the header, beside what puts the data at a multiple of 8

 private:
  testing::TempFolder temp_;
};

// What opening a changed folder says, and what running it would: "fine" where nothing is wrong.
std::string Said(const std::string& path) {
  const auto opened = OpenModelFile(path);
  if (!opened) return opened.error().message;
  if (const auto program = BuildProgram(opened->gguf); !program) return program.error().message;
  if (const auto vocabulary = ReadVocabulary(opened->gguf); !vocabulary) {
    return vocabulary.error().message;
  }
  return "fine";
}
std::string SaidOf(const std::string& name, const std::function<void(Copy&)>& change) {
  Copy folder(name);
  change(folder);
  return Said(folder.Write());
}
#define EXPECT_SAYS(said, part) EXPECT_NE((said).find(part), std::string::npos) << (said)

constexpr const char* kLayer = "model.layers.0.";

TEST(FolderTest, AsItWasSavedNothingIsWrong) {
  EXPECT_EQ(SaidOf("qwen2", [](Copy&) {}), "fine");
  EXPECT_EQ(SaidOf("qwen3moe", [](Copy&) {}), "fine");
}

TEST(FolderTest, MatricesKeepTheirTypeAndVectorsBecomeFloats) {
  Copy folder("qwen2");
  folder.header[std::string(kLayer) + "mlp.up_proj.weight"].as_object()["dtype"] = "BF16";
  json::object& norm = folder.header["model.norm.weight"].as_object();
  norm["dtype"] = "BF16";  // twice as many, which nothing here minds
  norm["shape"] = json::array{128};
  const auto opened = OpenFolder(folder.Write());
  ASSERT_TRUE(opened) << opened.error().message;
  const GgufTensor& up = *opened->gguf.FindTensor("blk.0.ffn_up.weight");
  EXPECT_EQ(up.format, tensor::Format::kBF16);
  EXPECT_EQ(up.shape, (std::vector<std::int64_t>{64, 96}));
  const auto whole = opened->file.bytes();
  EXPECT_EQ(up.bytes.data(), whole.data() + up.offset);  // in place
  const GgufTensor& vector = *opened->gguf.FindTensor("output_norm.weight");
  EXPECT_EQ(vector.format, tensor::Format::kF32);
  const std::int64_t begin = norm["data_offsets"].as_array()[0].as_int64();
  std::uint16_t half = 0;
  std::uint32_t value = 0;
  std::memcpy(&half, folder.data.data() + begin, sizeof half);
  std::memcpy(&value, vector.bytes.data(), sizeof value);
  EXPECT_EQ(value, static_cast<std::uint32_t>(half) << 16);
}

// Values that lie at any byte are read all the same.
TEST(FolderTest, WeightsNeedNoAlignment) {
  Copy folder("qwen2");
  const auto up_of = [&] {
    const auto opened = OpenFolder(folder.Write());
    const auto bytes = opened->gguf.FindTensor("blk.0.ffn_up.weight")->bytes;
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
  const auto expected = up_of();
  folder.padding = 1;
  EXPECT_EQ(up_of(), expected);
}

TEST(FolderTest, WeightsThatAreNotThereAreMissed) {
  Copy folder("qwen2");
  fs::remove(folder.File("model.safetensors"));
  EXPECT_SAYS(Said(folder.path()), "model.safetensors.index.json");
  fs::remove(folder.File("tokenizer.json"));
  EXPECT_SAYS(Said(folder.path()), "has no tokenizer.json");
  fs::remove(folder.File("config.json"));
  EXPECT_SAYS(Said(folder.path()), "directory without a config.json");
}

TEST(FolderTest, AnIndexMustTellTheTruth) {
  Copy folder("qwen2");
  const auto index = [&](std::string_view text) {
    folder.WriteText("model.safetensors.index.json", std::string(text));
    return Said(folder.path());
  };
  EXPECT_EQ(index(R"({"weight_map":{"model.norm.weight":"model.safetensors"}})"), "fine");
  EXPECT_SAYS(index(R"({"weight_map":{"model.norm.weight":"other.safetensors"}})"),
              "other.safetensors");
  EXPECT_SAYS(index(R"({"weight_map":{"model.extra":"model.safetensors"}})"), "'model.extra'");
  EXPECT_SAYS(index(R"({"weight_map":{"model.norm.weight":"../x"}})"), "'model.norm.weight'");
  EXPECT_SAYS(index(R"({"weight_map":{}})"), "names 0 files");
  EXPECT_SAYS(index("[]"), "no 'weight_map'");
  EXPECT_SAYS(index("{"), "no JSON");
  fs::copy_file(folder.File("model.safetensors"), folder.File("again.safetensors"));
  EXPECT_SAYS(index(R"({"weight_map":{"model.norm.weight":"model.safetensors",)"
                    R"("model.embed_tokens.weight":"again.safetensors"}})"),
              "is in two files");
}

TEST(FolderTest, ShapesThatLieAreNamed) {
  const std::string up = std::string(kLayer) + "mlp.up_proj.weight";
  EXPECT_SAYS(SaidOf("qwen2",
                     [&](Copy& f) {
                       f.header[up].as_object()["shape"] = json::array{64, 96};  // was 96 by 64
                     }),
              "ffn_up");
  EXPECT_SAYS(SaidOf("qwen2",
                     [&](Copy& f) {
                       f.header[up].as_object()["shape"] = json::array{96, 63};
                     }),
              "mlp.up_proj.weight");
  EXPECT_SAYS(SaidOf("qwen2",
                     [&](Copy& f) {
                       f.header[up].as_object()["shape"] = json::array{2, 48, 64};
                     }),
              "more sizes");
  EXPECT_SAYS(SaidOf("qwen2", [&](Copy& f) { f.header[up].as_object()["dtype"] = "I16"; }), "I16");
  EXPECT_SAYS(SaidOf("mistral", [](Copy& f) { f.config["num_attention_heads"] = 7; }), "heads");
  EXPECT_SAYS(SaidOf("qwen2", [](Copy& f) { f.config["num_hidden_layers"] = 3; }), "blk.2");
  EXPECT_SAYS(SaidOf("qwen2", [](Copy& f) { f.config["num_hidden_layers"] = 1; }), "blk.1");
}

TEST(FolderTest, ATensorIsThereOnce) {
  EXPECT_SAYS(SaidOf("qwen2",
                     [](Copy& f) {
                       f.Rename(std::string(kLayer) + "mlp.up_proj.weight",
                                "layers.1.mlp.up_proj.weight");
                     }),
              "another name too");
  EXPECT_SAYS(SaidOf("qwen2",
                     [](Copy& f) {
                       f.Rename(std::string(kLayer) + "input_layernorm.weight",
                                "layers.1.input_layernorm.weight");
                     }),
              "another name too");
}

TEST(FolderTest, ExpertsAreWholeAndAlike) {
  const std::string expert = std::string(kLayer) + "mlp.experts.3.up_proj.weight";
  EXPECT_SAYS(SaidOf("qwen3moe", [&](Copy& f) { f.Rename(expert, expert + "x"); }), expert);
  EXPECT_SAYS(SaidOf("qwen3moe",
                     [&](Copy& f) {
                       f.Rename(expert, std::string(kLayer) + "mlp.experts.12.up_proj.weight");
                     }),
              "no tensor is expert 3");
  EXPECT_SAYS(SaidOf("qwen3moe",
                     [&](Copy& f) {
                       f.Rename(expert, std::string(kLayer) + "mlp.experts.99999.up_proj.weight");
                     }),
              "more than");
  EXPECT_SAYS(SaidOf("qwen3moe",
                     [&](Copy& f) {
                       f.header[expert].as_object()["shape"] = json::array{64, 32};
                     }),
              "differs in type or shape");
}

TEST(FolderTest, WhatASettingAsksForAndIsNotKnownIsNamed) {
  const std::tuple<const char*, const char*, json::value, const char*> cases[] = {
      {"qwen2", "model_type", json::value("blip"), "'blip'"},
      {"qwen2", "hidden_size", nullptr, "'hidden_size'"},
      {"qwen2", "hidden_act", json::value("relu"), "'relu'"},
      {"qwen2", "use_sliding_window", true, "'use_sliding_window'"},
      {"qwen2", "quantization_config", json::object{{"quant_method", "gptq"}}, "quantised already"},
      {"qwen2", "rope_parameters", json::object{{"rope_type", "dynamic"}}, "'dynamic'"},
      {"qwen2", "rope_parameters", json::array{1}, "'rope_parameters'"},
      {"qwen2", "rope_parameters", json::object{{"rope_theta", -1}}, "'rope_theta'"},
      {"qwen2", "tie_word_embeddings", false, "lm_head.weight"},
      {"llama3", "rope_parameters", json::object{{"rope_type", "llama3"}}, "'factor'"},
      {"phi3_long", "rope_parameters",
       json::object{{"rope_type", "longrope"}, {"long_factor", json::array{1, 2}}},
       "'long_factor'"},
      {"qwen3moe", "decoder_sparse_step", 2, "'decoder_sparse_step'"},
      {"qwen3moe", "mlp_only_layers", json::array{0}, "'mlp_only_layers'"},
      {"gemma2", "query_pre_attn_scalar", 100, "'query_pre_attn_scalar'"},
      {"gemma3", "layer_types", json::array{"full_attention"}, "'layer_types'"},
      {"smollm3", "no_rope_layers", json::array{0, 1, 1, 1}, "'no_rope_layers'"},
      {"olmoe", "clip_qkv", 8.0, "'clip_qkv'"},
  };
  for (const auto& [name, key, value, part] : cases) {
    const std::string said =
        SaidOf(name, [&, k = key, v = value](Copy& folder) { folder.config[k] = v; });
    EXPECT_SAYS(said, part);
  }
  EXPECT_SAYS(SaidOf("qwen2",
                     [](Copy& f) {
                       f.Rename(std::string(kLayer) + "mlp.up_proj.weight",
                                std::string(kLayer) + "mlp.up_proj.weight_scale_inv");
                     }),
              "weight_scale_inv");
}

// Gemma 3 and others that see: what reads texts is in 'text_config' and behind a prefix.
TEST(FolderTest, OfAModelThatSeesTheTextPartIsRead) {
  Copy folder("gemma3");
  json::object text = folder.config;
  folder.config = {{"model_type", "gemma3"}, {"text_config", text}};
  json::object header;
  for (const auto& [key, entry] : folder.header) {
    const std::string name(std::string_view{key});
    header[name == "__metadata__" ? name : "language_model." + name] = entry;
  }
  folder.header = header;
  EXPECT_EQ(Said(folder.Write()), "fine");
}

TEST(FolderTest, AnUnknownPreTokenizerIsNamedAndCanBeForced) {
  Copy folder("qwen2");
  folder.tokenizer["pre_tokenizer"] = json::object{
      {"type", "Sequence"},
      {"pretokenizers", json::array{json::object{{"type", "Punctuation"}},
                                    json::object{{"type", "ByteLevel"}, {"use_regex", false}}}}};
  const std::string said = Said(folder.Write());
  EXPECT_SAYS(said, "Punctuation");
  EXPECT_SAYS(said, "--pre");
  const auto converted = ConvertFolder(folder.path(), {}, [](auto) { return Result<void>(); });
  ASSERT_FALSE(converted);
  EXPECT_SAYS(converted.error().message, "Punctuation");
  const auto forced = ConvertFolder(folder.path(), {.name = {}, .pre = "gpt-2"},
                                    [](auto) { return Result<void>(); });
  EXPECT_TRUE(forced) << forced.error().message;
  const auto opened = OpenFolder(folder.path());
  ASSERT_TRUE(opened);
  EXPECT_EQ(ReadVocabulary(opened->gguf, "llama-bpe")->pre, "llama-bpe");
}

TEST(FolderTest, BrokenVocabulariesAreNamed) {
  const auto broken = [](const std::function<void(json::object&)>& change) {
    return SaidOf("qwen2", [&](Copy& f) { change(f.tokenizer["model"].as_object()); });
  };
  EXPECT_SAYS(broken([](json::object& m) { m["type"] = "Unigram"; }), "'Unigram'");
  EXPECT_SAYS(broken([](json::object& m) { m.erase("vocab"); }), "no 'vocab'");
  EXPECT_SAYS(broken([](json::object& m) { m.erase("merges"); }), "no 'merges'");
  EXPECT_SAYS(broken([](json::object& m) { m["merges"] = json::array{"ab"}; }), "no pair");
  EXPECT_SAYS(broken([](json::object& m) {
                m["merges"] = json::array{json::array{"a b", "c"}};
              }),
              "spaces");
  EXPECT_SAYS(broken([](json::object& m) { m["vocab"].as_object()["far"] = 1 << 20; }),
              "no id below");
  EXPECT_SAYS(broken([](json::object& m) { m["vocab"].as_object()["x"] = "y"; }), "no id below");
  EXPECT_SAYS(SaidOf("qwen2",
                     [](Copy& f) {
                       f.tokenizer["normalizer"] = {{"type", "Lowercase"}};
                     }),
              "'Lowercase'");
}

}  // namespace
}  // namespace cairn::model
