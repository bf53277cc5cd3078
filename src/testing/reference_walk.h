// SPDX-License-Identifier: Apache-2.0
// The walk of the reference executor (reference.h) over the operations of a program, by kinds of
// operations: reference_rows.cc, reference_matmul.cc, reference_heads.cc, reference_states.cc;
// reference.cc runs it. Only these include it.
// Threads: used by one thread, with a team of its own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "parallel/team.h"
#include "testing/reference.h"

namespace cairn::testing {

// Rows side by side.
struct Rows {
  int count = 0;
  int width = 0;
  std::vector<double> values;

  Rows() = default;
  Rows(int rows, int columns)
      : count(rows), width(columns), values(static_cast<std::size_t>(rows) * columns) {}
  double* row(int r) { return values.data() + static_cast<std::ptrdiff_t>(r) * width; }
  const double* row(int r) const { return values.data() + static_cast<std::ptrdiff_t>(r) * width; }
};

class ReferenceWalk {
 public:
  ReferenceWalk(const program::Program& program, const model::Gguf& gguf,
                std::span<const std::int32_t> tokens, int sampled, const ReferenceOptions& options)
      : program_(program),
        gguf_(gguf),
        tokens_(tokens),
        sampled_(sampled),
        options_(options),
        team_(options.threads > 0 ? options.threads : parallel::UsableCores()),
        values_(program.values.size()) {}

  [[nodiscard]] Result<ReferenceReport> Run(const ReferenceSink& sink);

 private:
  [[nodiscard]] Result<Rows> Evaluate(const program::Operation& op);
  [[nodiscard]] Result<void> RunLogits(std::size_t tail, const ReferenceSink& sink);
  [[nodiscard]] Result<Rows> Embed(const program::Operation& op);
  [[nodiscard]] Result<Rows> Position(const program::Operation& op);
  [[nodiscard]] Result<Rows> TokenType(const program::Operation& op);
  [[nodiscard]] Result<Rows> Vector(const program::Operation& op);
  Rows Pool(const program::Operation& op);
  [[nodiscard]] Result<Rows> Norm(const program::Operation& op);
  [[nodiscard]] Result<Rows> Matmul(const program::Operation& op);
  [[nodiscard]] Result<Rows> HeadMatmul(const program::Operation& op);
  Rows Join(const program::Operation& op);
  [[nodiscard]] Result<Rows> Route(const program::Operation& op);
  [[nodiscard]] Result<Rows> Experts(const program::Operation& op);
  Rows Combine(const program::Operation& op);
  Rows Preweigh(const program::Operation& op);
  Rows Grow(const program::Operation& op);
  Rows Weigh(const program::Operation& op);
  // What the rows of x lose where they meet quantised weights, applied and counted.
  void LoseActivations(const program::Weight& weight, bool two_terms, Rows& x);
  // x by rows [first, first + outputs) of a weight.
  [[nodiscard]] Result<Rows> Product(const program::Weight& weight, int first, int outputs,
                                     const Rows& x);
  Rows Rotate(const program::Operation& op);
  [[nodiscard]] Result<Rows> Attend(const program::Operation& op);
  void AttendHead(const program::Operation& op, int head, const std::vector<float>& sinks,
                  const std::vector<float>& relative, Rows& out);
  [[nodiscard]] Result<Rows> Convolve(const program::Operation& op);
  [[nodiscard]] Result<Rows> Scan(const program::Operation& op);
  void ScanByDelta(const program::Operation& op, const std::vector<float>& rates, Rows& out);
  Rows Resize(const program::Operation& op);
  Rows Sparsify(const program::Operation& op);
  Rows Blend(const program::Operation& op);
  [[nodiscard]] Result<Rows> Scale(const program::Operation& op);
  Rows Elementwise(const program::Operation& op);

  Rows& in(const program::Operation& op, std::size_t i) {
    return values_[static_cast<std::size_t>(op.inputs[i].id)];
  }
  // The output of the matmul that makes the logits: the last one.
  program::Value MakerOfLogits() const {
    const auto last = std::find_if(
        program_.operations.rbegin(), program_.operations.rend(),
        [](const program::Operation& op) { return op.kind == program::OpKind::kMatmul; });
    return last == program_.operations.rend() ? program::Value{} : last->output;
  }
  const program::Weight& WeightOf(const program::Operation& op) const {
    return program_.weights[static_cast<std::size_t>(op.weight)];
  }
  // Position of the first row of a value.
  int FirstPosition(const Rows& rows) const {
    return static_cast<int>(tokens_.size()) - rows.count;
  }
  // Rows [first, first + count) of a weight, dequantised.
  [[nodiscard]] Result<std::vector<float>> ReadRows(const program::Weight& weight, int first,
                                                    int count) const;
  // A vector; nothing for index -1.
  [[nodiscard]] Result<std::vector<float>> ReadVector(int index) const;
  void Release(std::size_t done);

  const program::Program& program_;
  const model::Gguf& gguf_;
  std::span<const std::int32_t> tokens_;
  int sampled_;
  ReferenceOptions options_;
  parallel::WorkerTeam team_;
  std::vector<Rows> values_;
  ReferenceReport report_;
};

}  // namespace cairn::testing
