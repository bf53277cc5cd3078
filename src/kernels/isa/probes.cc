// SPDX-License-Identifier: Apache-2.0
// What the machine can do at best, for reports: int8 dot products without memory, and plain reads.
#include "kernels/isa/functions.h"
#include "kernels/isa/lanes-inl.h"

namespace cairn::kernels::CAIRN_ISA {

// The compiler must take `weights` for a new value after this; it costs no instruction.
CAIRN_INLINE void Renew(VB& weights) {
#if defined(CAIRN_ISA_avx512)
  asm volatile("" : "+v"(weights));
#elif defined(CAIRN_ISA_avx2)
  asm volatile("" : "+x"(weights));
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

std::uint64_t ReadMemory(const std::byte* data, std::size_t bytes) {
  const auto* at = reinterpret_cast<const uint8_t*>(data);
  constexpr size_t kStreams = 4;  // as many as the kernels walk (matmul-inl.h)
  const size_t part = bytes / kStreams / 64 * 64;
  VI sums[kStreams];
  for (VI& sum : sums) sum = ZeroI();
  const auto add = [&](const uint8_t* line, VI& sum) __attribute__((always_inline)) {
#pragma GCC unroll 2
    for (int p = 0; p < kParts; ++p) {
      sum = AddI(sum, LoadI(reinterpret_cast<const int32_t*>(line) + p * kLanes));
    }
  };
  for (size_t i = 0; i < part; i += 64) {
#pragma GCC unroll 4
    for (size_t s = 0; s < kStreams; ++s) {
      __builtin_prefetch(at + s * part + i + 2560);
      add(at + s * part + i, sums[s]);
    }
  }
  for (size_t i = kStreams * part; i < bytes; i += 64) add(at + i, sums[0]);
  VI total = ZeroI();
  for (const VI& sum : sums) total = AddI(total, sum);
  return static_cast<uint32_t>(ReduceAddI(total));
}

}  // namespace cairn::kernels::CAIRN_ISA
