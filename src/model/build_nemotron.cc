// SPDX-License-Identifier: Apache-2.0
// Nemotron: layer norms (files store their weights with 1 added), part of a head rotates, a
// feed-forward with the square of relu and no gate.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildNemotron(const Gguf& gguf) {
  const HyperParameters h(gguf, "nemotron");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kLayer, {.pairs = kernels::RotaryPairs::kHalves}));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Value n = b.LayerLayerNorm(x, "attn_norm");
    x = b.Add(x, b.Attention(b.Rotated(b.Project(n))));
    x = b.Add(x, b.FeedForward(b.LayerLayerNorm(x, "ffn_norm"), kernels::Activation::kReluSquared));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndLayerNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
