// SPDX-License-Identifier: Apache-2.0
// What attention adds to scores by relative position, as kernels::AttendView wants it: a row of
// values for each query head, one for each distance that a context has.
// Threads: immutable after Create. Owns: the rows: 8 bytes per position of the context and query
//   head, for each weight that has such scores.
#pragma once

#include <cstdint>
#include <map>

#include "base/aligned_buffer.h"
#include "base/error.h"
#include "kernels/kernels.h"
#include "model/weights.h"
#include "program/program.h"

namespace cairn::engine {

class RelativeScores {
 public:
  RelativeScores() = default;
  // Errors: kLimit, kOutOfMemory.
  [[nodiscard]] static Result<RelativeScores> Create(const program::Program& program,
                                                     const model::Weights& weights,
                                                     std::int64_t context);

  // Of an attention; null where it has none.
  const float* Of(const program::AttendAttributes& attributes) const;
  std::ptrdiff_t stride() const { return stride_; }

 private:
  std::ptrdiff_t stride_ = 0;          // floats from one query head to the next
  std::map<int, AlignedBuffer> rows_;  // by index of the weight
};

}  // namespace cairn::engine
