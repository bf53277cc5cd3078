// SPDX-License-Identifier: Apache-2.0
#include "engine/input_sums.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/check.h"

namespace cairn::engine {
namespace {

constexpr int kFraction = 48;     // bits behind the point
constexpr double kMost = 0x1p50;  // of a tile's sum: 2^29 of them fit

// The matrices that a stage multiplies its packed rows with.
std::vector<int> WeightsOf(const program::MatmulBody& body) {
  std::vector<int> weights;
  for (const program::MatmulPart& part : body.parts) {
    weights.push_back(part.weight);
    if (part.epilogue == program::Epilogue::kGate) weights.push_back(part.gate_input);
  }
  return weights;
}

bool Counts(const program::Stage& stage) {
  return stage.matmul() != nullptr && stage.pack && stage.heads() == nullptr;
}

}  // namespace

void InputSums::Watch(const program::Program& program, const program::FusedProgram& fused) {
  program_ = &program;
  fused_ = &fused;
  inputs_.clear();
  for (const program::Stage& stage : fused.stages) {
    Input& input = inputs_.emplace_back();
    const bool makes_logits = static_cast<int>(inputs_.size()) > fused.tail;
    if (!Counts(stage) || makes_logits) continue;
    const int weight = stage.matmul()->parts[0].weight;
    input.cols = program.weights[static_cast<std::size_t>(weight)].cols;
    input.experts = stage.experts() != nullptr ? stage.experts()->experts : 1;
    input.sums.resize(static_cast<std::size_t>(input.cols) *
                      static_cast<std::size_t>(input.experts));
    input.counts.resize(static_cast<std::size_t>(input.experts));
  }
}

void InputSums::Add(const program::Stage& stage, int expert, kernels::RowsView rows, int count,
                    int cols) {
  Input& input = inputs_[static_cast<std::size_t>(&stage - fused_->stages.data())];
  if (input.counts.empty()) return;
  CAIRN_CHECK(input.cols == cols && expert < input.experts);
  std::vector<double> sums(static_cast<std::size_t>(cols));
  for (int r = 0; r < count; ++r) {
    const float* row = rows.row(r);
    for (int i = 0; i < cols; ++i) {
      const double x = row[i];
      sums[static_cast<std::size_t>(i)] += x * x;
    }
  }
  const std::lock_guard lock(input.mutex);
  Wide* to = input.sums.data() + static_cast<std::size_t>(expert) * static_cast<std::size_t>(cols);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    // What is not finite ends the step with an error of its own.
    const double sum = std::isfinite(sums[i]) ? std::min(sums[i], kMost) : 0;
    to[i] += static_cast<Wide>(std::ldexp(sum, kFraction));
  }
  input.counts[static_cast<std::size_t>(expert)] += count;
}

std::vector<InputSquares> InputSums::Take() const {
  std::vector<InputSquares> found;
  std::set<std::string> seen;  // parts of one tensor have the same input
  const auto add = [&](const std::string& name, const Input& input, std::size_t first,
                       std::size_t experts) {
    if (!seen.insert(name).second) return;
    const auto cols = static_cast<std::size_t>(input.cols);
    InputSquares squares{.tensor = name, .cols = input.cols, .sums = {}, .counts = {}};
    std::int64_t rows = 0;
    for (std::size_t e = first; e < first + experts; ++e) {
      for (std::size_t i = 0; i < cols; ++i) {
        squares.sums.push_back(
            std::ldexp(static_cast<double>(input.sums[e * cols + i]), -kFraction));
      }
      squares.counts.push_back(input.counts[e]);
      rows += input.counts[e];
    }
    if (rows > 0) found.push_back(std::move(squares));
  };
  for (std::size_t s = 0; s < inputs_.size(); ++s) {
    const Input& input = inputs_[s];
    if (input.counts.empty()) continue;
    for (const int index : WeightsOf(*fused_->stages[s].matmul())) {
      const program::Weight& weight = program_->weights[static_cast<std::size_t>(index)];
      if (!weight.apart) {
        add(weight.name, input, 0, input.counts.size());
        continue;
      }
      for (std::size_t e = 0; e < input.counts.size(); ++e) {
        const auto row = static_cast<int>(e) * (weight.rows / weight.experts);
        add(std::string(weight.TensorOf(row)), input, e, 1);
      }
    }
  }
  return found;
}

}  // namespace cairn::engine
