// SPDX-License-Identifier: Apache-2.0
#include "testing/reference_math.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "tensor/half.h"

// Wider registers change no sum: every output keeps its own chain over k, without fused operations.
// Resolvers of clones run before the thread sanitizer is ready.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
#define CAIRN_CLONES __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))
#else
#define CAIRN_CLONES
#endif

namespace cairn::testing {
namespace {

constexpr int kBlock = 32;

// Eight values side by side, as wide as the clone's registers allow.
typedef double Eight __attribute__((vector_size(64), aligned(8)));
constexpr int kEights = kPanelOutputs / 8;

template <int kRows>
[[gnu::always_inline]] inline void Product(const double* x, int cols, const double* panel,
                                           double* out, std::ptrdiff_t out_stride) {
  Eight sums[kRows][kEights] = {};
  for (int k = 0; k < cols; ++k) {
    Eight w[kEights];
    std::memcpy(w, panel + static_cast<std::ptrdiff_t>(k) * kPanelOutputs, sizeof(w));
    for (int r = 0; r < kRows; ++r) {
      const double value = x[static_cast<std::ptrdiff_t>(r) * cols + k];
      for (int n = 0; n < kEights; ++n) sums[r][n] += value * w[n];
    }
  }
  for (int r = 0; r < kRows; ++r) std::memcpy(out + r * out_stride, sums[r], sizeof(sums[r]));
}

double BlockScale(const double* x, int n) {
  double most = 0;
  for (int i = 0; i < n; ++i) most = std::max(most, std::abs(x[i]));
  return most < 0x1p-64 ? 0 : most / 127;
}

}  // namespace

CAIRN_CLONES void PanelProduct(const double* x, int rows, int cols, const double* panel,
                               double* out, std::ptrdiff_t out_stride) {
  constexpr int kRows = 4;
  int r = 0;
  for (; r + kRows <= rows; r += kRows) {
    Product<kRows>(x + static_cast<std::ptrdiff_t>(r) * cols, cols, panel, out + r * out_stride,
                   out_stride);
  }
  for (; r < rows; ++r) {
    Product<1>(x + static_cast<std::ptrdiff_t>(r) * cols, cols, panel, out + r * out_stride,
               out_stride);
  }
}

CAIRN_CLONES void AddScaled(double a, const double* x, std::size_t n, double* y) {
  for (std::size_t i = 0; i < n; ++i) y[i] += a * x[i];
}

void RoundToInt8(double* x, int n, int terms) {
  std::vector<double> rest(x, x + n);
  std::fill_n(x, n, 0.0);
  for (int term = 0; term < terms; ++term) {
    for (int at = 0; at < n; at += kBlock) {
      const int size = std::min(kBlock, n - at);
      const double d = BlockScale(rest.data() + at, size);
      if (d == 0) continue;
      for (int i = at; i < at + size; ++i) {
        const double rounded = d * std::nearbyint(rest[static_cast<std::size_t>(i)] / d);
        x[i] += rounded;
        rest[static_cast<std::size_t>(i)] -= rounded;
      }
    }
  }
}

double Int8NoiseOf(const double* x, int n) {
  double noise = 0;
  for (int at = 0; at < n; at += kBlock) {
    const int size = std::min(kBlock, n - at);
    const double d = BlockScale(x + at, size);
    noise += size * d * d / 12;
  }
  return noise;
}

double RoundToHalf(double x) {
  const auto value = static_cast<float>(std::clamp(x, -65504.0, 65504.0));
  return tensor::FloatOfHalf(tensor::HalfOfFloat(value));
}

}  // namespace cairn::testing
