// SPDX-License-Identifier: Apache-2.0
#include "apps/memory_need.h"

#include "base/checked.h"
#include "kernels/packed.h"
#include "kv/layout.h"
#include "program/stages.h"

namespace cairn::apps {

Result<MemoryNeed> NeedOf(const program::Program& program, std::int64_t context,
                          kernels::KvFormat kv) {
  MemoryNeed need;
  for (const program::Weight& weight : program.weights) {
    if (weight.rows == 1) {
      need.weights += static_cast<std::uint64_t>(weight.cols) * sizeof(float);
      continue;
    }
    const int groups = DivideUp(weight.rows, kernels::kGroupRows);
    need.weights +=
        static_cast<std::uint64_t>(groups) * kernels::PackedGroupBytes(weight.format, weight.cols);
  }
  const kv::KvLayout layout = kv::LayOutOf(program, kv);
  constexpr std::int64_t kTilePositions = 64;
  need.kv_per_token = layout.bytes_per_token();
  need.states = kv::kStatesOfSequence * layout.state_bytes();
  need.kv = need.kv_per_token * static_cast<std::uint64_t>(RoundUp(context, kTilePositions));
  program::FusedProgram fused = program::Fuse(program);
  OR_RETURN(program::PlanBuffers(
      program, {.tokens = 512, .sampled = 512, .logit_rows = 4 * kernels::kTileRows}, fused));
  need.step = fused.arena_bytes;
  return need;
}

}  // namespace cairn::apps
