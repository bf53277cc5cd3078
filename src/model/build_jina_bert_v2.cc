// SPDX-License-Identifier: Apache-2.0
// jina-embeddings-v2: BERT with ALiBi in place of learned positions and a feed-forward gated with
// exact gelu. (The one for code has further norms, by which its files are refused.)
#include "model/architectures.h"
#include "model/encoder.h"

namespace cairn::model {
namespace {

constexpr int kAlibiBias = 8;  // files do not name it

}  // namespace

Result<program::Program> BuildJinaBertV2(const Gguf& gguf) {
  const HyperParameters h(gguf, "jina-bert-v2");
  Decoder m = OR_RETURN(ReadDecoderWithoutRotary(h, NormKind::kLayer));
  m.whole = true;
  const GgufCatalog catalog(gguf);
  EncoderBuilder b(catalog, m);
  const program::AttendOptions options{.slopes = program::AlibiSlopes(m.heads, kAlibiBias)};
  using program::Value;
  Value x = b.EndLayerNorm(b.TypedTokens(), "token_embd_norm");
  for (int l = 0; l < m.layers; ++l) {
    b.SetLayer(l);
    x = b.LayerLayerNorm(b.Add(x, b.Attention(b.Project(x), 0, options)), "attn_output_norm");
    const Value f = b.GatedFeedForward(x, kernels::Activation::kGeluErf);
    x = b.LayerLayerNorm(b.Add(x, f), "layer_output_norm");
  }
  b.SetLayer(-1);
  return b.FinishRowsOrScores(x);
}

}  // namespace cairn::model
