// SPDX-License-Identifier: Apache-2.0
// Gemma 2: norms before and after each half of a layer, soft-caps on scores and logits, a sliding
// window in every other layer.
#include <cmath>

#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildGemma2(const Gguf& gguf) {
  // The 27B model scales its queries by the width of a head's share of the row, not by the head's
  // own (its configuration's query_pre_attn_scalar, which GGUF does not store): known by its
  // layers.
  constexpr int kLayersOf27B = 46;
  const HyperParameters h(gguf, "gemma2");
  Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kHalves}));
  if (m.layers == kLayersOf27B) m.scale = 1 / std::sqrt(static_cast<float>(m.width / m.heads));
  const int window = OR_RETURN(h.IntOr("attention.sliding_window", 4096, 1, kMostContext));
  const auto score_cap =
      static_cast<float>(OR_RETURN(h.NumberOr("attn_logit_softcapping", 50, 1e-3, 1e6)));
  const auto logit_cap =
      static_cast<float>(OR_RETURN(h.NumberOr("final_logit_softcapping", 30, 1e-3, 1e6)));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens(std::sqrt(static_cast<float>(m.width)));
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Heads heads = b.Rotated(b.Project(b.LayerRmsNorm(x, "attn_norm")));
    const Value a = b.Attention(heads, l % 2 == 0 ? window : 0, {.softcap = score_cap});
    x = b.Add(x, b.LayerRmsNorm(a, "post_attention_norm"));
    const Value f = b.GatedFeedForward(b.LayerRmsNorm(x, "ffn_norm"), kernels::Activation::kGelu);
    x = b.Add(x, b.LayerRmsNorm(f, "post_ffw_norm"));
  }
  b.SetLayer(-1);
  const Value logits = b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm"));
  return b.Finish(b.Softcap(logits, logit_cap));
}

}  // namespace cairn::model
