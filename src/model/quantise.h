// SPDX-License-Identifier: Apache-2.0
// A model's file with its matrices in another format (docs/quantize.md).
//
// Tensors are read, quantised and written slice by slice, so that memory does not grow with the
// model. Equal inputs give equal bytes, whatever the number of threads.
// Threads: the calling thread and the team's.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/gguf_file.h"
#include "model/gguf_output.h"
#include "model/importance.h"
#include "parallel/team.h"
#include "tensor/format.h"

namespace cairn::model {

// What became of a tensor.
struct QuantisedTensor {
  std::string_view name;  // of the input file
  tensor::Format from{}, to{};
  std::int64_t values = 0;
  std::uint64_t bytes = 0;        // after
  bool weighed = false;           // by importance
  double squares = 0;             // sum of the values' squares
  double error = 0;               // sum of the squared differences that the new format makes
  double relative_error() const;  // root of error / squares; 0 where there are no values but 0
};

// The format that a tensor gets: the first rule that fits.
//  1. What is no matrix of weights (one row, a name that does not end in ".weight", norms, a
//     router, embeddings of positions and of token types) stays as it is.
//  2. The embedding, where it is the output too, and the output: Q6_K where `type` has fewer bits.
//  3. Everything else: `type`.
//  4. Columns that are no whole number of blocks of 256: instead of Q2_K and Q3_K IQ4_NL, of Q4_K
//     Q5_0, of Q5_K Q5_1, of Q6_K Q8_0; and where 32 does not divide them either, F16.
tensor::Format FormatFor(const Gguf& gguf, const GgufTensor& tensor, tensor::Format type);

// Writes `in` with its matrices as `type` (tensor::CanQuantise). `importance` may be null. `sink`
// gets the file; `told` each tensor once it is written. Errors: those of the sink; kUnsupported (a
// tensor whose format cannot be read); kNumeric and those of Importance::Of, naming the tensor.
[[nodiscard]] Result<void> QuantiseFile(const GgufFile& in, tensor::Format type,
                                        const Importance* importance, parallel::WorkerTeam& team,
                                        const ByteSink& sink,
                                        const std::function<void(const QuantisedTensor&)>& told);

}  // namespace cairn::model
