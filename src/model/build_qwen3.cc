// SPDX-License-Identifier: Apache-2.0
// Qwen3: as Qwen2 without biases, with norms on the heads of queries and keys.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildQwen3(const Gguf& gguf) {
  const HyperParameters h(gguf, "qwen3");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kHalves}));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  Value x = b.Tokens();
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    Heads heads = b.Project(b.LayerRmsNorm(x, "attn_norm"));
    heads.q = b.HeadNorm(heads.q, b.LayerWeight("attn_q_norm"), m.epsilon);
    heads.k = b.HeadNorm(heads.k, b.LayerWeight("attn_k_norm"), m.epsilon);
    x = b.Add(x, b.Attention(b.Rotated(heads)));
    x = b.Add(x, b.GatedFeedForward(b.LayerRmsNorm(x, "ffn_norm"), kernels::Activation::kSilu));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndRmsNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
