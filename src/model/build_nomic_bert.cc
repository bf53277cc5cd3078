// SPDX-License-Identifier: Apache-2.0
// Nomic's BERT: rotary heads in place of learned positions, a feed-forward gated with silu, no
// biases but those of the norms.
#include "model/architectures.h"
#include "model/encoder.h"

namespace cairn::model {

Result<program::Program> BuildNomicBert(const Gguf& gguf) {
  const HyperParameters h(gguf, "nomic-bert");
  Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kLayer, {.pairs = kernels::RotaryPairs::kHalves}));
  m.whole = true;
  const GgufCatalog catalog(gguf);
  EncoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.EndLayerNorm(b.TypedTokens(), "token_embd_norm");
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    x = b.LayerLayerNorm(b.Add(x, b.Attention(b.Rotated(b.Project(x)))), "attn_output_norm");
    const Value f = b.GatedFeedForward(x, kernels::Activation::kSilu);
    x = b.LayerLayerNorm(b.Add(x, f), "layer_output_norm");
  }
  b.SetLayer(-1);
  return b.FinishRowsOrScores(x);
}

}  // namespace cairn::model
