// SPDX-License-Identifier: Apache-2.0
// Rows of f32 to stored blocks.
//
// Codes and scales of a block are searched for the least squared error of what Dequantise makes of
// them, by column weighted where weights are given: candidate scales around those that reach the
// largest value, a least-squares fit for each, and for blocks with quantised scales a search among
// their neighbours, with the block's own scales fitted again (docs/quantize.md). Equal inputs give
// equal bytes.
// Threads: pure functions.
// Cost: 100 to 400 multiplications for each value of a quantised format.
#pragma once

#include <cstddef>
#include <span>

#include "base/error.h"
#include "tensor/format.h"

namespace cairn::tensor {

// Whether Quantise can make blocks of a format.
bool CanQuantise(Format format);

// One row: `values` are whole blocks of `format`, `importance` has a weight, 0 or more, for each of
// them or is empty (all equal); `out` has RowBytes. Errors: kUnsupported (another format),
// kInvalidArgument (sizes), kNumeric (a value or weight that is not finite, a weight below 0).
[[nodiscard]] Result<void> Quantise(Format format, std::span<const float> values,
                                    std::span<const float> importance, std::span<std::byte> out);

}  // namespace cairn::tensor
