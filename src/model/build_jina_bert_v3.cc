// SPDX-License-Identifier: Apache-2.0
// jina-embeddings-v3: BERT with rotary heads in place of learned positions.
#include "model/architectures.h"
#include "model/encoder.h"

namespace cairn::model {

Result<program::Program> BuildJinaBertV3(const Gguf& gguf) {
  const HyperParameters h(gguf, "jina-bert-v3");
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
    const Value f = b.FeedForward(x, kernels::Activation::kGeluErf);
    x = b.LayerLayerNorm(b.Add(x, f), "layer_output_norm");
  }
  b.SetLayer(-1);
  return b.FinishHidden(x);
}

}  // namespace cairn::model
