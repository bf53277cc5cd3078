// SPDX-License-Identifier: Apache-2.0
// gpt-oss: sinks beside the scores, a window in every other layer beginning with the first, biases
// everywhere, experts behind a clamped gate.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildGptOss(const Gguf& gguf) {
  const HyperParameters h(gguf, "gpt-oss");
  const Decoder m = OR_RETURN(ReadDecoder(
      gguf, h, NormKind::kRms,
      {.pairs = kernels::RotaryPairs::kHalves, .base = 150000, .whole_corrections = false}));
  const int window = OR_RETURN(h.Int("attention.sliding_window", 1, kMostContext));
  const kernels::Routing experts = OR_RETURN(ReadRouting(gguf, h, {.normalise = true}));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Heads heads = b.Rotated(b.Project(b.LayerRmsNorm(x, "attn_norm")));
    x = b.Add(x,
              b.Attention(heads, l % 2 == 0 ? window : 0, {.sinks = b.LayerWeight("attn_sinks")}));
    const Value n = b.LayerRmsNorm(x, "post_attention_norm");
    x = b.Add(x, b.ExpertFeedForward(n, kernels::Activation::kSiluClamped, experts));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
