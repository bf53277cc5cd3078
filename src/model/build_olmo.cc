// SPDX-License-Identifier: Apache-2.0
// OLMo: as llama, with layer norms that have neither weight nor bias, and values of queries, keys
// and values held inside a range where the file says so.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildOlmo(const Gguf& gguf) {
  const HyperParameters h(gguf, "olmo");
  const Decoder m = OR_RETURN(
      ReadDecoder(gguf, h, NormKind::kLayer, {.pairs = kernels::RotaryPairs::kNeighbours}));
  const auto limit = static_cast<float>(OR_RETURN(h.NumberOr("attention.clamp_kqv", 0, 0, 1e6)));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  const auto norm = [&](Value x) {
    return b.LayerNorm(x, program::kNoWeight, program::kNoWeight, m.epsilon);
  };
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Heads heads = b.Clamped(b.Project(norm(x)), limit);
    x = b.Add(x, b.Attention(b.Rotated(heads)));
    x = b.Add(x, b.GatedFeedForward(norm(x), kernels::Activation::kSilu));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(norm(b.SampledRows(x))));
}

}  // namespace cairn::model
