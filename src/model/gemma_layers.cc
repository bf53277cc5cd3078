// SPDX-License-Identifier: Apache-2.0
#include "model/gemma_layers.h"

#include <cmath>

namespace cairn::model {

using program::Value;

Result<GemmaLayers> ReadGemmaLayers(const Gguf& gguf, const HyperParameters& h) {
  GemmaLayers g{};
  g.decoder = OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms,
                                    {.pairs = kernels::RotaryPairs::kHalves, .base = 1000000}));
  Decoder& m = g.decoder;
  m.scale = 1;  // queries are normed
  g.local_head_dim =
      OR_RETURN(h.IntOr("attention.key_length_swa", m.head_dim, 2, kernels::kMostHeadDim));
  g.local = {.pairs = m.rope.pairs,
             .head_dim = g.local_head_dim,
             .n_rot = OR_RETURN(
                 h.IntOr("rope.dimension_count_swa", g.local_head_dim, 2, g.local_head_dim)),
             .base = OR_RETURN(RotaryBase(h, "rope.freq_base_swa", 10000)),
             .factors = {}};
  g.window = OR_RETURN(h.Int("attention.sliding_window", 1, kMostContext));
  g.is_local = OR_RETURN(h.Flags("attention.sliding_window_pattern", m.layers));
  g.own_layers = m.layers - OR_RETURN(h.IntOr("attention.shared_kv_layers", 0, 0, m.layers - 1));
  g.row = OR_RETURN(h.IntOr("embedding_length_per_layer_input", 0, 0, kMostWidth / m.layers));
  g.softcap = static_cast<float>(OR_RETURN(h.NumberOr("final_logit_softcapping", 0, 0, 1e6)));
  return g;
}

Value GemmaBuilder::RowsOfLayers(Value x) {
  const auto width = static_cast<float>(sizes().width), row = static_cast<float>(g_.row);
  const Value of_token = Embed("per_layer_token_embd.weight", std::sqrt(row));
  const Value made = Scale(Matmul(x, "per_layer_model_proj.weight"), 1 / std::sqrt(width));
  const Value normed = HeadNorm(made, "per_layer_proj_norm.weight", sizes().epsilon, g_.row);
  return Scale(Add(normed, of_token), std::sqrt(0.5f));
}

Value GemmaBuilder::LayerRow(Value x, Value rows) {
  const Value row = Join(1, {{rows, {layer() * g_.row, g_.row}}});
  const Value gated = Gate(kernels::Activation::kGelu, Linear(x, "inp_gate"), row);
  return LayerRmsNorm(Linear(gated, "proj"), "post_norm");
}

Value GemmaBuilder::SelfAttention(Value x) {
  const bool local = g_.is_local[static_cast<std::size_t>(layer())];
  const int d = local ? g_.local_head_dim : sizes().head_dim;
  const program::RotateAttributes& rope = local ? g_.local : sizes().rope;
  const auto normed = [&](Value heads, const char* norm) {
    return Rotate(HeadNorm(heads, LayerWeight(norm), sizes().epsilon, d), rope);
  };
  const Value q = normed(Linear(x, "attn_q"), "attn_q_norm");
  Value& last = last_seen_[local ? 1 : 0];
  if (layer() >= g_.own_layers) {
    // Some files have what these layers do not need.
    for (const char* name : {"attn_k", "attn_v", "attn_k_norm"}) Spare(LayerWeight(name));
    return Linear(AttendAgain(q, last, sizes().heads, sizes().scale), "attn_output");
  }
  const Value k = Linear(x, "attn_k");
  const Value v = Has(LayerWeight("attn_v")) ? Linear(x, "attn_v") : k;
  last = Attend(q, normed(k, "attn_k_norm"), WithoutWeight(v, d),
                {.heads = RowsOfWeight(LayerWeight("attn_k")) / d,
                 .head_dim = d,
                 .window = local ? g_.window : 0},
                sizes().heads, sizes().scale);
  return Linear(last, "attn_output");
}

Result<program::Program> GemmaBuilder::FinishLogits(Value x) {
  SetLayer(-1);
  const Value logits = Logits(EndRmsNorm(SampledRows(x), "output_norm"));
  return Finish(g_.softcap > 0 ? Softcap(logits, g_.softcap) : logits);
}

}  // namespace cairn::model
