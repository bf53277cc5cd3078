// SPDX-License-Identifier: Apache-2.0
// Phi-3.5-MoE: as Phi-3 with biases and layer norms, and experts that are weighed among those that
// come near them.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildPhiMoe(const Gguf& gguf) {
  const HyperParameters h(gguf, "phimoe");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kHalves}));
  const kernels::Routing experts =
      OR_RETURN(ReadRouting(gguf, h, {.scoring = kernels::Scoring::kNearest}));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    x = b.Add(x, b.Attention(b.Rotated(b.Project(b.LayerLayerNorm(x, "attn_norm")))));
    const Value n = b.LayerLayerNorm(x, "ffn_norm");
    x = b.Add(x, b.ExpertFeedForward(n, kernels::Activation::kSilu, experts));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndLayerNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
