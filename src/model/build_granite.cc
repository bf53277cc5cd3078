// SPDX-License-Identifier: Apache-2.0
// Granite: as llama, with scales on the embedding, the residuals, the scores and the logits.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildGranite(const Gguf& gguf) {
  const HyperParameters h(gguf, "granite");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kNeighbours}));
  OR_RETURN(RefuseExperts(h));
  const Multipliers by = OR_RETURN(ReadMultipliers(h, {}));
  return BuildLlamaLike(gguf, m, {.by = by});
}

}  // namespace cairn::model
