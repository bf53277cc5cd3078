// SPDX-License-Identifier: Apache-2.0
// Loading whole files: what a file may claim about a model, and what an error says.
#include "model/model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "model/architectures.h"
#include "testing/gguf_writer.h"
#include "testing/temp_folder.h"
#include "testing/tiny_models.h"

namespace cairn::model {
namespace {

using testing::MakeTinyModel;
using testing::TinySpec;

// Overwrites the scalar of a key: the key's bytes, a type of 32 bits, the value.
template <typename T>
void Patch(std::vector<std::byte>& file, std::string_view key, T value) {
  const auto bytes = std::as_bytes(std::span(key));
  const auto found = std::ranges::search(file, bytes);
  ASSERT_FALSE(found.empty()) << key;
  std::memcpy(&*found.end() + 4, &value, sizeof(value));
}

class ModelFileTest : public ::testing::Test {
 protected:
  Result<std::shared_ptr<const Model>> Load(const std::vector<std::byte>& file) {
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(file.data()), static_cast<long>(file.size()));
    return Model::Load(path_, {.threads = 1});
  }
  template <typename T>
  void ExpectCorrupt(std::string_view architecture, std::string_view key, T value) {
    auto file = MakeTinyModel({.architecture = std::string(architecture), .layers = 1});
    Patch(file, key, value);
    const auto loaded = Load(file);
    ASSERT_FALSE(loaded) << key << " " << value;
    EXPECT_EQ(loaded.error().code, ErrorCode::kCorrupt) << key << " " << value;
    EXPECT_NE(loaded.error().message.find(key), std::string::npos) << loaded.error().message;
    EXPECT_TRUE(loaded.error().message.starts_with("'" + path_ + "': ")) << loaded.error().message;
  }

  testing::TempFolder folder_;
  std::string path_ = folder_.File("model.gguf");
};

// The tables of angles abort outside of their range: it is the file's reader who keeps it.
TEST_F(ModelFileTest, RotaryBasesOutsideTheTablesAreCorrupt) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const float base : {1.0f, 0.0f, -10000.0f, 2e12f, inf, std::nanf("")}) {
    ExpectCorrupt("llama", "llama.rope.freq_base", base);
    ExpectCorrupt("gemma3", "gemma3.rope.freq_base", base);
  }
}

TEST_F(ModelFileTest, NormsWithoutAPlausibleEpsilonAreCorrupt) {
  for (const float epsilon : {0.0f, -1e-5f, 2.0f, std::nanf("")}) {
    ExpectCorrupt("llama", "llama.attention.layer_norm_rms_epsilon", epsilon);
  }
}

TEST_F(ModelFileTest, ContextsThatNothingHoldsAreCorrupt) {
  ExpectCorrupt("llama", "llama.context_length", std::uint32_t{0});
  ExpectCorrupt("llama", "llama.context_length", std::uint32_t{1} << 29);
}

TEST_F(ModelFileTest, ErrorsNameTheFileEvenWhereItsNameIsInTheMessageAnyway) {
  auto file = MakeTinyModel({.layers = 1});
  Patch(file, "llama.rope.freq_base", 1.0f);
  path_ = folder_.File("m");
  ASSERT_FALSE(Load(file));
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(std::filesystem::path(path_).parent_path());
  const auto loaded = Model::Load("m", {.threads = 1});
  std::filesystem::current_path(before);
  ASSERT_FALSE(loaded);
  EXPECT_TRUE(loaded.error().message.starts_with("'m': ")) << loaded.error().message;
}

TEST_F(ModelFileTest, AMissingFileIsNamedOnce) {
  const auto loaded = Model::Load(path_, {});
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code, ErrorCode::kNotFound);
  const std::string& message = loaded.error().message;
  EXPECT_NE(message.find(path_), std::string::npos);
  EXPECT_EQ(message.find(path_), message.rfind(path_)) << message;
}

// --- what builders refuse and choose ---------------------------------------------------------

Result<program::Program> Build(const std::vector<std::byte>& file) {
  return BuildProgram(OR_RETURN(Gguf::Parse(file)));
}

TEST(ArchitecturesTest, TensorsOfFeaturesThatNoBuilderHasAreRefusedByName) {
  for (const char* name : {"blk.7.attn_v.bias", "blk.0.attn_q_norm.weight", "output_norm.bias",
                           "position_embd.weight", "rope_factors_short.weight"}) {
    const auto program = Build(testing::MakeTinyModel({.further_tensor = name}));
    ASSERT_FALSE(program);
    EXPECT_EQ(program.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(program.error().message.find(name), std::string::npos) << program.error().message;
  }
}

TEST(ArchitecturesTest, AnUnknownArchitectureIsShownWithoutItsControlCharacters) {
  testing::GgufWriter writer;
  writer.Set("general.architecture", "new\x1b[2J\n");
  const auto program = Build(writer.Build());
  ASSERT_FALSE(program);
  EXPECT_EQ(program.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(program.error().message.find("'new?[2J?'"), std::string::npos);
  EXPECT_NE(program.error().message.find("gemma3"), std::string::npos);
}

// Gemma 3 27B alone has 62 layers, and scales by width / heads.
TEST(ArchitecturesTest, GemmaScalesQueriesByTheHeadExceptIn27B) {
  for (const int layers : {6, 62}) {
    const auto file =
        MakeTinyModel({.architecture = "gemma3", .layers = layers, .heads = 2, .kv_heads = 1});
    const auto gguf = Gguf::Parse(file);
    ASSERT_TRUE(gguf);
    const auto of_head = *gguf->GetInt("gemma3.attention.key_length");
    const auto of_row = *gguf->GetInt("gemma3.embedding_length") / 2;
    ASSERT_NE(of_head, of_row);
    const auto program = BuildProgram(*gguf);
    ASSERT_TRUE(program) << program.error().message;
    for (const program::Operation& op : program->operations) {
      if (op.kind != program::OpKind::kAttend) continue;
      EXPECT_FLOAT_EQ(op.as<program::AttendAttributes>().scale,
                      1 / std::sqrt(static_cast<float>(layers == 62 ? of_row : of_head)));
    }
  }
}

}  // namespace
}  // namespace cairn::model
