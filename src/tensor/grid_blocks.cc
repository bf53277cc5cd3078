// SPDX-License-Identifier: Apache-2.0
#include "tensor/grid_blocks.h"

#include <bit>

#include "tensor/grids.h"

namespace cairn::tensor {
namespace {

std::uint32_t NumberAt(const std::uint8_t* p) {
  return p[0] | p[1] << 8 | p[2] << 16 | static_cast<std::uint32_t>(p[3]) << 24;
}

// Eight signs of seven stored ones.
int EvenSigns(std::uint32_t seven) {
  return static_cast<int>((seven & 127) | (std::popcount(seven & 127) & 1) << 7);
}

// `count` digits of kBits bits at the low end of `entry`, with signs above them.
template <int kBits>
void PutDigits(std::uint32_t entry, int count, int signs, std::uint8_t* q) {
  constexpr std::uint32_t kMask = (1u << kBits) - 1;
  for (int i = 0; i < count; ++i) {
    q[i] = static_cast<std::uint8_t>((entry >> (kGridDigitBits<kBits> * i) & kMask) |
                                     static_cast<std::uint32_t>(signs >> i & 1) << kBits);
  }
}

}  // namespace

void IntegersOf(const BlockIQ1_S& b, std::uint8_t* q) {
  for (int n = 0; n < 32; ++n) {
    const int high = b.qh[n / 4] >> (n % 4 * 3) & 7;
    PutDigits<2>(kGridIq1[b.qs[n] | high << 8], 8, 0, q + 8 * n);
  }
}
void IntegersOf(const BlockIQ1_M& b, std::uint8_t* q) {
  for (int n = 0; n < 32; ++n) {
    const int high = b.qh[n / 2] >> (n % 2 * 4) & 7;
    PutDigits<2>(kGridIq1[b.qs[n] | high << 8], 8, 0, q + 8 * n);
  }
}
void IntegersOf(const BlockIQ2_XXS& b, std::uint8_t* q) {
  for (int n = 0; n < 32; ++n) {
    const std::uint8_t* sub = b.qs + n / 4 * 8;
    PutDigits<2>(kGridIq2Xxs[sub[n % 4]], 8, EvenSigns(NumberAt(sub + 4) >> (n % 4 * 7)),
                 q + 8 * n);
  }
}
void IntegersOf(const BlockIQ2_XS& b, std::uint8_t* q) {
  for (int n = 0; n < 32; ++n) {
    PutDigits<2>(kGridIq2Xs[b.qs[n] & 511], 8, EvenSigns(b.qs[n] >> 9), q + 8 * n);
  }
}
void IntegersOf(const BlockIQ2_S& b, std::uint8_t* q) {
  for (int n = 0; n < 32; ++n) {
    const int high = b.qh[n / 4] >> (n % 4 * 2) & 3;
    PutDigits<2>(kGridIq2S[b.qs[n] | high << 8], 8, b.signs[n], q + 8 * n);
  }
}
void IntegersOf(const BlockIQ3_XXS& b, std::uint8_t* q) {
  for (int n = 0; n < 64; ++n) {
    const std::uint32_t seven = NumberAt(b.signs + n / 8 * 4) >> (n % 8 / 2 * 7);
    PutDigits<3>(kGridIq3Xxs[b.qs[n]], 4, EvenSigns(seven) >> (n % 2 * 4), q + 4 * n);
  }
}
void IntegersOf(const BlockIQ3_S& b, std::uint8_t* q) {
  for (int n = 0; n < 64; ++n) {
    const int high = b.qh[n / 8] >> (n % 8) & 1;
    PutDigits<3>(kGridIq3S[b.qs[n] | high << 8], 4, b.signs[n / 2] >> (n % 2 * 4), q + 4 * n);
  }
}

int SubScaleOf(const BlockIQ1_S& b, int g) { return b.qh[g] >> 12 & 7; }
int SubScaleOf(const BlockIQ1_M& b, int g) { return b.scales[g / 4] >> (g % 4 * 3) & 7; }
int SubScaleOf(const BlockIQ2_XXS& b, int g) {
  return static_cast<int>(NumberAt(b.qs + 8 * g + 4) >> 28);
}
int SubScaleOf(const BlockIQ2_XS& b, int g) { return b.scales[g / 2] >> (g % 2 * 4) & 15; }
int SubScaleOf(const BlockIQ2_S& b, int g) { return b.scales[g / 2] >> (g % 2 * 4) & 15; }
int SubScaleOf(const BlockIQ3_XXS& b, int g) {
  return static_cast<int>(NumberAt(b.signs + 4 * g) >> 28);
}
int SubScaleOf(const BlockIQ3_S& b, int g) { return b.scales[g / 2] >> (g % 2 * 4) & 15; }

}  // namespace cairn::tensor
