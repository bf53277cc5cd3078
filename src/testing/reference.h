// SPDX-License-Identifier: Apache-2.0
// The reference executor: what a program means, in double precision.
//
// It walks a program operation by operation over dequantised weights: no fusion, no cache, no
// chunks, no quantised activations, angles and exponentials from the C library. One sequence that
// begins at position 0, all rows at once. It is the first of the three levels of proof
// (docs/correctness.md) and is never linked into cairn.
//
// Threads: Run is a pure function; it uses a team of its own.
// Cost: 2 operations per weight and row, about 5 to 20 G/s; about 30 MB plus 150 bytes per row and
//   value of the widest layer. A thousandth of the engine's speed.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/error.h"
#include "model/gguf.h"
#include "program/program.h"

namespace cairn::testing {

struct ReferenceOptions {
  int threads = 0;  // 0: the cores this process may use
  // Applies, still in double precision, the losses that docs/canonical.md prescribes: activations
  // of quantised matmuls to int8 in blocks of 32 (the logits' matmul in two terms
  // where canonical.md says so), keys and values
  // to f16. What is left between this walk and the kernels is rounding of f32.
  bool canonical_losses = false;
  // Keys and values keep their values, as in f32.
  bool exact_kv = false;
  int second = -1;  // tokens before the second text of a pair; -1: there is none
};

struct ReferenceReport {
  // What the rounding of activations to int8 is expected to cost: for each quantised matmul that
  // was walked, the variance of its rounding errors over the mean square of its input
  // (sum over blocks of d^2 / 12 over sum of x^2, all rows together), added up.
  double activation_noise = 0;
  int quantised_matmuls = 0;
};

// Receives the logits of one sampled row (or what else the program yields), 0-based and ascending;
// valid during the call.
using ReferenceSink = std::function<void(int row, std::span<const double> logits)>;

// Walks `program` over `tokens`; the last `sampled` rows are sampled (1 where it pools). `gguf` has
// the program's weights. Errors: kInvalidArgument for tokens outside the vocabulary or `sampled`
// out of range; kCorrupt where a weight is missing.
[[nodiscard]] Result<ReferenceReport> RunReference(const program::Program& program,
                                                   const model::Gguf& gguf,
                                                   std::span<const std::int32_t> tokens,
                                                   int sampled, const ReferenceOptions& options,
                                                   const ReferenceSink& sink);

}  // namespace cairn::testing
