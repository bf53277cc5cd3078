// SPDX-License-Identifier: Apache-2.0
// Files that lie about their experts or their latents: every lie is an error.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>

#include "model/architectures.h"
#include "testing/gguf_writer.h"

namespace cairn::model {
namespace {

using Shape = std::vector<std::int64_t>;

// A model of one layer and four experts, of which a row uses two.
struct ExpertFile {
  std::string architecture = "qwen2moe";
  std::map<std::string, std::uint32_t> numbers = {
      {"block_count", 1},          {"context_length", 64}, {"embedding_length", 32},
      {"attention.head_count", 2}, {"expert_count", 4},    {"expert_used_count", 2}};
  std::map<std::string, Shape> tensors = {{"token_embd.weight", {32, 8}},
                                          {"output_norm.weight", {32}},
                                          {"blk.0.attn_norm.weight", {32}},
                                          {"blk.0.attn_q.weight", {32, 32}},
                                          {"blk.0.attn_k.weight", {32, 32}},
                                          {"blk.0.attn_v.weight", {32, 32}},
                                          {"blk.0.attn_output.weight", {32, 32}},
                                          {"blk.0.ffn_norm.weight", {32}},
                                          {"blk.0.ffn_gate_inp.weight", {32, 4}},
                                          {"blk.0.ffn_gate_exps.weight", {32, 16, 4}},
                                          {"blk.0.ffn_up_exps.weight", {32, 16, 4}},
                                          {"blk.0.ffn_down_exps.weight", {16, 32, 4}}};

