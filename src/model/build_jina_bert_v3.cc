// SPDX-License-Identifier: Apache-2.0
// jina-embeddings-v3: BERT with rotary heads in place of learned positions.
#include "model/architectures.h"
#include "model/encoder.h"

namespace cairn::model {

Result<program::Program> BuildJinaBertV3(const Gguf& gguf) {
  const HyperParameters h(gguf, "jina-bert-v3");
  Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kLayer, {.pairs = kernels::RotaryPairs::kHalves}));
  m.whole = true;
  const GgufCatalog catalog(gguf);
  EncoderBuilder b(catalog, m);
  return b.FinishHidden(b.RotaryLayers(
      m.layers, [&](program::Value x) { return b.FeedForward(x, kernels::Activation::kGeluErf); }));
}

}  // namespace cairn::model
