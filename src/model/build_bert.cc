// SPDX-License-Identifier: Apache-2.0
// BERT and the many encoders made like it (MiniLM, BGE, E5): learned positions, a norm after
// each half of a layer instead of before it, exact gelu. A file with a head for it ('cls.output')
// scores pairs of texts.
#include "model/architectures.h"
#include "model/encoder.h"

namespace cairn::model {

Result<program::Program> BuildBert(const Gguf& gguf) {
  const HyperParameters h(gguf, "bert");
  Decoder m = OR_RETURN(ReadDecoderWithoutRotary(h, NormKind::kLayer));
  m.whole = true;
  const GgufCatalog catalog(gguf);
  EncoderBuilder b(catalog, m);
  using program::Value;
  Value x =
      b.EndLayerNorm(b.Add(b.TypedTokens(), b.Position("position_embd.weight")), "token_embd_norm");
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    x = b.LayerLayerNorm(b.Add(x, b.Attention(b.Project(x))), "attn_output_norm");
    const Value f = b.FeedForward(x, kernels::Activation::kGeluErf);
    x = b.LayerLayerNorm(b.Add(x, f), "layer_output_norm");
  }
  b.SetLayer(-1);
  return b.FinishRowsOrScores(x);
}

}  // namespace cairn::model
