// SPDX-License-Identifier: Apache-2.0
// Nomic's BERT: rotary heads in place of learned positions, a feed-forward gated with silu, no
// biases but those of the norms.
#include "model/architectures.h"
#include "model/encoder.h"

namespace cairn::model {

Result<program::Program> BuildNomicBert(const Gguf& gguf) {
  const HyperParameters h(gguf, "nomic-bert");
  Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kLayer, {.pairs = kernels::RotaryPairs::kHalves}));
  m.whole = true;
  const GgufCatalog catalog(gguf);
  EncoderBuilder b(catalog, m);
  return b.FinishRowsOrScores(b.RotaryLayers(m.layers, [&](program::Value x) {
    return b.GatedFeedForward(x, kernels::Activation::kSilu);
  }));
}

}  // namespace cairn::model
