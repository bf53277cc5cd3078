// SPDX-License-Identifier: Apache-2.0
// The granitehybrid architecture: Granite with Mamba 2 in place of attention in most layers. Few
// files rotate ('rope.scaling.finetuned').
#include "model/architectures.h"
#include "model/state_layers.h"

namespace cairn::model {

Result<program::Program> BuildGraniteHybrid(const Gguf& gguf) {
  const HyperParameters h(gguf, "granitehybrid");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kNeighbours}));
  const Multipliers by = OR_RETURN(ReadMultipliers(h, {}));
  const Mamba2Sizes state = OR_RETURN(ReadMamba2(h));
  const auto experts = OR_RETURN(ReadRoutingIfAny(gguf, h, {.normalise = true}));
  const bool rotates = OR_RETURN(gguf.GetBool(h.Name("rope.scaling.finetuned"), true));
  const GgufCatalog catalog(gguf);
  StateBuilder b(catalog, m);
  using program::Value;
  const auto attention = [&](Value x) {
    const Heads heads = b.Project(x);
    return b.Attention(rotates ? b.Rotated(heads) : heads);
  };
  const auto scaled = [&b](Value x, float factor) { return factor == 1 ? x : b.Scale(x, factor); };
  Value x = b.Tokens(by.embedding);
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Value n = b.LayerRmsNorm(x, "attn_norm");
    const bool has_state = b.Has(b.LayerWeight("ssm_in"));
    x = b.Add(x, scaled(has_state ? b.Mamba2(n, state) : attention(n), by.residual));
    const Value f = b.LayerRmsNorm(x, "ffn_norm");
    x = b.Add(x, scaled(experts ? b.ExpertFeedForward(f, kernels::Activation::kSilu, *experts)
                                : b.GatedFeedForward(f, kernels::Activation::kSilu),
                        by.residual));
  }
  b.SetLayer(-1);
  const Value logits = b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm"));
  return b.Finish(scaled(logits, by.logits));
}

}  // namespace cairn::model
