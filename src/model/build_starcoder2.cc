// SPDX-License-Identifier: Apache-2.0
// StarCoder2: layer norms, biases everywhere, a feed-forward with gelu and no gate.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildStarCoder2(const Gguf& gguf) {
  const HyperParameters h(gguf, "starcoder2");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kLayer, {.pairs = kernels::RotaryPairs::kHalves}));
  const int window = OR_RETURN(h.IntOr("attention.sliding_window", 0, 0, kMostContext));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Value n = b.LayerLayerNorm(x, "attn_norm");
    x = b.Add(x, b.Attention(b.Rotated(b.Project(n)), window));
    x = b.Add(x, b.FeedForward(b.LayerLayerNorm(x, "ffn_norm"), kernels::Activation::kGelu));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndLayerNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
