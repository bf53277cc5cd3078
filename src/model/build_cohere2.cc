// SPDX-License-Identifier: Apache-2.0
// Command R7B and later: as Command R, with a window and rotary embedding in three layers of four
// and neither in the fourth.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildCohere2(const Gguf& gguf) {
  const HyperParameters h(gguf, "cohere2");
  const Decoder m = OR_RETURN(
      ReadDecoder(gguf, h, NormKind::kLayer, {.pairs = kernels::RotaryPairs::kNeighbours}));
  constexpr int kPattern = 4;  // the last of so many layers sees everything
  const int window = OR_RETURN(h.Int("attention.sliding_window", 1, kMostContext));
  const auto logit_scale = static_cast<float>(OR_RETURN(h.Number("logit_scale", 1e-6, 1e6)));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const bool all = l % kPattern == kPattern - 1;
    const Value n = b.LayerLayerNorm(x, "attn_norm");
    const Heads heads = b.Project(n);
    const Value a = all ? b.Attention(heads) : b.Attention(b.Rotated(heads), window);
    x = b.Add(b.Add(x, a), b.GatedFeedForward(n, kernels::Activation::kSilu));
  }
  b.SetLayer(-1);
  const Value logits = b.Logits(b.EndLayerNorm(b.SampledRows(x), "output_norm"));
  return b.Finish(b.Scale(logits, logit_scale));
}

}  // namespace cairn::model
