// SPDX-License-Identifier: Apache-2.0
// Phi-1 and Phi-2: attention and feed-forward beside each other on one layer norm, biases
// everywhere, part of a head rotates, gelu without a gate.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildPhi2(const Gguf& gguf) {
  const HyperParameters h(gguf, "phi2");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kLayer, {.pairs = kernels::RotaryPairs::kHalves}));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Value n = b.LayerLayerNorm(x, "attn_norm");
    const Value a = b.Attention(b.Rotated(b.Project(n)));
    x = b.Add(b.Add(x, a), b.FeedForward(n, kernels::Activation::kGelu));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndLayerNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
