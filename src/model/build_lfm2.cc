// SPDX-License-Identifier: Apache-2.0
// The lfm2 architecture: short convolutions, gated on both sides, in most layers, attention with
// norms of queries and keys in the others.
#include "model/architectures.h"
#include "model/state_layers.h"

namespace cairn::model {

Result<program::Program> BuildLfm2(const Gguf& gguf) {
  const HyperParameters h(gguf, "lfm2");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kHalves}));
  const GgufCatalog catalog(gguf);
  StateBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Value n = b.LayerRmsNorm(x, "attn_norm");
    const bool convolves = b.Has(b.LayerWeight("shortconv.conv"));
    x = b.Add(x,
              convolves ? b.ShortConvolution(n) : b.Attention(b.Rotated(b.Normed(b.Project(n)))));
    x = b.Add(x, b.GatedFeedForward(b.LayerRmsNorm(x, "ffn_norm"), kernels::Activation::kSilu));
  }
  b.SetLayer(-1);
  // The name of the last norm in its files.
  return b.Finish(b.Logits(b.EndRmsNorm(b.SampledRows(x), "token_embd_norm")));
}

}  // namespace cairn::model
