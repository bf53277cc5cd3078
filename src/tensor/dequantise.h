// SPDX-License-Identifier: Apache-2.0
// Stored rows to f32, value by value as the formats define it: product, then sum or difference,
// each rounded. Plain and slow; kernels have their own paths and are tested against this one.
// Threads: pure functions.
#pragma once

#include <cstddef>
#include <span>

#include "base/error.h"
#include "tensor/format.h"

namespace cairn::tensor {

// `stored` holds whole blocks of `format`; `out` receives that many values. Errors: kUnsupported
// for formats without a matmul, kInvalidArgument where the sizes do not fit.
[[nodiscard]] Result<void> Dequantise(Format format, std::span<const std::byte> stored,
                                      std::span<float> out);

}  // namespace cairn::tensor
