// SPDX-License-Identifier: Apache-2.0
// The llama architecture: RMS norms before each half of a layer, rotary embedding on neighbouring
// pairs, grouped heads, a gated feed-forward with silu, or experts of that kind. Mistral's and
// Mixtral's files have the same name.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildLlama(const Gguf& gguf) {
  const HyperParameters h(gguf, "llama");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kNeighbours}));
  const auto experts = OR_RETURN(ReadRoutingIfAny(gguf, h, {.normalise = true}));
  return BuildLlamaLike(gguf, m, {.experts = experts});
}

}  // namespace cairn::model
