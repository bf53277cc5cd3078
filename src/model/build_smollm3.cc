// SPDX-License-Identifier: Apache-2.0
// SmolLM3: as llama, with every fourth layer without a rotary embedding.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildSmolLm3(const Gguf& gguf) {
  const HyperParameters h(gguf, "smollm3");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kNeighbours}));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  constexpr int kPattern = 4;  // the last of so many layers does not rotate
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Heads heads = b.Project(b.LayerRmsNorm(x, "attn_norm"));
    x = b.Add(x, b.Attention(l % kPattern == kPattern - 1 ? heads : b.Rotated(heads)));
    x = b.Add(x, b.GatedFeedForward(b.LayerRmsNorm(x, "ffn_norm"), kernels::Activation::kSilu));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
