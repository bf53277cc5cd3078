// SPDX-License-Identifier: Apache-2.0
// How much memory a model will take, before anything of it is loaded.
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "kernels/kernels.h"
#include "program/program.h"

namespace cairn::apps {

struct MemoryNeed {
  std::uint64_t weights = 0;       // packed, bytes
  std::uint64_t kv_per_token = 0;  // bytes of each token of context
  std::uint64_t kv = 0;            // at the context asked for
  std::uint64_t states = 0;        // of a text, however long it is
  std::uint64_t step = 0;          // buffers of a step of 512 tokens
  std::uint64_t total() const { return weights + kv + states + step; }
};

// Errors: kLimit where sizes do not fit.
[[nodiscard]] Result<MemoryNeed> NeedOf(const program::Program& program, std::int64_t context,
                                        kernels::KvFormat kv);

}  // namespace cairn::apps
