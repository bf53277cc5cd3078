// SPDX-License-Identifier: Apache-2.0
// The llama architecture: RMS norms before each half of a layer, rotary embedding on neighbouring
// pairs, grouped heads, a gated feed-forward with silu. Mistral's files have the same name.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildLlama(const Gguf& gguf) {
  const HyperParameters h(gguf, "llama");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kNeighbours}));
  OR_RETURN(RefuseExperts(h));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Value n = b.LayerRmsNorm(x, "attn_norm");
    x = b.Add(x, b.Attention(b.Rotated(b.Project(n))));
    x = b.Add(x, b.GatedFeedForward(b.LayerRmsNorm(x, "ffn_norm"), kernels::Activation::kSilu));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
