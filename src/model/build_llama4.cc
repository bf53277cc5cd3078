// SPDX-License-Identifier: Apache-2.0
// Llama 4 (text): three layers of four rotate and see chunks of the text, and norm the heads after
// the rotation; the fourth sees everything without rotation, its queries grow with the position.
// Experts take rows weighed, beside a shared one; some files have them in every other layer.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildLlama4(const Gguf& gguf) {
  const HyperParameters h(gguf, "llama4");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kNeighbours}));
  constexpr int kPattern = 4;  // the last of so many layers sees everything
  const int chunk = OR_RETURN(h.IntOr("attention.sliding_window", 8192, 1, kMostContext));
  const program::GrowAttributes grow{
      .slope = OR_RETURN(h.NumberOr("attention.temperature_scale", 0.1, 0, 1e3)),
      .length = static_cast<double>(
          OR_RETURN(h.IntOr("attention.temperature_length", 8192, 1, kMostContext)))};
  const kernels::Routing experts =
      OR_RETURN(ReadRouting(gguf, h, {.scoring = kernels::Scoring::kSigmoid}));
  constexpr int kExpertsOfMaverick = 128;  // which has no norms
  const bool norms = experts.experts != kExpertsOfMaverick;
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  constexpr auto kSilu = kernels::Activation::kSilu;
  const auto normed = [&](Value x) {
    return norms ? b.HeadNorm(x, program::kNoWeight, m.epsilon, m.head_dim) : x;
  };
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    Heads heads = b.Project(b.LayerRmsNorm(x, "attn_norm"));
    program::KvLayer seen{.heads = m.kv_heads, .head_dim = m.head_dim};
    if (l % kPattern == kPattern - 1) {
      heads.q = b.Grow(heads.q, grow);
    } else {
      heads = b.Rotated(heads);
      heads.q = normed(heads.q);
      heads.k = normed(heads.k);
      seen.window = chunk;
      seen.chunked = true;
    }
    x = b.Add(x, b.Attention(heads, seen));
    const Value n = b.LayerRmsNorm(x, "ffn_norm");
    const bool routed = b.Has(b.LayerWeight("ffn_gate_inp"));
    x = b.Add(x, routed ? b.Add(b.RoutedExperts(n, kSilu, experts, true), b.SharedExperts(n, kSilu))
                        : b.GatedFeedForward(n, kSilu));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
