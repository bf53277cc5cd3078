// SPDX-License-Identifier: Apache-2.0
// Programs that yield embeddings, from those that yield rows or logits.
//
// An encoder's builder ends with the rows of its last layer (Output::kHidden), a decoder's with
// logits. Either becomes a program of embeddings: the rows after the last norm, pooled.
// Threads: pure functions. Cost: linear in the operations.
#pragma once

#include "program/program.h"

namespace cairn::program {

// The rows that the last matmul of a program of logits reads, of every token, and no logits.
// Requires Output::kLogits and sampled rows not yet moved up.
Program HiddenOfLogits(Program program);

// Embeddings of a program that yields rows: pooled, or all of them sampled. Requires
// Output::kHidden.
Program PoolHidden(Program program, Pooling pooling);

}  // namespace cairn::program
