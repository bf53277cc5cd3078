// SPDX-License-Identifier: Apache-2.0
// Qwen3-MoE: as Qwen3, with experts in place of the feed-forward.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildQwen3Moe(const Gguf& gguf) {
  const HyperParameters h(gguf, "qwen3moe");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kHalves}));
  const kernels::Routing experts = OR_RETURN(ReadRouting(gguf, h, {.normalise = true}));
  return BuildLlamaLike(gguf, m, {.head_norms = true, .experts = experts});
}

}  // namespace cairn::model
