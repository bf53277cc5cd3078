// SPDX-License-Identifier: Apache-2.0
// GLM-4: norms before and after each half of a layer, half of a head rotates, gate and up in one
// tensor, biases on queries, keys and values.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildGlm4(const Gguf& gguf) {
  const HyperParameters h(gguf, "glm4");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kNeighbours}));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Value a = b.Attention(b.Rotated(b.Project(b.LayerRmsNorm(x, "attn_norm"))));
    x = b.Add(x, b.LayerRmsNorm(a, "post_attention_norm"));
    const Value f = b.GatedFeedForward(b.LayerRmsNorm(x, "ffn_norm"), kernels::Activation::kSilu);
    x = b.Add(x, b.LayerRmsNorm(f, "post_ffw_norm"));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
