// SPDX-License-Identifier: Apache-2.0
// The falcon-h1 architecture: attention and Mamba 2 side by side in every layer. Its multipliers
// are in the weights of its files.
#include <fmt/format.h>

#include "model/architectures.h"
#include "model/state_layers.h"

namespace cairn::model {

Result<program::Program> BuildFalconH1(const Gguf& gguf) {
  const HyperParameters h(gguf, "falcon-h1");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kHalves}));
  const Mamba2Sizes state = OR_RETURN(ReadMamba2(h));
  const GgufCatalog catalog(gguf);
  StateBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Value n = b.LayerRmsNorm(x, "attn_norm");
    const Value walked = b.Mamba2(n, state);
    x = b.Add(x, b.Add(walked, b.Attention(b.Rotated(b.Project(n)))));
    // The name of this norm has no ending in its files.
    const Value f = b.RmsNorm(x, fmt::format("blk.{}.ffn_norm", l), m.epsilon);
    x = b.Add(x, b.GatedFeedForward(f, kernels::Activation::kSilu));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
