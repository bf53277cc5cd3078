// SPDX-License-Identifier: Apache-2.0
// OLMoE: as llama with rotary embedding on halves, norms over the whole row of queries and of keys,
// and experts whose weights are not normalised.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildOlmoe(const Gguf& gguf) {
  const HyperParameters h(gguf, "olmoe");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kHalves}));
  const kernels::Routing experts = OR_RETURN(ReadRouting(gguf, h, {.normalise = false}));
  return BuildLlamaLike(gguf, m, {.head_norms = true, .experts = experts});
}

}  // namespace cairn::model
