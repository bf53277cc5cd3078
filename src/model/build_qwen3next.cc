// SPDX-License-Identifier: Apache-2.0
// Qwen3-Next: a gated delta net in three of four layers, in the others attention with a gate behind
// it; experts and a shared one in all.
#include "model/architectures.h"
#include "model/delta_net.h"

namespace cairn::model {

Result<program::Program> BuildQwen3Next(const Gguf& gguf) {
  return BuildDeltaNets(gguf, "qwen3next", KeyHeads::kFollow);
}

}  // namespace cairn::model
