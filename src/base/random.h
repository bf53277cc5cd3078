// SPDX-License-Identifier: Apache-2.0
// Counter-based random numbers: Philox 4x32 with 10 rounds (Salmon et al., "Parallel random
// numbers: as easy as 1, 2, 3", 2011). The value for a counter depends on the key and the counter
// alone, so a choice can be repeated in any order and company. Threads: pure functions.
#pragma once

#include <array>
#include <cstdint>

namespace cairn {

std::array<std::uint32_t, 4> Philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

class CounterRandom {
 public:
  explicit CounterRandom(std::uint64_t seed) : seed_(seed) {}
  // In [0, 1), 53 bits; for the choice `index` at `position`.
  double Uniform(std::uint64_t position, std::uint64_t index) const;

 private:
  std::uint64_t seed_;
};

}  // namespace cairn
