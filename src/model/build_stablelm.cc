// SPDX-License-Identifier: Apache-2.0
// StableLM: layer norms, part of a head rotates, a gated feed-forward with silu, beside the
// attention where it has no norm of its own; the 12B model norms the heads of queries and keys.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildStableLm(const Gguf& gguf) {
  const HyperParameters h(gguf, "stablelm");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kLayer, {.pairs = kernels::RotaryPairs::kHalves}));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Value n = b.LayerLayerNorm(x, "attn_norm");
    Heads heads = b.Project(n);
    if (b.Has(b.LayerWeight("attn_q_norm"))) {
      heads.q = b.HeadLayerNorm(heads.q, b.LayerWeight("attn_q_norm"), m.epsilon, m.head_dim);
      heads.k = b.HeadLayerNorm(heads.k, b.LayerWeight("attn_k_norm"), m.epsilon, m.head_dim);
    }
    const Value y = b.Add(x, b.Attention(b.Rotated(heads)));
    const Value f = b.Has(b.LayerWeight("ffn_norm")) ? b.LayerLayerNorm(y, "ffn_norm") : n;
    x = b.Add(y, b.GatedFeedForward(f, kernels::Activation::kSilu));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndLayerNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
