// SPDX-License-Identifier: Apache-2.0
// OLMo 2 and 3: no norm before the halves of a layer but one after each, norms over the whole row
// of queries and of keys; OLMo 3 has a window in three layers of four, without the position
// scaling.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildOlmo2(const Gguf& gguf) {
  const HyperParameters h(gguf, "olmo2");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kHalves}));
  constexpr int kPattern = 4;  // the last of so many layers sees everything
  const int window = OR_RETURN(h.IntOr("attention.sliding_window", 0, 0, kMostContext));
  program::RotateAttributes local = m.rope;
  local.position_scale = 1;
  local.factors.clear();
  local.magnitude = 1;
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const bool all = window == 0 || l % kPattern == kPattern - 1;
    Heads heads = b.Project(x);
    heads.q = b.LayerRmsNorm(heads.q, "attn_q_norm");
    heads.k = b.LayerRmsNorm(heads.k, "attn_k_norm");
    const Value a = b.Attention(b.Rotated(heads, all ? m.rope : local), all ? 0 : window);
    x = b.Add(x, b.LayerRmsNorm(a, "post_attention_norm"));
    const Value f = b.GatedFeedForward(x, kernels::Activation::kSilu);
    x = b.Add(x, b.LayerRmsNorm(f, "post_ffw_norm"));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
