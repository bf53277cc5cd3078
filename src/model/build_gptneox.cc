// SPDX-License-Identifier: Apache-2.0
// GPT-NeoX and Pythia: attention and feed-forward beside each other on a layer norm each, or one
// after the other, biases everywhere, part of a head rotates, gelu without a gate.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildGptNeoX(const Gguf& gguf) {
  const HyperParameters h(gguf, "gptneox");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kLayer, {.pairs = kernels::RotaryPairs::kHalves}));
  const bool parallel = OR_RETURN(gguf.GetBool(h.Name("use_parallel_residual"), true));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Value a = b.Attention(b.Rotated(b.Project(b.LayerLayerNorm(x, "attn_norm"))));
    const Value y = b.Add(x, a);
    const Value f = b.LayerLayerNorm(parallel ? x : y, "ffn_norm");
    x = b.Add(y, b.FeedForward(f, kernels::Activation::kGeluErf));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndLayerNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
