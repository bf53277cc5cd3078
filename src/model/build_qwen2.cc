// SPDX-License-Identifier: Apache-2.0
// Qwen2 and Qwen2.5: as llama, with biases on queries, keys and values and rotary embedding on
// halves.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildQwen2(const Gguf& gguf) {
  const HyperParameters h(gguf, "qwen2");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kHalves}));
  return BuildLlamaLike(gguf, m);
}

}  // namespace cairn::model
