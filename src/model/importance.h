// SPDX-License-Identifier: Apache-2.0
// How much each column of each matrix matters: mean squares of what it was multiplied with, from an
// importance file as llama.cpp's tool writes it (a GGUF file of tensors NAME.in_sum2 and
// NAME.counts).
// Threads: immutable after Open. Owns: the file's mapping.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/gguf_file.h"

namespace cairn::model {

class Importance {
 public:
  // Errors: as GgufFile::Open; kInvalidArgument where it is no importance file; kCorrupt.
  [[nodiscard]] static Result<Importance> Open(const std::string& path);

  // Weights for the columns of one matrix of a tensor: of expert `matrix` of `matrices`, `cols` of
  // them. Empty where the file says nothing about it. Errors: kInvalidArgument where the file's
  // sizes are those of another model.
  [[nodiscard]] Result<std::vector<float>> Of(std::string_view tensor, std::int64_t cols,
                                              std::int64_t matrix, std::int64_t matrices) const;

 private:
  explicit Importance(GgufFile file) : file_(std::move(file)) {}

  GgufFile file_;
};

}  // namespace cairn::model
