// SPDX-License-Identifier: Apache-2.0
// The two loops of the reference executor that take its time, and the losses it can model.
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/route.h"

namespace cairn::testing {

inline constexpr int kPanelOutputs = 16;

// out[r * out_stride + n] = sum over k, ascending, of x[r * cols + k] * panel[k * kPanelOutputs +
// n] for r < rows and n < kPanelOutputs.
void PanelProduct(const double* x, int rows, int cols, const double* panel, double* out,
                  std::ptrdiff_t out_stride);

// y[i] += a * x[i].
void AddScaled(double a, const double* x, std::size_t n, double* y);

// Rounds a row as docs/canonical.md, section 1, does, in place; `terms` 2 adds the rounded
// remainder.
void RoundToInt8(double* x, int n, int terms);

// Variance of the rounding errors of RoundToInt8 with one term, summed over the row.
double Int8NoiseOf(const double* x, int n);

// Chooses experts as docs/canonical.md, section 8a, says; `bias` may be empty. Writes the indices
// by rank, then the weights.
void RouteRow(const kernels::Routing& routing, std::span<const double> logits,
              std::span<const float> bias, double* out);

// To f16 and back, saturating (section 6).
double RoundToHalf(double x);

}  // namespace cairn::testing
