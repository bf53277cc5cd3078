// SPDX-License-Identifier: Apache-2.0
// DBRX: layer norms without biases, queries, keys and values held inside a limit, experts.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildDbrx(const Gguf& gguf) {
  const HyperParameters h(gguf, "dbrx");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kLayer, {.pairs = kernels::RotaryPairs::kHalves}));
  const auto limit = static_cast<float>(OR_RETURN(h.NumberOr("attention.clamp_kqv", 0, 0, 1e6)));
  const kernels::Routing experts = OR_RETURN(ReadRouting(gguf, h, {.normalise = true}));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Heads heads = b.Clamped(b.Project(b.LayerLayerNorm(x, "attn_norm")), limit);
    x = b.Add(x, b.Attention(b.Rotated(heads)));
    const Value n = b.LayerLayerNorm(x, "attn_output_norm");
    x = b.Add(x, b.ExpertFeedForward(n, kernels::Activation::kSilu, experts));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndLayerNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
