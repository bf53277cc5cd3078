// SPDX-License-Identifier: Apache-2.0
#include "parallel/block_allocator.h"

#include <algorithm>

namespace cairn::parallel {

HugePages HugePagesFor(std::size_t bytes, const std::vector<Target>& targets) {
  const int node = targets.front().node();
  const bool one_node = node >= 0 && std::ranges::all_of(targets, [&](const Target& target) {
                          return target.node() == node;
                        });
  const std::size_t least =
      one_node ? kHugePageBytes : targets.size() * kLeastHugePagesPerPart * kHugePageBytes;
  return bytes >= least ? HugePages::kAdvise : HugePages::kNever;
}

}  // namespace cairn::parallel
