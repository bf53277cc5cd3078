// SPDX-License-Identifier: Apache-2.0
// The llama architecture: RMS norms before each half of a layer, rotary embedding on neighbouring
// pairs, grouped heads, a gated feed-forward with silu.
#include <cmath>

#include "model/architectures.h"
#include "model/hyper_parameters.h"
#include "model/weights.h"
#include "program/builder.h"

namespace cairn::model {
namespace {

struct Llama {
  int layers, width, heads, kv_heads, head_dim;
  float epsilon;
  program::RotateAttributes rope;
};

Result<Llama> ReadLlama(const Gguf& gguf) {
  const HyperParameters h(gguf, "llama");
  OR_RETURN(RefuseUnknownFeatures(gguf, h));
  Llama m{};
  m.layers = OR_RETURN(h.Int("block_count", 1, kMostLayers));
  m.width = OR_RETURN(h.Int("embedding_length", 1, kMostWidth));
  m.heads = OR_RETURN(h.Int("attention.head_count", 1, kMostHeads));
  m.kv_heads = OR_RETURN(h.IntOr("attention.head_count_kv", m.heads, 1, kMostHeads));
  m.head_dim = OR_RETURN(h.IntOr("attention.key_length", m.width / m.heads, 1, kMostWidth));
  m.epsilon = OR_RETURN(NormEpsilon(h));
  m.rope = {.pairs = kernels::RotaryPairs::kNeighbours,
            .head_dim = m.head_dim,
            .n_rot = OR_RETURN(h.IntOr("rope.dimension_count", m.head_dim, 2, m.head_dim)),
            .base = OR_RETURN(RotaryBase(h, "rope.freq_base", 10000)),
            .position_scale = OR_RETURN(PositionScale(gguf, h))};
  return m;
}

}  // namespace

Result<program::Program> BuildLlama(const Gguf& gguf) {
  const Llama m = OR_RETURN(ReadLlama(gguf));
  const GgufCatalog catalog(gguf);
  program::Builder b(catalog);
  using program::Value;
  Value x = b.Embed("token_embd.weight");
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const auto w = [&](const char* name) { return b.LayerWeight(name); };
    const Value n = b.RmsNorm(x, w("attn_norm"), m.epsilon);
    const Value q = b.Rotate(b.Matmul(n, w("attn_q")), m.rope);
    const Value k = b.Rotate(b.Matmul(n, w("attn_k")), m.rope);
    const Value v = b.Matmul(n, w("attn_v"));
    const Value a = b.Attend(q, k, v, {.heads = m.kv_heads, .head_dim = m.head_dim}, m.heads,
                             1 / std::sqrt(static_cast<float>(m.head_dim)));
    x = b.Add(x, b.Matmul(a, w("attn_output")));
    const Value f = b.RmsNorm(x, w("ffn_norm"), m.epsilon);
    const Value gated =
        b.Gate(kernels::Activation::kSilu, b.Matmul(f, w("ffn_gate")), b.Matmul(f, w("ffn_up")));
    x = b.Add(x, b.Matmul(gated, w("ffn_down")));
  }
  b.SetLayer(-1);
  const Value last = b.RmsNorm(b.SampledRows(x), "output_norm.weight", m.epsilon);
  const bool tied = !b.Has("output.weight");
  return b.Finish(b.Matmul(last, tied ? "token_embd.weight" : "output.weight"));
}

}  // namespace cairn::model
