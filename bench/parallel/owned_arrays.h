// SPDX-License-Identifier: Apache-2.0
// Untouched pages for the contenders that bring no allocator of their own. Threads: a plain owner.
#pragma once

#include "contender.h"
#include "parallel/page_block.h"

namespace cairn::bench {

class OwnedArrays {
 public:
  // Null pointers where there is no memory.
  Arrays Allocate(std::int64_t n) {
    double* at[3] = {};
    for (int i = 0; i < 3; ++i) {
      auto block = parallel::PageBlock::Allocate(static_cast<std::size_t>(n) * sizeof(double),
                                                 parallel::HugePages::kAdvise);
      if (!block) return {};
      blocks_[i] = std::move(*block);
      at[i] = reinterpret_cast<double*>(blocks_[i].data());
    }
    return {at[0], at[1], at[2]};
  }

 private:
  parallel::PageBlock blocks_[3];
};

}  // namespace cairn::bench
