// SPDX-License-Identifier: Apache-2.0
// GLM-4.5, 4.6: as llama with a partial rotary embedding on halves and, in some, norms of heads and
// biases; experts behind dense layers. Layers that predict tokens further on are left out.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildGlm4Moe(const Gguf& gguf) {
  const HyperParameters h(gguf, "glm4moe");
  Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kHalves}));
  m.layers -= OR_RETURN(LayersThatPredictFurther(gguf, "glm4moe"));
  kernels::Routing experts =
      OR_RETURN(ReadRouting(gguf, h, {.scoring = kernels::Scoring::kSigmoid, .normalise = true}));
  experts.group_largest = 2;
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    Heads heads = b.Project(b.LayerRmsNorm(x, "attn_norm"));
    if (b.Has(b.LayerWeight("attn_q_norm"))) heads = b.Normed(heads);
    x = b.Add(x, b.Attention(b.Rotated(heads)));
    const Value n = b.LayerRmsNorm(x, "post_attention_norm");
    x = b.Add(x, b.ExpertFeedForward(n, kernels::Activation::kSilu, experts));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
