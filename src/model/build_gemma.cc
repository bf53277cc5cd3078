// SPDX-License-Identifier: Apache-2.0
// Gemma: as llama, with a scaled embedding, a gate with gelu, and rotary embedding on halves.
#include <cmath>

#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildGemma(const Gguf& gguf) {
  const HyperParameters h(gguf, "gemma");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kHalves}));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens(std::sqrt(static_cast<float>(m.width)));
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Value n = b.LayerRmsNorm(x, "attn_norm");
    x = b.Add(x, b.Attention(b.Rotated(b.Project(n))));
    x = b.Add(x, b.GatedFeedForward(b.LayerRmsNorm(x, "ffn_norm"), kernels::Activation::kGelu));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
