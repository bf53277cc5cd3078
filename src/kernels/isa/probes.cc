// SPDX-License-Identifier: Apache-2.0
// What the machine can do at best, for reports: int8 dot products without memory, and plain reads.
#include "kernels/isa/functions.h"
#include "kernels/isa/lanes-inl.h"

namespace cairn::kernels::CAIRN_ISA {

// The compiler must take `weights` for a new value after this; it costs no instruction.
CAIRN_INLINE void Renew(VB& weights) {
#if defined(CAIRN_ISA_avx512)
  asm volatile("" : "+v"(weights));
#elif defined(__SSE2__)
  asm volatile("" : "+x"(weights));
#elif defined(__aarch64__)
  asm volatile("" : "+w"(weights));
#else
  asm volatile("" : "+m"(weights));
#endif
}

// Twelve independent chains cover latency times throughput on every machine seen so far. Every loop
// over them is unrolled, else the compiler keeps them in memory and stores are what is measured;
// renewed weights and different starts keep it from computing one chain for all.
double Int8Peak(std::int64_t iterations) {
  constexpr int kChains = 12;
  VI sums[kChains];
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) sums[c] = Set1I(c);
  VB weights = Set1B(3);
  const uint8_t activations[4] = {1, 2, 3, 4};
  for (std::int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) {
      Renew(weights);
      sums[c] = Dot<false>(sums[c], weights, activations);
    }
  }
  VI total = ZeroI();
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) total = AddI(total, sums[c]);
  alignas(64) int32_t lanes[kLanes];
  StoreI(lanes, total);
  asm volatile("" : : "m"(lanes) : "memory");
  return 2.0 * 4 * kLanes * kChains * static_cast<double>(iterations);
}

// One stream, as the matmuls walk weights; four sums, so that additions are not the limit.
std::uint64_t ReadMemory(const std::byte* data, std::size_t bytes) {
  const auto* at = reinterpret_cast<const uint8_t*>(data);
  constexpr int kSums = 4;
  VI sums[kSums];
#pragma GCC unroll 4
  for (int s = 0; s < kSums; ++s) sums[s] = ZeroI();
  const auto add = [](const uint8_t* line, VI& sum) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int p = 0; p < kParts; ++p) {
      sum = AddI(sum, LoadI(reinterpret_cast<const int32_t*>(line) + p * kLanes));
    }
  };
  size_t i = 0;
  for (; i + kSums * 64 <= bytes; i += kSums * 64) {
#pragma GCC unroll 4
    for (int s = 0; s < kSums; ++s) {
      __builtin_prefetch(at + i + s * 64 + 4096);
      add(at + i + s * 64, sums[s]);
    }
  }
  for (; i < bytes; i += 64) add(at + i, sums[0]);
  const VI total = AddI(AddI(sums[0], sums[1]), AddI(sums[2], sums[3]));
  return static_cast<uint32_t>(ReduceAddI(total));
}

}  // namespace cairn::kernels::CAIRN_ISA
