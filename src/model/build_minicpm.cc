// SPDX-License-Identifier: Apache-2.0
// MiniCPM: as llama, with scales on the embedding, the residuals and the logits. Files without the
// keys have the scales of the 2B model.
#include <cmath>

#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildMiniCpm(const Gguf& gguf) {
  const HyperParameters h(gguf, "minicpm");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kNeighbours}));
  OR_RETURN(RefuseExperts(h));
  constexpr float kBaseWidth = 256;
  const Multipliers by =
      OR_RETURN(ReadMultipliers(h, {.embedding = 12,
                                    .residual = 1.4f / std::sqrt(static_cast<float>(m.layers)),
                                    .logits = kBaseWidth / static_cast<float>(m.width)}));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens(by.embedding);
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Value a = b.Attention(b.Rotated(b.Project(b.LayerRmsNorm(x, "attn_norm"))));
    x = b.Add(x, b.Scale(a, by.residual));
    const Value f = b.GatedFeedForward(b.LayerRmsNorm(x, "ffn_norm"), kernels::Activation::kSilu);
    x = b.Add(x, b.Scale(f, by.residual));
  }
  b.SetLayer(-1);
  const Value logits = b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm"));
  return b.Finish(b.Scale(logits, by.logits));
}

}  // namespace cairn::model
