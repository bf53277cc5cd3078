// SPDX-License-Identifier: Apache-2.0
// Operations of single rows: tables, norms, activations, sums.
#include <algorithm>
#include <cmath>

#include "testing/reference_math.h"
#include "testing/reference_walk.h"

namespace cairn::testing {

using program::Operation;
using program::OpKind;

namespace {

double Activate(kernels::Activation activation, double g) {
  constexpr double kRootTwoOverPi = 0.79788456080286535588;
  const double positive = std::max(g, 0.0);
  using kernels::Activation;
  switch (activation) {
    case Activation::kSilu: return g / (1 + std::exp(-g));
    case Activation::kGelu:
      return 0.5 * g * (1 + std::tanh(kRootTwoOverPi * (g + 0.044715 * g * g * g)));
    case Activation::kGeluErf: return 0.5 * g * std::erfc(-g / std::sqrt(2.0));
    case Activation::kRelu: return positive;
    case Activation::kReluSquared: return positive * positive;
    case Activation::kSoftplus: return positive + std::log1p(std::exp(-std::abs(g)));
    case Activation::kSigmoid: return 1 / (1 + std::exp(-g));
    case Activation::kIdentity: return g;
    case Activation::kSiluClamped: break;  // of gates alone
  }
  return 0;
}

double Gate(kernels::Activation activation, double g, double u) {
  if (activation != kernels::Activation::kSiluClamped) return Activate(activation, g) * u;
  g = std::min(g, 7.0);
  return g / (1 + std::exp(-1.702 * g)) * (std::clamp(u, -7.0, 7.0) + 1);
}

}  // namespace

Result<Rows> ReferenceWalk::Embed(const Operation& op) {
  const program::Weight& weight = WeightOf(op);
  const double factor = op.as<program::ScaleAttributes>().factor;
  Rows out(static_cast<int>(tokens_.size()), weight.cols);
  for (int r = 0; r < out.count; ++r) {
    const std::vector<float> row =
        OR_RETURN(ReadRows(weight, tokens_[static_cast<std::size_t>(r)], 1));
    for (int i = 0; i < out.width; ++i) out.row(r)[i] = row[static_cast<std::size_t>(i)] * factor;
  }
  return out;
}

Result<Rows> ReferenceWalk::Position(const Operation& op) {
  const program::Weight& weight = WeightOf(op);
  Rows out(static_cast<int>(tokens_.size()), weight.cols);
  if (out.count > weight.rows) {
    return Fail(ErrorCode::kInvalidArgument, "more tokens than there are positions");
  }
  const std::vector<float> rows = OR_RETURN(ReadRows(weight, 0, out.count));
  std::copy(rows.begin(), rows.end(), out.values.begin());
  return out;
}

Result<Rows> ReferenceWalk::TokenType(const Operation& op) {
  const program::Weight& weight = WeightOf(op);
  Rows out(static_cast<int>(tokens_.size()), weight.cols);
  for (int r = 0; r < out.count; ++r) {
    const int type = options_.second >= 0 && r >= options_.second ? 1 : 0;
    const std::vector<float> row = OR_RETURN(ReadRows(weight, std::min(type, weight.rows - 1), 1));
    std::copy(row.begin(), row.end(), out.row(r));
  }
  return out;
}

Result<Rows> ReferenceWalk::Vector(const Operation& op) {
  const std::vector<float> values = OR_RETURN(ReadVector(op.weight));
  Rows out(static_cast<int>(tokens_.size()), static_cast<int>(values.size()));
  for (int r = 0; r < out.count; ++r) std::copy(values.begin(), values.end(), out.row(r));
  return out;
}

Rows ReferenceWalk::Pool(const Operation& op) {
  const Rows& x = in(op, 0);
  Rows out(1, x.width);
  const bool mean = op.as<program::PoolAttributes>().pooling == program::Pooling::kMean;
  const int count = mean ? x.count : 1;
  for (int r = 0; r < count; ++r) {
    AddScaled(1.0 / count, x.row(r), static_cast<std::size_t>(x.width), out.row(0));
  }
  return out;
}

Result<Rows> ReferenceWalk::Norm(const Operation& op) {
  const auto& norm = op.as<program::NormAttributes>();
  const std::vector<float> w = OR_RETURN(ReadVector(op.weight));
  const std::vector<float> b = OR_RETURN(ReadVector(op.bias));
  Rows out = in(op, 0);
  for (int r = 0; r < out.count; ++r) {
    for (int at = 0; at < out.width; at += norm.size) {
      double* x = out.row(r) + at;
      double mean = 0, squares = 0;
      if (op.kind == OpKind::kLayerNorm) {
        for (int i = 0; i < norm.size; ++i) mean += x[i] / norm.size;
      }
      for (int i = 0; i < norm.size; ++i) squares += (x[i] - mean) * (x[i] - mean);
      const double factor = 1 / std::sqrt(squares / norm.size + norm.epsilon);
      // A vector has values for one norm, or for all of the row.
      const auto index = [&](const std::vector<float>& v, int i) {
        return v[static_cast<std::size_t>(static_cast<int>(v.size()) > norm.size ? at + i : i)];
      };
      for (int i = 0; i < norm.size; ++i) {
        x[i] = (x[i] - mean) * factor;
        if (!w.empty()) x[i] *= index(w, i);
        if (!b.empty()) x[i] += index(b, i);
      }
    }
  }
  return out;
}

Rows ReferenceWalk::Grow(const Operation& op) {
  const auto& grow = op.as<program::GrowAttributes>();
  Rows out = in(op, 0);
  for (int r = 0; r < out.count; ++r) {
    const double factor =
        1 + grow.slope * std::log1p(std::floor((FirstPosition(out) + r + 1) / grow.length));
    for (int i = 0; i < out.width; ++i) out.row(r)[i] *= factor;
  }
  return out;
}

Rows ReferenceWalk::Resize(const Operation& op) {
  const auto mean_square = [](const Rows& rows, int r) {
    double sum = 0;
    for (int i = 0; i < rows.width; ++i) sum += rows.row(r)[i] * rows.row(r)[i];
    return sum / rows.width;
  };
  Rows out = in(op, 0);
  for (int r = 0; r < out.count; ++r) {
    const double own = std::max(mean_square(out, r), double{program::kLeastSquare});
    const double factor = std::sqrt(mean_square(in(op, 1), r) / own);
    for (int i = 0; i < out.width; ++i) out.row(r)[i] *= factor;
  }
  return out;
}

Rows ReferenceWalk::Sparsify(const Operation& op) {
  Rows out = in(op, 0);
  for (int r = 0; r < out.count; ++r) {
    double mean = 0, squares = 0;
    for (int i = 0; i < out.width; ++i) mean += out.row(r)[i] / out.width;
    for (int i = 0; i < out.width; ++i) squares += std::pow(out.row(r)[i] - mean, 2) / out.width;
    const double cut = mean + op.as<program::ScaleAttributes>().factor * std::sqrt(squares);
    for (int i = 0; i < out.width; ++i) out.row(r)[i] = std::max(out.row(r)[i] - cut, 0.0);
  }
  return out;
}

Rows ReferenceWalk::Blend(const Operation& op) {
  Rows out = in(op, 0);
  const auto index = op.as<program::BlendAttributes>().index;
  for (int r = 0; r < out.count; ++r) {
    AddScaled(in(op, 2).row(r)[index], in(op, 1).row(r), static_cast<std::size_t>(out.width),
              out.row(r));
  }
  return out;
}

Result<Rows> ReferenceWalk::Scale(const Operation& op) {
  const std::vector<float> only = OR_RETURN(ReadVector(op.weight));
  const double factor = only.empty() ? op.as<program::ScaleAttributes>().factor : only[0];
  Rows out = in(op, 0);
  for (double& x : out.values) x *= factor;
  return out;
}

Rows ReferenceWalk::Elementwise(const Operation& op) {
  const Rows& a = in(op, 0);
  Rows out(a.count, a.width);
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    const double x = a.values[i];
    double& y = out.values[i];
    switch (op.kind) {
      case OpKind::kGate:
        y = Gate(op.as<program::GateAttributes>().activation, x, in(op, 1).values[i]);
        break;
      case OpKind::kActivate: y = Activate(op.as<program::GateAttributes>().activation, x); break;
      case OpKind::kAdd: y = x + in(op, 1).values[i]; break;
      case OpKind::kClamp: {
        const double limit = op.as<program::ScaleAttributes>().factor;
        y = std::clamp(x, -limit, limit);
        break;
      }
      default: {
        const double cap = op.as<program::ScaleAttributes>().factor;
        y = cap * std::tanh(x / cap);
      }
    }
  }
  return out;
}

}  // namespace cairn::testing
