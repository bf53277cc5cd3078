// SPDX-License-Identifier: Apache-2.0
// BLOOM: ALiBi, a layer norm on the embedding, biases everywhere, gelu without a gate.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildBloom(const Gguf& gguf) {
  const HyperParameters h(gguf, "bloom");
  const Decoder m = OR_RETURN(ReadDecoderWithoutRotary(h, NormKind::kLayer));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  constexpr int kMostBias = 8;
  const program::AttendOptions options{.slopes = program::AlibiSlopes(m.heads, kMostBias)};
  Value x = b.EndLayerNorm(b.Tokens(), "token_embd_norm");
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Heads heads = b.Project(b.LayerLayerNorm(x, "attn_norm"));
    x = b.Add(x, b.Attention(heads, 0, options));
    x = b.Add(x, b.FeedForward(b.LayerLayerNorm(x, "ffn_norm"), kernels::Activation::kGelu));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndLayerNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
