// SPDX-License-Identifier: Apache-2.0
// Qwen1.5-MoE and Qwen2-MoE: as Qwen2, with experts whose weights are not normalised and a shared
// one that is weighed by a gate of its own.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildQwen2Moe(const Gguf& gguf) {
  const HyperParameters h(gguf, "qwen2moe");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kHalves}));
  const kernels::Routing experts = OR_RETURN(ReadRouting(gguf, h, {.normalise = false}));
  return BuildLlamaLike(gguf, m, {.experts = experts});
}

}  // namespace cairn::model
