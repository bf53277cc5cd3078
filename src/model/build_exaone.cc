// SPDX-License-Identifier: Apache-2.0
// EXAONE 3: as llama, with rotary embedding on halves.
#include "model/architectures.h"
#include "model/decoder.h"

namespace cairn::model {

Result<program::Program> BuildExaone(const Gguf& gguf) {
  const HyperParameters h(gguf, "exaone");
  const Decoder m =
      OR_RETURN(ReadDecoder(gguf, h, NormKind::kRms, {.pairs = kernels::RotaryPairs::kHalves}));
  return BuildLlamaLike(gguf, m);
}

}  // namespace cairn::model