  Result<program::Program> Build() const {
    const auto bytes = testing::RandomFile(architecture, numbers, tensors);
    return BuildProgram(OR_RETURN(Gguf::Parse(bytes)));
  }
};

TEST(ExpertFileTest, AFileWithoutLiesIsAProgram) {
  for (const char* architecture : {"qwen2moe", "llama"}) {
    const auto program = ExpertFile{.architecture = architecture}.Build();
    ASSERT_TRUE(program) << program.error().message;
    int experts = 0;
    for (const auto& op : program->operations) experts += op.kind == program::OpKind::kExperts;
    EXPECT_EQ(experts, 3);
  }
}

// As the first files of Mixtral have them.
TEST(ExpertFileTest, ExpertsMayBeTensorsOfTheirOwn) {
  ExpertFile file{.architecture = "llama"};
  for (const char* part : {"gate", "up", "down"}) {
    const std::string prefix = std::string("blk.0.ffn_") + part;
    Shape shape = file.tensors[prefix + "_exps.weight"];
    shape.pop_back();
    file.tensors.erase(prefix + "_exps.weight");
    for (int e = 0; e < 4; ++e) file.tensors[prefix + "." + std::to_string(e) + ".weight"] = shape;
  }
  const auto program = file.Build();
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_EQ(std::ranges::count(program->weights, 4, &program::Weight::experts), 3);
  ExpertFile other = file;
  other.tensors["blk.0.ffn_up.2.weight"] = {32, 32};
  EXPECT_NE(other.Build().error().message.find("ffn_up"), std::string::npos);
  other = file;
  other.tensors.erase("blk.0.ffn_down.3.weight");
  EXPECT_NE(other.Build().error().message.find("ffn_down"), std::string::npos);
}

TEST(ExpertFileTest, ASingleExpertMayBeOfTwoDimensions) {
  ExpertFile file;
  file.numbers["expert_count"] = file.numbers["expert_used_count"] = 1;
  file.tensors["blk.0.ffn_gate_inp.weight"] = {32};
  file.tensors["blk.0.ffn_gate_exps.weight"] = {32, 16};
  file.tensors["blk.0.ffn_up_exps.weight"] = {32, 16};
  file.tensors["blk.0.ffn_down_exps.weight"] = {16, 32, 1};
  const auto program = file.Build();
  EXPECT_TRUE(program) << program.error().message;
}

struct Lie {
  const char* name;
  std::function<void(ExpertFile&)> tell;
  const char* mentions;
};
std::ostream& operator<<(std::ostream& out, const Lie& lie) { return out << lie.name; }

Lie Number(const char* name, const char* key, std::uint32_t value) {
  return {name, [=](ExpertFile& file) { file.numbers[key] = value; }, key};
}
Lie Tensor(const char* name, const char* tensor, Shape shape, const char* mentions = nullptr) {
  return {name, [=](ExpertFile& file) { file.tensors[tensor] = shape; },
          mentions == nullptr ? tensor : mentions};
}

const Lie kLies[] = {
    Number("NoExperts", "expert_count", 0),
    Number("TooManyExperts", "expert_count", 1025),
    Number("ExpertsOverflow", "expert_count", 0xffffffff),
    Number("NoneUsed", "expert_used_count", 0),
    Number("MoreUsedThanThereAre", "expert_used_count", 5),
    Number("AnotherGating", "expert_gating_func", 9),
    Number("MoreGroupsThanExperts", "expert_group_count", 5),
    {"GroupsThatDoNotDivide", [](ExpertFile& file) { file.numbers["expert_group_count"] = 3; },
     "contradict"},
    {"MoreUsedThanGroupsHold",
     [](ExpertFile& file) {
       file.numbers["expert_group_count"] = 4;
       file.numbers["expert_group_used_count"] = 1;
     },
     "contradict"},
    {"AnExpertMoreThanTensors",
     [](ExpertFile& file) {
       file.numbers["expert_count"] = 5;
       file.tensors["blk.0.ffn_gate_inp.weight"] = {32, 5};
     },
     "ffn_"},
    Tensor("RouterTooNarrow", "blk.0.ffn_gate_inp.weight", {32, 3}, "router"),
    Tensor("RouterOfAnotherWidth", "blk.0.ffn_gate_inp.weight", {64, 4}),
    Tensor("ExpertsOfAnotherWidth", "blk.0.ffn_up_exps.weight", {64, 16, 4}),
    Tensor("ExpertsAsOneMatrix", "blk.0.ffn_up_exps.weight", {32, 64}),
    Tensor("ExpertsInFourDimensions", "blk.0.ffn_up_exps.weight", {32, 16, 2, 4}),
    Tensor("ExpertsNotInWholeGroups", "blk.0.ffn_down_exps.weight", {16, 24, 4}),
    Tensor("GateAndUpDiffer", "blk.0.ffn_up_exps.weight", {32, 32, 4}, "differ in shape"),
    Tensor("DownTakesAnotherWidth", "blk.0.ffn_down_exps.weight", {32, 32, 4}),
    Tensor("DownMakesAnotherWidth", "blk.0.ffn_down_exps.weight", {16, 48, 4}, "differ in shape"),
    Tensor("BiasTooShort", "blk.0.ffn_up_exps.bias", {16, 3}),
    Tensor("BiasOfTheChoiceTooLong", "blk.0.exp_probs_b.bias", {5}),
    {"AMatrixIsMissing", [](ExpertFile& file) { file.tensors.erase("blk.0.ffn_down_exps.weight"); },
     "ffn_down_exps"},
    {"OnlyTheRouterIsMissing",
     [](ExpertFile& file) { file.tensors.erase("blk.0.ffn_gate_inp.weight"); }, "ffn_"},
    Tensor("SharedGateOfTwoValues", "blk.0.ffn_gate_inp_shexp.weight", {32, 2}, "ffn_"),
};

class ExpertLieTest : public ::testing::TestWithParam<Lie> {};

TEST_P(ExpertLieTest, IsAnErrorThatNamesIt) {
  ExpertFile file;
  GetParam().tell(file);
  const auto program = file.Build();
  ASSERT_FALSE(program);
  EXPECT_NE(program.error().message.find(GetParam().mentions), std::string::npos)
      << program.error().message;
}

INSTANTIATE_TEST_SUITE_P(All, ExpertLieTest, ::testing::ValuesIn(kLies),
                         [](const auto& info) { return info.param.name; });

// --- latent attention -----------------------------------------------------------------------

// Two heads with keys of 16 + 16 values and values of 16, a latent of 32; a dense layer.
ExpertFile LatentFile() {
  ExpertFile file{.architecture = "deepseek2"};
  file.numbers = {{"block_count", 1},
                  {"context_length", 64},
                  {"embedding_length", 32},
                  {"attention.head_count", 2},
                  {"attention.head_count_kv", 1},
                  {"attention.key_length", 48},
                  {"attention.value_length", 32},
                  {"attention.key_length_mla", 32},
                  {"attention.value_length_mla", 16},
                  {"attention.kv_lora_rank", 32},
                  {"rope.dimension_count", 16},
                  {"expert_count", 4},
                  {"expert_used_count", 2}};
  file.tensors = {{"token_embd.weight", {32, 8}},           {"output_norm.weight", {32}},
                  {"blk.0.attn_norm.weight", {32}},         {"blk.0.attn_q.weight", {32, 64}},
                  {"blk.0.attn_kv_a_mqa.weight", {32, 48}}, {"blk.0.attn_kv_a_norm.weight", {32}},
                  {"blk.0.attn_k_b.weight", {16, 32, 2}},   {"blk.0.attn_v_b.weight", {32, 16, 2}},
                  {"blk.0.attn_output.weight", {32, 32}},   {"blk.0.ffn_norm.weight", {32}},
                  {"blk.0.ffn_gate.weight", {32, 32}},      {"blk.0.ffn_up.weight", {32, 32}},
                  {"blk.0.ffn_down.weight", {32, 32}}};
  return file;
}
// The same with keys and values in one tensor.
ExpertFile OlderLatentFile() {
  ExpertFile file = LatentFile();
  file.numbers["attention.key_length"] = 32;
  file.numbers["attention.value_length"] = 16;
  for (const char* key : {"attention.key_length_mla", "attention.value_length_mla"}) {
    file.numbers.erase(key);
  }
  for (const char* part : {"k", "v"}) {
    file.tensors.erase(std::string("blk.0.attn_") + part + "_b.weight");
  }
  file.tensors["blk.0.attn_kv_b.weight"] = {32, 64};
  return file;
}

TEST(LatentFileTest, FilesWithoutLiesArePrograms) {
  const auto latent = LatentFile().Build();
  ASSERT_TRUE(latent) << latent.error().message;
  EXPECT_EQ(latent->kv_layers[0].heads, 1);
  EXPECT_EQ(latent->kv_layers[0].head_dim, 48);
  const auto older = OlderLatentFile().Build();
  ASSERT_TRUE(older) << older.error().message;
  EXPECT_EQ(older->kv_layers[0].heads, 2);
  EXPECT_EQ(older->kv_layers[0].head_dim, 32);
}

TEST(LatentFileTest, LiesAboutRanksAndHeadsAreErrors) {
  const Lie lies[] = {
      Number("NoLatent", "attention.kv_lora_rank", 0),
      Number("LatentTooWide", "attention.kv_lora_rank", 64),
      Number("LatentHuge", "attention.kv_lora_rank", 1 << 20),
      Number("NothingButRotation", "attention.key_length_mla", 16),
      Number("KeysTooWide", "attention.key_length_mla", 64),
      Number("ValuesTooWide", "attention.value_length_mla", 1 << 20),
      Number("MoreHeads", "attention.head_count", 4),
      Number("HugeHeads", "attention.head_count", 4096),
      Number("RotatesLess", "rope.dimension_count", 8),
      Number("RotatesMore", "rope.dimension_count", 32),
      Number("QueriesOfALatent", "attention.q_lora_rank", 32),
      Tensor("KeysOfOneHead", "blk.0.attn_k_b.weight", {16, 32}),
      Tensor("KeysTurnedRound", "blk.0.attn_k_b.weight", {32, 16, 2}),
      Tensor("ValuesTurnedRound", "blk.0.attn_v_b.weight", {16, 32, 2}),
      Tensor("ValuesOfThreeHeads", "blk.0.attn_v_b.weight", {32, 16, 3}),
      Tensor("OneRowMore", "blk.0.attn_kv_a_mqa.weight", {32, 49}),
  };
  for (const Lie& lie : lies) {
    ExpertFile file = LatentFile();
    lie.tell(file);
    EXPECT_FALSE(file.Build()) << lie.name;
  }
  const Lie older[] = {
      Number("NoLatent", "attention.kv_lora_rank", 16),
      Number("KeysTooNarrow", "attention.key_length", 16),
      Number("ValuesTooWide", "attention.value_length", 48),
      Number("RotatesLess", "rope.dimension_count", 8),
      Tensor("OneRowMore", "blk.0.attn_kv_b.weight", {32, 65}),
  };
  for (const Lie& lie : older) {
    ExpertFile file = OlderLatentFile();
    lie.tell(file);
    EXPECT_FALSE(file.Build()) << lie.name;
  }
}

}  // namespace
}  // namespace cairn::model
