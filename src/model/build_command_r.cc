// SPDX-License-Identifier: Apache-2.0
// Command R: attention and feed-forward beside each other on one layer norm, scaled logits; Command
// R+ norms the heads of queries and keys, each with weights of its own.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildCommandR(const Gguf& gguf) {
  const HyperParameters h(gguf, "command-r");
  const Decoder m = OR_RETURN(
      ReadDecoder(gguf, h, NormKind::kLayer, {.pairs = kernels::RotaryPairs::kNeighbours}));
  const auto logit_scale = static_cast<float>(OR_RETURN(h.Number("logit_scale", 1e-6, 1e6)));
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
    const Value a = b.Attention(b.Rotated(heads));
    x = b.Add(b.Add(x, a), b.GatedFeedForward(n, kernels::Activation::kSilu));
  }
  b.SetLayer(-1);
  const Value logits = b.Logits(b.EndLayerNorm(b.SampledRows(x), "output_norm"));
  return b.Finish(b.Scale(logits, logit_scale));
}

}  // namespace cairn::model
