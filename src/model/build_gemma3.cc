// SPDX-License-Identifier: Apache-2.0
// The gemma3 architecture (text): norms before and after each half of a layer, norms on queries and
// keys, rotary embedding on halves, five layers with a sliding window and a base of their own to
// each that sees everything, a gated feed-forward with gelu, a scaled embedding.
#include <cmath>

#include "model/architectures.h"
#include "model/gguf_catalog.h"
#include "model/hyper_parameters.h"
#include "model/rotary.h"
#include "program/builder.h"

namespace cairn::model {
namespace {

constexpr int kPattern = 6;           // every sixth layer sees everything
constexpr double kLocalBase = 10000;  // of the layers with a window
// The 27B model scales its queries by the width of a head's share of the row, not by the head's own
// (its configuration's query_pre_attn_scalar, which GGUF does not store): known by its layers.
constexpr int kLayersOf27B = 62;

struct Gemma3 {
  int layers, width, heads, kv_heads, head_dim, window;
  float epsilon, softcap, scale;
  program::RotateAttributes global, local;
  bool sees_everything(int layer) const { return layer % kPattern == kPattern - 1; }
};

Result<Gemma3> ReadGemma3(const Gguf& gguf) {
  const HyperParameters h(gguf, "gemma3");
  Gemma3 m{};
  m.layers = OR_RETURN(h.Int("block_count", 1, kMostLayers));
  m.width = OR_RETURN(h.Int("embedding_length", 1, kMostWidth));
  m.heads = OR_RETURN(h.Int("attention.head_count", 1, kMostHeads));
  m.kv_heads = OR_RETURN(h.IntOr("attention.head_count_kv", m.heads, 1, kMostHeads));
  m.head_dim = OR_RETURN(h.IntOr("attention.key_length", m.width / m.heads, 2, kMostWidth));
  m.window = OR_RETURN(h.Int("attention.sliding_window", 1, kMostContext));
  m.epsilon = OR_RETURN(NormEpsilon(h));
  m.softcap = static_cast<float>(OR_RETURN(h.NumberOr("final_logit_softcapping", 0, 0, 1e6)));
  m.scale =
      1 / std::sqrt(static_cast<float>(m.layers == kLayersOf27B ? m.width / m.heads : m.head_dim));
  m.global = OR_RETURN(
      ReadRotary(gguf, h, m.head_dim, {.pairs = kernels::RotaryPairs::kHalves, .base = 1000000}));
  m.local = m.global;
  m.local.base = OR_RETURN(RotaryBase(h, "rope.freq_base_swa", kLocalBase));
  m.local.position_scale = 1;
  m.local.factors.clear();
  m.local.magnitude = 1;
  return m;
}

}  // namespace

Result<program::Program> BuildGemma3(const Gguf& gguf) {
  const Gemma3 m = OR_RETURN(ReadGemma3(gguf));
  const GgufCatalog catalog(gguf);
  program::Builder b(catalog);
  using program::Value;
  Value x = b.Embed("token_embd.weight", std::sqrt(static_cast<float>(m.width)));
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const auto w = [&](const char* name) { return b.LayerWeight(name); };
    const bool all = m.sees_everything(l);
    const program::RotateAttributes& rope = all ? m.global : m.local;
    const Value n = b.RmsNorm(x, w("attn_norm"), m.epsilon);
    const Value q =
        b.Rotate(b.HeadNorm(b.Matmul(n, w("attn_q")), w("attn_q_norm"), m.epsilon), rope);
    const Value k =
        b.Rotate(b.HeadNorm(b.Matmul(n, w("attn_k")), w("attn_k_norm"), m.epsilon), rope);
    const Value v = b.Matmul(n, w("attn_v"));
    const Value a = b.Attend(
        q, k, v, {.heads = m.kv_heads, .head_dim = m.head_dim, .window = all ? 0 : m.window},
        m.heads, m.scale);
    x = b.Add(x, b.RmsNorm(b.Matmul(a, w("attn_output")), w("post_attention_norm"), m.epsilon));
    const Value f = b.RmsNorm(x, w("ffn_norm"), m.epsilon);
    const Value gated =
        b.Gate(kernels::Activation::kGelu, b.Matmul(f, w("ffn_gate")), b.Matmul(f, w("ffn_up")));
    x = b.Add(x, b.RmsNorm(b.Matmul(gated, w("ffn_down")), w("post_ffw_norm"), m.epsilon));
  }
  b.SetLayer(-1);
  const Value last = b.RmsNorm(b.SampledRows(x), "output_norm.weight", m.epsilon);
  const bool tied = !b.Has("output.weight");
  const Value logits = b.Matmul(last, tied ? "token_embd.weight" : "output.weight");
  return b.Finish(m.softcap > 0 ? b.Softcap(logits, m.softcap) : logits);
}

}  // namespace cairn::model
