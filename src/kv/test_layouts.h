// SPDX-License-Identifier: Apache-2.0
// Layouts for the tests of this room: one group that sees everything and one with a window.
// Threads: pure functions.
#pragma once

#include "kv/layout.h"

namespace cairn::kv {

inline constexpr std::int64_t kTile = kernels::kTilePositions;

// A layer that sees everything, one with a window, and one more of the first kind.
inline KvLayout TwoGroups(int window = 100) {
  return LayOut({{.heads = 2, .head_dim = 16, .window = 0},
                 {.heads = 1, .head_dim = 32, .window = window},
                 {.heads = 3, .head_dim = 16, .window = 0}},
                kernels::KvFormat::kF16);
}

}  // namespace cairn::kv
