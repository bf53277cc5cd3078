// SPDX-License-Identifier: Apache-2.0
// Files that lie about their gated delta nets or short convolutions: every lie is an error.
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "model/architectures.h"
#include "testing/gguf_writer.h"
#include "testing/lying_file.h"

namespace cairn::model {
namespace {

using Shape = std::vector<std::int64_t>;

struct File {
  std::string architecture;
  std::map<std::string, std::uint32_t> numbers;
  std::map<std::string, Shape> tensors;

  Result<program::Program> Build() const {
    const auto bytes = testing::RandomFile(architecture, numbers, tensors);
    return BuildProgram(OR_RETURN(Gguf::Parse(bytes)));
  }
};

const std::map<std::string, Shape> kAround = {
    {"token_embd.weight", {32, 8}},    {"output_norm.weight", {32}},
    {"blk.0.attn_norm.weight", {32}},  {"blk.0.ffn_gate.weight", {32, 48}},
    {"blk.0.ffn_up.weight", {32, 48}}, {"blk.0.ffn_down.weight", {48, 32}}};

// One layer: two heads of values of 16 channels share a head of keys of 8.
File DeltaFile() {
  File file{.architecture = "qwen35",
            .numbers = {{"block_count", 1},
                        {"context_length", 64},
                        {"embedding_length", 32},
                        {"attention.head_count", 2},
                        {"attention.head_count_kv", 2},
                        {"ssm.inner_size", 32},
                        {"ssm.state_size", 8},
                        {"ssm.time_step_rank", 2},
                        {"ssm.group_count", 1}},
            .tensors = kAround};
  file.tensors.insert({{"blk.0.post_attention_norm.weight", {32}},
                       {"blk.0.attn_qkv.weight", {32, 16 + 32}},
                       {"blk.0.attn_gate.weight", {32, 32}},
                       {"blk.0.ssm_conv1d.weight", {4, 48}},
                       {"blk.0.ssm_beta.weight", {32, 2}},
                       {"blk.0.ssm_alpha.weight", {32, 2}},
                       {"blk.0.ssm_dt.bias", {2}},
                       {"blk.0.ssm_a", {2}},
                       {"blk.0.ssm_norm.weight", {16}},
                       {"blk.0.ssm_out.weight", {32, 32}}});
  return file;
}

// The same with what older files of Qwen3-Next have.
File JoinedDeltaFile() {
  File file = DeltaFile();
  file.architecture = "qwen3next";
  for (const char* name : {"attn_qkv", "attn_gate", "ssm_beta", "ssm_alpha"}) {
    file.tensors.erase(std::string("blk.0.") + name + ".weight");
  }
  file.tensors["blk.0.ssm_in.weight"] = {32, 16 + 64};
  file.tensors["blk.0.ssm_ba.weight"] = {32, 4};
  return file;
}

File ConvolutionFile() {
  File file{.architecture = "lfm2",
            .numbers = {{"block_count", 1},
                        {"context_length", 64},
                        {"embedding_length", 32},
                        {"attention.head_count", 2}},
            .tensors = kAround};
  file.tensors.erase("output_norm.weight");
  file.tensors.insert({{"token_embd_norm.weight", {32}},
                       {"blk.0.ffn_norm.weight", {32}},
                       {"blk.0.shortconv.in_proj.weight", {32, 96}},
                       {"blk.0.shortconv.conv.weight", {3, 32}},
                       {"blk.0.shortconv.out_proj.weight", {32, 32}}});
  return file;
}

TEST(DeltaNetFileTest, AFileWithoutLiesIsAProgram) {
  for (const File& file : {DeltaFile(), JoinedDeltaFile()}) {
    const auto program = file.Build();
    ASSERT_TRUE(program) << program.error().message;
    ASSERT_EQ(program->states.size(), 2u);  // of the convolution and of the walk
    EXPECT_EQ(program->states[0].rows * program->states[0].width, 3 * 48);
    EXPECT_EQ(program->states[1].rows * program->states[1].width, 32 * 8);
  }
  const auto program = ConvolutionFile().Build();
  ASSERT_TRUE(program) << program.error().message;
  ASSERT_EQ(program->states.size(), 1u);
  EXPECT_EQ(program->states[0].rows * program->states[0].width, 2 * 32);
}

using Lie = testing::Lie<File>;

Lie Number(const char* name, const char* key, std::uint32_t value, const char* mentions) {
  return {[=](File& file) { file.numbers[key] = value; }, mentions, name};
}
Lie Tensor(const char* name, const char* tensor, Shape shape, const char* mentions) {
  return {[=](File& file) { file.tensors[tensor] = shape; }, mentions, name};
}

TEST(DeltaNetFileTest, LiesAreErrorsThatNameThem) {
  testing::ExpectErrors<File>(
      DeltaFile(), {
                       Number("heads", "ssm.time_step_rank", 3, "heads of a state"),
                       Number("no size", "ssm.state_size", 0, "ssm.state_size"),
                       Number("size", "ssm.state_size", 16, "widths"),
                       Number("small heads", "ssm.time_step_rank", 4, "share"),
                       Number("channels", "ssm.inner_size", 64, "widths"),
                       Tensor("made", "blk.0.attn_qkv.weight", {32, 47}, "ssm_conv1d"),
                       Tensor("taps", "blk.0.ssm_conv1d.weight", {1, 48}, "2 to 16 rows"),
                       Tensor("gate", "blk.0.attn_gate.weight", {32, 16}, "gate"),
                       Tensor("shares", "blk.0.ssm_beta.weight", {32, 1}, "share"),
                       Tensor("steps", "blk.0.ssm_alpha.weight", {32, 4}, "ssm_dt.bias"),
                       Tensor("bias", "blk.0.ssm_dt.bias", {3}, "ssm_dt.bias"),
                       Tensor("rates", "blk.0.ssm_a", {1}, "ssm_a"),
                       Tensor("norm", "blk.0.ssm_norm.weight", {8}, "ssm_norm"),
                       Tensor("output", "blk.0.ssm_out.weight", {16, 32}, "ssm_out"),
                       Tensor("skips", "blk.0.ssm_d", {2}, "ssm_d"),
                   });
}

TEST(DeltaNetFileTest, LiesOfOlderFilesAreErrorsThatNameThem) {
  testing::ExpectErrors<File>(JoinedDeltaFile(),
                              {
                                  Tensor("made", "blk.0.ssm_in.weight", {32, 79}, "do not fit"),
                                  Tensor("both", "blk.0.ssm_ba.weight", {32, 3}, "do not fit"),
                                  Tensor("bias", "blk.0.ssm_dt.bias", {3}, "differ in shape"),
                              });
}

TEST(ShortConvolutionFileTest, LiesAreErrorsThatNameThem) {
  testing::ExpectErrors<File>(
      ConvolutionFile(),
      {
          Tensor("made", "blk.0.shortconv.in_proj.weight", {32, 64}, "in_proj"),
          Tensor("taps", "blk.0.shortconv.conv.weight", {17, 32}, "2 to 16 rows"),
          Tensor("channels", "blk.0.shortconv.conv.weight", {3, 16}, "conv"),
          Tensor("output", "blk.0.shortconv.out_proj.weight", {16, 32}, "out_proj"),
      });
}

}  // namespace
}  // namespace cairn::model
