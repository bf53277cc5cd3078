// SPDX-License-Identifier: Apache-2.0
// Qwen3.5 and Qwen3.6 (texts): as Qwen3-Next, but heads of keys take turns in the files. Positions
// of texts are the same in all three sections of the rotary embedding. Layers that predict tokens
// further on are left out.
#include "model/architectures.h"
#include "model/delta_net.h"

namespace cairn::model {

Result<program::Program> BuildQwen35(const Gguf& gguf) {
  return BuildDeltaNets(gguf, "qwen35", KeyHeads::kTakeTurns);
}

Result<program::Program> BuildQwen35Moe(const Gguf& gguf) {
  return BuildDeltaNets(gguf, "qwen35moe", KeyHeads::kTakeTurns);
}

}  // namespace cairn::model
