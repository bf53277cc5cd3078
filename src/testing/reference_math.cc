// SPDX-License-Identifier: Apache-2.0
#include "testing/reference_math.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <utility>
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

void RouteRow(const kernels::Routing& r, std::span<const double> logits,
              std::span<const float> bias, double* out) {
  const auto experts = static_cast<std::size_t>(r.experts);
  const auto used = static_cast<std::size_t>(r.used);
  std::vector<double> scores(experts);
  const double most = *std::ranges::max_element(logits);
  double all = 0;
  for (std::size_t e = 0; e < experts; ++e) all += scores[e] = std::exp(logits[e] - most);
  for (std::size_t e = 0; e < experts; ++e) {
    const bool softmax = r.scoring == kernels::Scoring::kSoftmax;
    scores[e] = softmax ? scores[e] / all : 1 / (1 + std::exp(-logits[e]));
  }
  const auto decides = [&](std::size_t e) {
    return bias.empty() ? logits[e] : scores[e] + double{bias[e]};
  };
  const auto before = [&](std::size_t a, std::size_t b) { return decides(a) > decides(b); };
  // The experts of each group by what decides, then the groups, then the experts of the best.
  const std::size_t size = experts / static_cast<std::size_t>(r.groups);
  std::vector<std::pair<double, std::size_t>> groups;
  for (std::size_t g = 0; g < static_cast<std::size_t>(r.groups); ++g) {
    std::vector<double> values;
    for (std::size_t e = g * size; e < (g + 1) * size; ++e) values.push_back(decides(e));
    std::ranges::sort(values, std::greater<>());
    groups.emplace_back(values[0] + (r.group_largest == 2 ? values[1] : 0), g);
  }
  std::ranges::stable_sort(groups, std::greater<>(), [](const auto& group) { return group.first; });
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < static_cast<std::size_t>(r.groups_used); ++i) {
    for (std::size_t e = 0; e < size; ++e) left.push_back(groups[i].second * size + e);
  }
  std::ranges::sort(left);
  std::ranges::stable_sort(left, before);
  if (r.scoring == kernels::Scoring::kNearest) {
    for (std::size_t j = 0; j < used; ++j) {
      const double best = logits[left[j]];
      double near = 0;
      for (std::size_t i = j; i < left.size(); ++i) {
        const double x = logits[left[i]];
        if ((best - x) / std::max(std::abs(x), best) <= 0.02) near += std::exp(x - best);
      }
      scores[left[j]] = 1 / near;
    }
  }
  double sum = 0;
  for (std::size_t j = 0; j < used; ++j) sum += scores[left[j]];
  for (std::size_t j = 0; j < used; ++j) {
    out[j] = static_cast<double>(left[j]);
    out[used + j] = scores[left[j]] / (r.normalise ? sum : 1) * double{r.scale};
  }
}

}  // namespace cairn::testing
