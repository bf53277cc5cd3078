// SPDX-License-Identifier: Apache-2.0
// Falcon: attention and feed-forward beside each other, on one layer norm or (40B) on two, few KV
// heads, gelu without a gate.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildFalcon(const Gguf& gguf) {
  const HyperParameters h(gguf, "falcon");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kLayer, {.pairs = kernels::RotaryPairs::kHalves}));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Value n = b.LayerLayerNorm(x, "attn_norm");
    const bool two = b.Has(b.LayerWeight("attn_norm_2"));
    const Value a = b.Attention(b.Rotated(b.Project(two ? b.LayerLayerNorm(x, "attn_norm_2") : n)));
    x = b.Add(b.Add(x, a), b.FeedForward(n, kernels::Activation::kGeluErf));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndLayerNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
