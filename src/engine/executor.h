// SPDX-License-Identifier: Apache-2.0
// Runs a fused program over the rows of a step, with every worker of a team.
//
// A step runs phase after phase; each phase is a number of units that workers claim one by one, and
// ends when they are done. How a step is cut into units changes no byte of its results.
// Threads: Run is called by one thread at a time. Owns: the arena and all scratch; a step allocates
//   nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/error.h"
#include "kernels/angle.h"
#include "kernels/kernels.h"
#include "kv/sequence_tiles.h"
#include "model/weights.h"
#include "parallel/team.h"
#include "program/stages.h"

namespace cairn::engine {

class InputSums;
class StepObserver;

// Rows of one sequence in a step.
struct SequenceSlice {
  const kv::SequenceTiles* tiles = nullptr;
  std::int64_t position = 0;  // of its first row
  int first_row = 0;          // in the step
  int rows = 0;
  int second = 0;         // rows before the second text of a pair; all where there is none
  int first_sampled = 0;  // its sampled rows are its last ones, numbered through the step
  int sampled = 0;
  int failed_layer = kNotFailed;  // out: the first layer with a value that is not finite; -1 for
                                  // outside the layers
  static constexpr int kNotFailed = -2;
};

struct StepInput {
  std::span<const std::int32_t> tokens;  // by row
  std::span<SequenceSlice> slices;       // in row order
  int sampled = 0;                       // rows sampled in all
};

// What the program yields for a sampled row (logits, or an embedding); called on the caller's
// thread, in ascending order, and not for rows whose values are not all finite.
using LogitRowSink = std::function<void(int row, const float* logits)>;

class Executor {
 public:
  // Everything handed in must outlive the executor. `context`: the most positions of a sequence.
  // Errors: kOutOfMemory, kLimit (step buffers that fit no memory).
  [[nodiscard]] static Result<std::unique_ptr<Executor>> Create(
      const program::Program& program, const model::Weights& weights,
      const kernels::Kernels& kernels, const kv::KvLayout& layout, parallel::WorkerTeam& team,
      const program::StepShape& shape, std::int64_t context);
  // From now on every step is recorded (engine/trace.h); null: no longer. Between steps only.
  void Observe(StepObserver* observer);
  // From now on `sums` gets what the matrices are multiplied with (engine/input_sums.h). Between
  // steps only; must outlive the executor.
  void Watch(InputSums& sums);
  ~Executor();

  // Requires rows and samples within the shape, tiles that were grown to each slice's last row, and
  // tokens of the vocabulary. Errors: kCancelled. Slices report values that are not finite, those
  // of the logits included.
  [[nodiscard]] Result<void> Run(const StepInput& input, const LogitRowSink& sink,
                                 std::stop_token stop);

  std::size_t buffer_bytes() const;  // of the arena and all scratch, resident once used

 private:
  class Step;
  struct State;
  explicit Executor(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::engine
