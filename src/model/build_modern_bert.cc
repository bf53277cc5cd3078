// SPDX-License-Identifier: Apache-2.0
// ModernBERT: norms before each half of a layer (none before the first attention), no biases, a
// feed-forward gated with exact gelu. Every third layer sees the whole text, the others a window to
// both sides, with a rotary base of their own.
#include "model/architectures.h"
#include "model/encoder.h"

namespace cairn::model {

Result<program::Program> BuildModernBert(const Gguf& gguf) {
  const HyperParameters h(gguf, "modern-bert");
  Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kLayer, {.pairs = kernels::RotaryPairs::kHalves}));
  m.whole = true;
  program::RotateAttributes local = m.rope;
  local.base = OR_RETURN(RotaryBase(h, "rope.freq_base_swa", 10000));
  const int pattern = OR_RETURN(h.IntOr("attention.sliding_window_pattern", 3, 1, kMostLayers));
  // Files have the width of the whole window.
  const int window = OR_RETURN(h.Int("attention.sliding_window", 2, kMostContext)) / 2 + 1;
  const GgufCatalog catalog(gguf);
  EncoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.EndLayerNorm(b.Tokens(), "token_embd_norm");
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const bool all = l % pattern == 0;
    const Value n = b.Has(b.LayerWeight("attn_norm")) ? b.LayerLayerNorm(x, "attn_norm") : x;
    const program::KvLayer seen{
        .heads = m.kv_heads, .head_dim = m.head_dim, .window = all ? 0 : window, .whole = true};
    x = b.Add(x, b.Attention(b.Rotated(b.Project(n), all ? m.rope : local), seen));
    x = b.Add(x,
              b.GatedFeedForward(b.LayerLayerNorm(x, "ffn_norm"), kernels::Activation::kGeluErf));
  }
  b.SetLayer(-1);
  return b.FinishHidden(b.EndLayerNorm(x, "output_norm"));
}

}  // namespace cairn::model
