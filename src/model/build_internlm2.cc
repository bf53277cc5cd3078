// SPDX-License-Identifier: Apache-2.0
// InternLM2: as llama; files hold queries, keys and values apart.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildInternLm2(const Gguf& gguf) {
  const HyperParameters h(gguf, "internlm2");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kNeighbours}));
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
