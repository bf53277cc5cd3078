// SPDX-License-Identifier: Apache-2.0
// Weights and what meets them: matmuls, and those of the experts that rows are routed to.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "base/checked.h"
#include "kernels/packed.h"
#include "program/stages.h"
#include "tensor/dequantise.h"
#include "testing/reference_math.h"
#include "testing/reference_walk.h"

namespace cairn::testing {

using program::Operation;

Result<std::vector<float>> ReferenceWalk::ReadRows(const program::Weight& weight, int first,
                                                   int count) const {
  const model::GgufTensor* tensor = gguf_.FindTensor(weight.TensorOf(first));
  if (tensor == nullptr || tensor->cols() != weight.cols ||
      tensor->rows() < weight.TensorRow(first) + count) {
    return Fail(ErrorCode::kCorrupt, fmt::format("tensor '{}' is not the program's", weight.name));
  }
  std::vector<float> values(static_cast<std::size_t>(count) *
                            static_cast<std::size_t>(weight.cols));
  const auto cols = static_cast<std::size_t>(weight.cols);
  for (int r = 0; r < count; ++r) {
    OR_RETURN(
        tensor::Dequantise(weight.format, tensor->Row(weight.TensorRow(first) + r),
                           std::span(values).subspan(static_cast<std::size_t>(r) * cols, cols)));
  }
  return values;
}

Result<std::vector<float>> ReferenceWalk::ReadVector(int index) const {
  if (index < 0) return std::vector<float>();
  const program::Weight& weight = program_.weights[static_cast<std::size_t>(index)];
  const model::GgufTensor* tensor = gguf_.FindTensor(weight.name);
  if (tensor == nullptr || tensor->cols() * tensor->rows() < weight.first + weight.cols) {
    return Fail(ErrorCode::kCorrupt, fmt::format("tensor '{}' is not the program's", weight.name));
  }
  std::vector<float> all(static_cast<std::size_t>(tensor->cols() * tensor->rows()));
  OR_RETURN(tensor::Dequantise(weight.format, tensor->bytes, all));
  const auto begin = all.begin() + weight.first;
  return std::vector<float>(begin, begin + weight.cols);
}

void ReferenceWalk::LoseActivations(const program::Weight& weight, bool two_terms, Rows& x) {
  if (kernels::ActivationOf(weight.format) != kernels::ActivationKind::kInt8) return;
  double noise = 0, squares = 0;
  for (int r = 0; r < x.count; ++r) {
    noise += Int8NoiseOf(x.row(r), x.width);
    for (int i = 0; i < x.width; ++i) squares += x.row(r)[i] * x.row(r)[i];
    if (options_.canonical_losses) RoundToInt8(x.row(r), x.width, two_terms ? 2 : 1);
  }
  // The second term of the logits leaves a 250th of the noise: nothing beside the others.
  if (squares > 0 && !two_terms) report_.activation_noise += noise / squares;
  report_.quantised_matmuls += two_terms ? 0 : 1;
}

Result<Rows> ReferenceWalk::Product(const program::Weight& weight, int first_row, int count,
                                    const Rows& x) {
  Rows out(x.count, count);
  std::mutex mutex;
  Result<void> result;
  team_.ForEach(DivideUp(count, kPanelOutputs), [&](std::int64_t p) {
    const int first = static_cast<int>(p) * kPanelOutputs;
    const int outputs = std::min(kPanelOutputs, count - first);
    const auto rows = ReadRows(weight, first_row + first, outputs);
    if (!rows) {
      const std::lock_guard lock(mutex);
      result = std::unexpected(rows.error());
      return;
    }
    std::vector<double> panel(static_cast<std::size_t>(weight.cols) * kPanelOutputs);
    for (int n = 0; n < outputs; ++n) {
      for (int k = 0; k < weight.cols; ++k) {
        panel[static_cast<std::size_t>(k * kPanelOutputs + n)] =
            (*rows)[static_cast<std::size_t>(n) * static_cast<std::size_t>(weight.cols) +
                    static_cast<std::size_t>(k)];
      }
    }
    std::vector<double> product(static_cast<std::size_t>(x.count) * kPanelOutputs);
    PanelProduct(x.values.data(), x.count, x.width, panel.data(), product.data(), kPanelOutputs);
    for (int r = 0; r < x.count; ++r) {
      std::copy_n(product.data() + r * kPanelOutputs, outputs, out.row(r) + first);
    }
  });
  OR_RETURN(std::move(result));
  return out;
}

Result<Rows> ReferenceWalk::Matmul(const Operation& op) {
  const program::Weight& weight = WeightOf(op);
  Rows x = in(op, 0);
  LoseActivations(weight, op.output == MakerOfLogits() && program::LogitsInTwoTerms(program_), x);
  Rows out = OR_RETURN(Product(weight, 0, weight.rows, x));
  const std::vector<float> bias = OR_RETURN(ReadVector(op.bias));
  for (int r = 0; r < out.count && !bias.empty(); ++r) {
    for (int n = 0; n < out.width; ++n) out.row(r)[n] += bias[static_cast<std::size_t>(n)];
  }
  return out;
}

// --- experts --------------------------------------------------------------------------------

Result<Rows> ReferenceWalk::Route(const Operation& op) {
  const kernels::Routing& r = op.as<program::RouteAttributes>().routing;
  const std::vector<float> bias = OR_RETURN(ReadVector(op.bias));
  const std::vector<float> scales = OR_RETURN(ReadVector(op.as<program::RouteAttributes>().scales));
  const Rows& logits = in(op, 0);
  Rows out(logits.count, 2 * r.used);
  for (int row = 0; row < logits.count; ++row) {
    RouteRow(r, {logits.row(row), static_cast<std::size_t>(r.experts)}, bias, out.row(row));
    for (int rank = 0; rank < r.used && !scales.empty(); ++rank) {
      out.row(row)[r.used + rank] *= scales[static_cast<std::size_t>(out.row(row)[rank])];
    }
  }
  return out;
}

Result<Rows> ReferenceWalk::Experts(const Operation& op) {
  const program::Weight& weight = WeightOf(op);
  const Rows& routes = in(op, 1);
  const int used = program_.info(op.output).parts, outputs = weight.expert_rows();
  const bool shared = program_.info(op.inputs[0]).parts == 0;  // all experts of a row meet the same
  const std::vector<float> bias = OR_RETURN(ReadVector(op.bias));
  // A row for each choice.
  Rows x(routes.count * used, weight.cols);
  for (int i = 0; i < x.count; ++i) {
    const double* from =
        shared ? in(op, 0).row(i / used) : in(op, 0).row(i / used) + (i % used) * weight.cols;
    std::copy_n(from, weight.cols, x.row(i));
  }
  LoseActivations(weight, false, x);
  Rows out(routes.count, used * outputs);
  for (int expert = 0; expert < weight.experts; ++expert) {
    std::vector<int> chosen;
    for (int i = 0; i < x.count; ++i) {
      if (routes.row(i / used)[i % used] == expert) chosen.push_back(i);
    }
    if (chosen.empty()) continue;
    Rows those(static_cast<int>(chosen.size()), weight.cols);
    for (int i = 0; i < those.count; ++i) {
      std::copy_n(x.row(chosen[static_cast<std::size_t>(i)]), weight.cols, those.row(i));
    }
    const Rows product = OR_RETURN(Product(weight, expert * outputs, outputs, those));
    for (int i = 0; i < those.count; ++i) {
      const int at = chosen[static_cast<std::size_t>(i)];
      double* to = out.row(at / used) + (at % used) * outputs;
      for (int n = 0; n < outputs; ++n) {
        to[n] = product.row(i)[n];
        if (!bias.empty()) to[n] += bias[static_cast<std::size_t>(expert * outputs + n)];
      }
    }
  }
  return out;
}

Rows ReferenceWalk::Combine(const Operation& op) {
  const Rows &y = in(op, 0), &routes = in(op, 1);
  const int used = routes.width / 2;
  const bool weighed = op.as<program::CombineAttributes>().weighed;
  Rows out(y.count, y.width / used);
  for (int r = 0; r < y.count; ++r) {
    for (int rank = 0; rank < used; ++rank) {
      AddScaled(weighed ? routes.row(r)[used + rank] : 1.0, y.row(r) + rank * out.width,
                static_cast<std::size_t>(out.width), out.row(r));
    }
  }
  return out;
}

Rows ReferenceWalk::Preweigh(const Operation& op) {
  Rows out = in(op, 0);
  for (int r = 0; r < out.count; ++r) {
    for (int i = 0; i < out.width; ++i) out.row(r)[i] *= in(op, 1).row(r)[1];
  }
  return out;
}

Rows ReferenceWalk::Weigh(const Operation& op) {
  Rows out = in(op, 0);
  for (int r = 0; r < out.count; ++r) {
    const double weight = 1 / (1 + std::exp(-in(op, 1).row(r)[0]));
    for (int i = 0; i < out.width; ++i) out.row(r)[i] *= weight;
  }
  return out;
}

}  // namespace cairn::testing
