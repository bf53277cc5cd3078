// SPDX-License-Identifier: Apache-2.0
// Files of Gemma 4: which layers have keys and values of their own, and lies about them.
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/architectures.h"
#include "testing/gguf_writer.h"
#include "testing/lying_file.h"

namespace cairn::model {
namespace {

using Shape = std::vector<std::int64_t>;

// Three layers, of which the last attends to the keys and values of the first; the second sees
// everything, with heads twice as wide.
struct File {
  std::map<std::string, std::uint32_t> numbers = {{"block_count", 3},
                                                  {"context_length", 64},
                                                  {"embedding_length", 32},
                                                  {"attention.head_count", 2},
                                                  {"attention.key_length", 32},
                                                  {"attention.key_length_swa", 16},
                                                  {"attention.sliding_window", 8},
                                                  {"attention.shared_kv_layers", 1},
                                                  {"embedding_length_per_layer_input", 16}};
  std::vector<std::uint32_t> pattern = {1, 0, 1};
  std::map<std::string, Shape> tensors = {{"token_embd.weight", {32, 8}},
                                          {"output_norm.weight", {32}},
                                          {"per_layer_token_embd.weight", {48, 8}},
                                          {"per_layer_model_proj.weight", {32, 48}},
                                          {"per_layer_proj_norm.weight", {16}}};

  File() {
    for (int l = 0; l < 3; ++l) {
      const std::string p = "blk." + std::to_string(l) + ".";
      const std::int64_t d = l == 1 ? 32 : 16;
      tensors.insert({{p + "attn_norm.weight", {32}},
                      {p + "attn_q.weight", {32, 2 * d}},
                      {p + "attn_q_norm.weight", {d}},
                      {p + "attn_output.weight", {2 * d, 32}},
                      {p + "post_attention_norm.weight", {32}},
                      {p + "ffn_norm.weight", {32}},
                      {p + "ffn_gate.weight", {32, 48}},
                      {p + "ffn_up.weight", {32, 48}},
                      {p + "ffn_down.weight", {48, 32}},
                      {p + "post_ffw_norm.weight", {32}},
                      {p + "inp_gate.weight", {32, 16}},
                      {p + "proj.weight", {16, 32}},
                      {p + "post_norm.weight", {32}},
                      {p + "layer_output_scale.weight", {1}}});
      if (l == 2) continue;
      tensors.insert({{p + "attn_k.weight", {32, d}}, {p + "attn_k_norm.weight", {d}}});
    }
    tensors["blk.0.attn_v.weight"] = {32, 16};  // the second makes values with the keys
  }

  Result<program::Program> Build() const {
    testing::GgufWriter writer;
    writer.SetArray("gemma4.attention.sliding_window_pattern", pattern);
    const auto bytes = testing::RandomFile("gemma4", numbers, tensors, std::move(writer));
    return BuildProgram(OR_RETURN(Gguf::Parse(bytes)));
  }
};

TEST(Gemma4FileTest, ALayerThatSharesAttendsToTheLastOneOfItsKind) {
  File file;
  // Some files have what such a layer does not read.
  file.tensors["blk.2.attn_k.weight"] = {32, 16};
  const auto program = file.Build();
  ASSERT_TRUE(program) << program.error().message;
  ASSERT_EQ(program->kv_layers.size(), 2u);
  EXPECT_EQ(program->kv_layers[0].window, 8);
  EXPECT_EQ(program->kv_layers[0].head_dim, 16);
  EXPECT_EQ(program->kv_layers[1].window, 0);
  EXPECT_EQ(program->kv_layers[1].head_dim, 32);
  std::vector<int> layers, stores;
  for (const auto& op : program->operations) {
    if (op.kind != program::OpKind::kAttend) continue;
    layers.push_back(op.as<program::AttendAttributes>().layer);
    stores.push_back(op.as<program::AttendAttributes>().stores);
    // Behind the last keys that are stored, nothing is made of rows that are not sampled.
    EXPECT_EQ(program->info(op.output).rows,
              op.layer == 0 ? program::Rows::kTokens : program::Rows::kSampled);
  }
  EXPECT_EQ(layers, (std::vector<int>{0, 1, 0}));
  EXPECT_EQ(stores, (std::vector<int>{1, 1, 0}));
}

TEST(Gemma4FileTest, LiesAreErrorsThatNameThem) {
  testing::ExpectErrors<File>(
      File(),
      {
          {[](File& f) {
             f.pattern = {1, 0};
           },
           "sliding_window_pattern"},
          {[](File& f) { f.pattern = {}; }, "sliding_window_pattern"},
          {[](File& f) {
             f.pattern = {0, 1, 1};
           },
           "attn_q"},
          {[](File& f) { f.numbers["attention.shared_kv_layers"] = 3; }, "shared_kv_layers"},
          {[](File& f) { f.numbers["attention.shared_kv_layers"] = 2; }, "no earlier layer"},
          {[](File& f) { f.numbers["attention.shared_kv_layers"] = 0; }, "attn_k"},
          {[](File& f) { f.numbers["attention.key_length_swa"] = 24; }, "norm of heads"},
          {[](File& f) { f.numbers["embedding_length_per_layer_input"] = 0x7fffffff; },
           "embedding_length_per_layer_input"},
          {[](File& f) { f.numbers["embedding_length_per_layer_input"] = 8; },
           "per_layer_proj_norm"},
          {[](File& f) {
             f.tensors["per_layer_token_embd.weight"] = {48, 7};
           },
           "tables of tokens"},
          {[](File& f) {
             f.tensors["per_layer_token_embd.weight"] = {47, 8};
           },
           "differ in shape"},
          {[](File& f) {
             f.tensors["blk.1.attn_k.weight"] = {32, 16};
           },
           "head"},
          {[](File& f) { f.tensors["blk.0.layer_output_scale.weight"] = {2}; },
           "layer_output_scale"},
          {[](File& f) {
             f.tensors["blk.2.attn_qkv.weight"] = {32, 64};
           },
           "attn_qkv"},
      });
}

}  // namespace
}  // namespace cairn::model
