// SPDX-License-Identifier: Apache-2.0
// MPT: ALiBi or learned positions, layer norms without a bias, values of queries, keys and values
// held inside a range where the file says so, gelu without a gate.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildMpt(const Gguf& gguf) {
  const HyperParameters h(gguf, "mpt");
  const Decoder m = OR_RETURN(ReadDecoderWithoutRotary(h, NormKind::kLayer));
  const int bias = OR_RETURN(AlibiBias(h, "attention.max_alibi_bias", 0));
  const auto limit = static_cast<float>(OR_RETURN(h.NumberOr("attention.clamp_kqv", 0, 0, 1e6)));
  const GgufCatalog catalog(gguf);
  DecoderBuilder b(catalog, m);
  using program::Value;
  program::AttendOptions options;
  if (bias > 0) options.slopes = program::AlibiSlopes(m.heads, bias);
  Value x = b.Tokens();
  if (b.Has("position_embd.weight")) x = b.Add(x, b.Position("position_embd.weight"));
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    const Heads heads = b.Project(b.LayerLayerNorm(x, "attn_norm"));
    x = b.Add(x, b.Attention(b.Clamped(heads, limit), 0, options));
    x = b.Add(x, b.FeedForward(b.LayerLayerNorm(x, "ffn_norm"), kernels::Activation::kGeluErf));
  }
  b.SetLayer(-1);
  return b.Finish(b.Logits(b.EndLayerNorm(b.SampledRows(x), "output_norm")));
}

}  // namespace cairn::model
