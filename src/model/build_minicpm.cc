// SPDX-License-Identifier: Apache-2.0
// MiniCPM: as llama, with scales on the embedding, the residuals and the logits. Files without the
// keys have the scales of the 2B model.
#include <cmath>

#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildMiniCpm(const Gguf& gguf) {
  const HyperParameters h(gguf, "minicpm");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kNeighbours}));
  OR_RETURN(RefuseExperts(h));
  constexpr float kBaseWidth = 256;
  const Multipliers by =
      OR_RETURN(ReadMultipliers(h, {.embedding = 12,
                                    .residual = 1.4f / std::sqrt(static_cast<float>(m.layers)),
                                    .logits = kBaseWidth / static_cast<float>(m.width)}));
  return BuildLlamaLike(gguf, m, {.by = by});
}

}  // namespace cairn::model
