// SPDX-License-Identifier: Apache-2.0
// The jamba architecture: Mamba in most layers, attention without positions in the others; every
// other feed-forward may be of experts.
#include "model/architectures.h"
#include "model/state_layers.h"

namespace cairn::model {

Result<program::Program> BuildJamba(const Gguf& gguf) {
  const HyperParameters h(gguf, "jamba");
  const Decoder m = OR_RETURN(ReadDecoderWithoutRotary(h, NormKind::kRms));
  const MambaSizes state = OR_RETURN(ReadMamba(gguf, h));
  const auto experts = OR_RETURN(ReadRoutingIfAny(gguf, h, {}));
  const GgufCatalog catalog(gguf);
  StateBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Value n = b.LayerRmsNorm(x, "attn_norm");
    const bool has_state = b.Has(b.LayerWeight("ssm_in"));
    x = b.Add(x, has_state ? b.Mamba(n, state) : b.Attention(b.Project(n)));
    const Value f = b.LayerRmsNorm(x, "ffn_norm");
    x = b.Add(x, experts ? b.ExpertFeedForward(f, kernels::Activation::kSilu, *experts)
                         : b.GatedFeedForward(f, kernels::Activation::kSilu));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
