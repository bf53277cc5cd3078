// SPDX-License-Identifier: Apache-2.0
// Phi-3 and Phi-4: as llama, with queries, keys and values in one tensor, gate and up in another,
// rotary embedding on halves (LongRoPE where the file has its factors) and an optional window.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildPhi3(const Gguf& gguf) {
  const HyperParameters h(gguf, "phi3");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kHalves}));
  const int window = OR_RETURN(h.IntOr("attention.sliding_window", 0, 0, kMostContext));
  return BuildLlamaLike(gguf, m, {.window = window});
}

}  // namespace cairn::model
