// SPDX-License-Identifier: Apache-2.0
// Granite MoE: as Granite, with experts, and a shared one in files that have it.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildGraniteMoe(const Gguf& gguf) {
  const HyperParameters h(gguf, "granitemoe");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kNeighbours}));
  const Multipliers by = OR_RETURN(ReadMultipliers(h, {}));
  const kernels::Routing experts = OR_RETURN(ReadRouting(gguf, h, {.normalise = true}));
  return BuildLlamaLike(gguf, m, {.by = by, .experts = experts});
}

}  // namespace cairn::model
