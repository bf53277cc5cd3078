// SPDX-License-Identifier: Apache-2.0
// Attention against softmax in double precision, and the parts of positions that a row sees against
// a plain search.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/attend_scene.h"

namespace cairn::kernels {
namespace {

TEST(VisiblePartsTest, ChunksBeginAtTheirMultiples) {
  for (const int chunk : {1, 7, 256, 300, 8192}) {
    for (std::int64_t p = 0; p < 1100; ++p) {
      std::int64_t first = 0;
      while (first + chunk <= p) first += chunk;
      ASSERT_EQ(FirstVisible(p, chunk, true), first);
      ASSERT_EQ(VisibleParts(p, chunk, 0, true).first, first / 256);
    }
  }
}

TEST(VisiblePartsTest, EqualsAPlainSearchOverThePositions) {
  for (std::int64_t p = 0; p < 1100; p += 1 + p % 7) {
    for (const int window : {0, 1, 2, 255, 256, 257, 512, 513, 5000}) {
      for (const std::int64_t end : {std::int64_t{0}, p + 1, p + 2, std::int64_t{1100}}) {
        int first = -1, last = -1;
        for (std::int64_t j = 0; j < (end == 0 ? p + 1 : end); ++j) {
          if (window != 0 && std::abs(j - p) >= window) continue;
          if (first < 0) first = static_cast<int>(j / 256);
          last = static_cast<int>(j / 256);
        }
        const PartRange parts = VisibleParts(p, window, end);
        ASSERT_EQ(parts.first, first) << p << " " << window << " " << end;
        ASSERT_EQ(parts.last, last) << p << " " << window << " " << end;
      }
    }
  }
}

// In binary64, over the stored f16 values, with a bound from the unit roundoff u = 2^-24 of every
// step. Errors of a score: the products with scale, and the chain, at most (d + 1) u sum |q k|;
// then s - M, u |s - M|; exp, 2 units in the last place or 4 u. All of that is a relative error e
// of a weight, which numerator and denominator share; the sums add at most (n + 3 parts + tiles)
// roundings u each (a rescaling is an exp of 4 u and a product). To first order the output is off
// by (2 e + 2 (n + 8 tiles) u) sum p |v| / l; weights below the cut-off add e^-87.
TEST(AttendTest, IsWithinTheDerivedBoundOfSoftmaxInDouble) {
  const double u = 0x1p-24;
  for (const int head_dim : {64, 256}) {
    const Shape shape{
        .head_dim = head_dim, .heads = 1, .group = 2, .first = 600, .rows = 4, .spread = 3};
    Scene scene(shape);
    std::vector<float> unused;
    const AttendView view = scene.View(unused);
    const std::vector<float> got = scene.Attend(KernelsFor(AvailableIsas().back()), 4);
    double worst = 0;
    for (int r = 0; r < shape.rows; ++r) {
      for (int g = 0; g < shape.group; ++g) {
        const int n = static_cast<int>(shape.first) + r + 1;
        std::vector<double> s(n), magnitude(n);
        for (int j = 0; j < n; ++j) {
          for (int c = 0; c < head_dim; ++c) {
            const double product = double{view.q.row(r)[g * head_dim + c]} * double{view.scale} *
                                   ref::Key(view.kv, 0, j, c);
            s[j] += product;
            magnitude[j] += std::abs(product);
          }
        }
        const double m = *std::max_element(s.begin(), s.end());
        double l = 0, e = 0;
        for (int j = 0; j < n; ++j) {
          e = std::max(e, (head_dim + 1) * u * magnitude[j] + u * std::abs(s[j] - m) + 4 * u);
          l += std::exp(s[j] - m);
        }
        for (int c = 0; c < head_dim; ++c) {
          double o = 0, size = 0;
          for (int j = 0; j < n; ++j) {
            const double v = ref::Value(view.kv, 0, j, c);
            o += std::exp(s[j] - m) / l * v;
            size += std::exp(s[j] - m) / l * std::abs(v);
          }
          const double bound = (2 * e + 2 * (n + 8 * (n / 64 + 1)) * u) * size + 1e-30;
          const double error = std::abs(got[r * scene.Width() + g * head_dim + c] - o);
          ASSERT_LE(error, bound) << "row " << r << " channel " << c;
          worst = std::max(worst, error / bound);
        }
      }
    }
    RecordProperty("worst_share_of_bound_" + std::to_string(head_dim), std::to_string(worst));
  }
}

}  // namespace
}  // namespace cairn::kernels
