// SPDX-License-Identifier: Apache-2.0
// Qwen3: as Qwen2 without biases, with norms on the heads of queries and keys.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildQwen3(const Gguf& gguf) {
  const HyperParameters h(gguf, "qwen3");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kHalves}));
  return BuildLlamaLike(gguf, m, {.head_norms = true});
}

}  // namespace cairn::model
