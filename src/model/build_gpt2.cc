// SPDX-License-Identifier: Apache-2.0
// GPT-2: learned positions, layer norms, biases everywhere, a feed-forward with gelu and no gate.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildGpt2(const Gguf& gguf) {
  const HyperParameters h(gguf, "gpt2");
  const Decoder m = OR_RETURN(ReadDecoderWithoutRotary(h, NormKind::kLayer));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Add(b.Tokens(), b.Position("position_embd.weight"));
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Value n = b.LayerLayerNorm(x, "attn_norm");
    x = b.Add(x, b.Attention(b.Project(n)));
    x = b.Add(x, b.FeedForward(b.LayerLayerNorm(x, "ffn_norm"), kernels::Activation::kGelu));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndLayerNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
