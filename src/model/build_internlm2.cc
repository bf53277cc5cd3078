// SPDX-License-Identifier: Apache-2.0
// InternLM2: as llama; files hold queries, keys and values apart.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildInternLm2(const Gguf& gguf) {
  const HyperParameters h(gguf, "internlm2");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kNeighbours}));
  return BuildLlamaLike(gguf, m);
}

}  // namespace cairn::model
