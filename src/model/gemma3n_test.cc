// SPDX-License-Identifier: Apache-2.0
// Files of Gemma 3n that lie about their streams: every lie is an error.
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model/architectures.h"
#include "testing/gguf_writer.h"
#include "testing/lying_file.h"

namespace cairn::model {
namespace {

// Two layers that see everything, the first with sparse gates, the second with the keys of the
// first.
struct File {
  std::map<std::string, std::uint32_t> numbers = {{"block_count", 2},
                                                  {"context_length", 64},
                                                  {"embedding_length", 32},
                                                  {"attention.head_count", 2},
                                                  {"attention.sliding_window", 8},
                                                  {"attention.shared_kv_layers", 1},
                                                  {"altup.num_inputs", 4},
                                                  {"altup.active_idx", 0},
                                                  {"embedding_length_per_layer_input", 16}};
  std::vector<float> deviations = {1.5f, -std::numeric_limits<float>::infinity()};
  std::map<std::string, std::vector<std::int64_t>> tensors = {
      {"token_embd.weight", {32, 8}},           {"output_norm.weight", {32}},
      {"per_layer_token_embd.weight", {32, 8}}, {"per_layer_model_proj.weight", {32, 32}},
      {"per_layer_proj_norm.weight", {16}},     {"altup_proj.weight", {32, 32, 3}},
      {"altup_unembd_proj.weight", {32, 32, 3}}};

  File() {
    for (int l = 0; l < 2; ++l) {
      const std::string p = "blk." + std::to_string(l) + ".";
      for (const char* norm :
           {"attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm", "post_norm",
            "laurel_post_norm", "altup_router_norm", "altup_correct_scale"}) {
        tensors[p + norm + ".weight"] = {32};
      }
      tensors.insert({{p + "attn_q.weight", {32, 32}},
                      {p + "attn_q_norm.weight", {16}},
                      {p + "attn_k.weight", {32, 32}},
                      {p + "attn_k_norm.weight", {16}},
                      {p + "attn_v.weight", {32, 32}},
                      {p + "attn_output.weight", {32, 32}},
                      {p + "ffn_gate.weight", {32, 48}},
                      {p + "ffn_up.weight", {32, 48}},
                      {p + "ffn_down.weight", {48, 32}},
                      {p + "inp_gate.weight", {32, 16}},
                      {p + "proj.weight", {16, 32}},
                      {p + "laurel_l.weight", {32, 8}},
                      {p + "laurel_r.weight", {8, 32}},
                      {p + "altup_router.weight", {32, 4}},
                      {p + "altup_predict_coef.weight", {4, 16}},
                      {p + "altup_correct_coef.weight", {4, 4}}});
    }
  }

  Result<program::Program> Build() const {
    testing::GgufWriter writer;
    writer.SetArray("gemma3n.attention.sliding_window_pattern", std::vector<std::uint32_t>{0, 0});
    writer.SetArray("gemma3n.activation_sparsity_scale", deviations);
    const auto bytes = testing::RandomFile("gemma3n", numbers, tensors, std::move(writer));
    return BuildProgram(OR_RETURN(Gguf::Parse(bytes)));
  }
};

TEST(Gemma3nFileTest, AFileWithoutLiesIsAProgram) {
  const auto program = File().Build();
  ASSERT_TRUE(program) << program.error().message;
  EXPECT_EQ(program->kv_layers.size(), 1u);
  int sparse = 0, resized = 0;
  for (const auto& op : program->operations) {
    sparse += op.kind == program::OpKind::kSparsify;
    resized += op.kind == program::OpKind::kResize;
  }
  EXPECT_EQ(sparse, 1);
  EXPECT_EQ(resized, 6);
}

TEST(Gemma3nFileTest, LiesAreErrorsThatNameThem) {
  testing::ExpectErrors<File>(
      File(), {
                  {[](File& f) { f.deviations = {1.5f}; }, "activation_sparsity_scale"},
                  {[](File& f) { f.deviations[0] = 1e9f; }, "deviations"},
                  {[](File& f) { f.numbers["altup.num_inputs"] = 5; }, "altup.num_inputs"},
                  {[](File& f) { f.numbers["altup.active_idx"] = 4; }, "altup.active_idx"},
                  {[](File& f) {
                     f.tensors["altup_proj.weight"] = {32, 32, 2};
                   },
                   "altup_proj"},
                  {[](File& f) {
                     f.tensors["altup_unembd_proj.weight"] = {16, 32, 3};
                   },
                   "altup_unembd_proj"},
                  {[](File& f) {
                     f.tensors["blk.0.altup_router.weight"] = {32, 3};
                   },
                   "altup_predict_coef"},
                  {[](File& f) {
                     f.tensors["blk.1.altup_predict_coef.weight"] = {4, 15};
                   },
                   "blended"},
                  {[](File& f) {
                     f.tensors["blk.1.altup_correct_coef.weight"] = {4, 3};
                   },
                   "blended"},
                  {[](File& f) { f.tensors["blk.0.altup_correct_scale.weight"] = {16}; }, "gate"},
                  {[](File& f) {
                     f.tensors["blk.0.laurel_l.weight"] = {32, 4};
                   },
                   "laurel_r"},
              });
}

}  // namespace
}  // namespace cairn::model
