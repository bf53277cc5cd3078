// SPDX-License-Identifier: Apache-2.0
// Writes importance files (importance.h) in the form that llama.cpp's tools read and write: a GGUF
// file with NAME.in_sum2 (sums of squares) and NAME.counts (rows) for each tensor.
// Threads: a pure function.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/gguf_output.h"

namespace cairn::model {

// Of one tensor: `sums` has `cols` values for each of its matrices, `counts` the rows that each
// met.
struct ImportanceSums {
  std::string tensor;
  std::int64_t cols = 0;
  std::vector<float> sums;
  std::vector<float> counts;
};

// `text` names what was read, in `windows` of `window` tokens. Errors: those of `sink`.
[[nodiscard]] Result<void> WriteImportance(std::span<const ImportanceSums> tensors,
                                           std::string_view text, std::uint32_t windows,
                                           std::uint32_t window, const ByteSink& sink);

}  // namespace cairn::model
