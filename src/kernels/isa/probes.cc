// SPDX-License-Identifier: Apache-2.0
// What the machine can do at best, for reports: int8 dot products without memory, and plain reads.
#include "kernels/isa/functions.h"
#include "kernels/isa/lanes-inl.h"

namespace cairn::kernels::CAIRN_ISA {

// Twelve independent chains cover latency times throughput on every machine seen so far.
double Int8Peak(std::int64_t iterations) {
  constexpr int kChains = 12;
  VI sums[kChains];
  for (VI& sum : sums) sum = ZeroI();
  VB weights = Set1B(3);
  const uint8_t activations[4] = {1, 2, 3, 4};
  for (std::int64_t i = 0; i < iterations; ++i) {
    asm volatile("" : "+m"(weights));  // keeps the compiler from folding the loop
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) sums[c] = Dot<false>(sums[c], weights, activations);
  }
  VI total = ZeroI();
  for (const VI& sum : sums) total = AddI(total, sum);
  alignas(64) int32_t lanes[kLanes];
  StoreI(lanes, total);
  asm volatile("" : : "m"(lanes) : "memory");
  return 2.0 * 4 * kLanes * kChains * static_cast<double>(iterations);
}

std::uint64_t ReadMemory(const std::byte* data, std::size_t bytes) {
  const auto* at = reinterpret_cast<const uint8_t*>(data);
  constexpr size_t kVectorBytes = static_cast<size_t>(kLanes) * 4;
  constexpr size_t kStreams = 4;
  const size_t part = bytes / kStreams / kVectorBytes * kVectorBytes;
  VI sums[kStreams];
  for (VI& sum : sums) sum = ZeroI();
  for (size_t i = 0; i < part; i += kVectorBytes) {
#pragma GCC unroll 4
    for (size_t s = 0; s < kStreams; ++s) {
      const uint8_t* from = at + s * part + i;
      __builtin_prefetch(from + 2560);
      sums[s] = AddI(sums[s], LoadI(reinterpret_cast<const int32_t*>(from)));
    }
  }
  VI total = ZeroI();
  for (const VI& sum : sums) total = AddI(total, sum);
  return static_cast<uint32_t>(ReduceAddI(total));
}

}  // namespace cairn::kernels::CAIRN_ISA
