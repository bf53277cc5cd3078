// SPDX-License-Identifier: Apache-2.0
#include "program/cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace cairn::program {
namespace {

double RowsOf(const Program& program, Value value, const StepSize& size) {
  return program.info(value).rows == Rows::kTokens ? size.tokens : size.sampled;
}

double WeightBytes(const Weight& weight) {
  return static_cast<double>(
             tensor::RowBytes(weight.format, static_cast<std::size_t>(weight.cols))) *
         weight.rows;
}

double StateBytes(const Program& program, int state) {
  const StateLayer& layer = program.states[static_cast<std::size_t>(state)];
  return 4.0 * layer.rows * layer.width;
}

Cost AttendCost(const Program& program, const Operation& op, const StepSize& size) {
  const auto& attributes = op.as<AttendAttributes>();
  const KvLayer& kv = program.kv_layers[static_cast<std::size_t>(attributes.layer)];
  const double seen =
      kv.window > 0 ? std::min(size.positions, static_cast<double>(kv.window)) : size.positions;
  const double kv_width = 2.0 * kv.heads * kv.head_dim;  // a key and a value
  Cost cost;
  // Scores and weighted sum: a multiplication and an addition each per channel and position.
  cost.operations = RowsOf(program, op.output, size) * seen * 4.0 * attributes.heads * kv.head_dim;
  cost.kv_bytes = (seen + (attributes.stores ? size.tokens : 0)) * kv_width * 2;
  return cost;
}

}  // namespace

double ExpertsMet(const Program& program, const Operation& op, double rows) {
  const double all = program.weights[static_cast<std::size_t>(op.weight)].experts;
  return all * (1 - std::pow(1 - program.info(op.output).parts / all, rows));
}

Cost& Cost::operator+=(const Cost& other) {
  operations += other.operations;
  weight_bytes += other.weight_bytes;
  kv_bytes += other.kv_bytes;
  activation_bytes += other.activation_bytes;
  return *this;
}

Cost CostOf(const Program& program, const Operation& op, const StepSize& size) {
  const double rows = RowsOf(program, op.output, size);
  const double width = program.info(op.output).width;
  Cost cost;
  switch (op.kind) {
    case OpKind::kHeadMatmul:
    case OpKind::kMatmul: {
      const Weight& weight = program.weights[static_cast<std::size_t>(op.weight)];
      cost.operations = 2.0 * rows * weight.rows * weight.cols;
      cost.weight_bytes = WeightBytes(weight);
      if (op.bias >= 0) {
        cost.operations += rows * width;
        cost.weight_bytes += 4.0 * width;
      }
      break;
    }
    case OpKind::kExperts: {
      const Weight& weight = program.weights[static_cast<std::size_t>(op.weight)];
      const double met = size.experts > 0 ? size.experts : ExpertsMet(program, op, rows);
      cost.operations = 2.0 * rows * width * weight.cols;
      cost.weight_bytes = WeightBytes(weight) / weight.experts * met;
      if (op.bias >= 0) {
        cost.operations += rows * width;
        cost.weight_bytes += 4.0 * weight.expert_rows() * met;
      }
      break;
    }
    case OpKind::kRoute: {
      const kernels::Routing& routing = op.as<RouteAttributes>().routing;
      cost.operations = rows * routing.experts * (4 + routing.used);
      break;
    }
    case OpKind::kCombine: cost.operations = 2 * rows * program.info(op.inputs[0]).width; break;
    case OpKind::kEmbed:
    case OpKind::kPosition:
    case OpKind::kTokenType: {
      const Weight& weight = program.weights[static_cast<std::size_t>(op.weight)];
      cost.operations = rows * width;
      cost.weight_bytes = WeightBytes(weight) / weight.rows * rows;
      break;
    }
    case OpKind::kAttend: cost = AttendCost(program, op, size); break;
    case OpKind::kConvolve: {
      const Weight& weight = program.weights[static_cast<std::size_t>(op.weight)];
      cost.operations = 2.0 * rows * width * weight.cols;
      cost.weight_bytes = WeightBytes(weight);
      cost.kv_bytes = 2 * StateBytes(program, op.as<ConvolveAttributes>().state);
      break;
    }
    case OpKind::kVector:
      cost.weight_bytes = WeightBytes(program.weights[static_cast<std::size_t>(op.weight)]);
      break;
    // Of each value of the state: a product, then two multiplications and additions, or three.
    case OpKind::kScan: {
      const auto& scan = op.as<ScanAttributes>();
      cost.operations = (op.inputs.size() > 4 ? 7.0 : 5.0) * rows * width * scan.size;
      cost.weight_bytes = WeightBytes(program.weights[static_cast<std::size_t>(op.weight)]);
      cost.kv_bytes = 2 * StateBytes(program, scan.state);
      break;
    }
    case OpKind::kRmsNorm:
    case OpKind::kLayerNorm:
      cost.operations = (op.kind == OpKind::kRmsNorm ? 4 : 6) * rows * width;
      for (const int vector : {op.weight, op.bias}) {
        if (vector < 0) continue;
        cost.weight_bytes += 4.0 * program.weights[static_cast<std::size_t>(vector)].cols;
      }
      break;
    case OpKind::kRotate: cost.operations = 3 * rows * width; break;
    case OpKind::kBlend: cost.operations = 2 * rows * width; break;
    case OpKind::kResize:
    case OpKind::kSparsify: cost.operations = 5 * rows * width; break;
    case OpKind::kGate:
    case OpKind::kActivate: cost.operations = 4 * rows * width; break;
    case OpKind::kAdd:
    case OpKind::kWeigh:
    case OpKind::kPreweigh:
    case OpKind::kGrow:
    case OpKind::kScale:
    case OpKind::kSoftcap:
    case OpKind::kClamp: cost.operations = rows * width; break;
    case OpKind::kPool:
      if (op.as<PoolAttributes>().pooling == Pooling::kMean) cost.operations = size.tokens * width;
      break;
    case OpKind::kJoin:
    case OpKind::kGatherRows: break;
  }
  for (const Value input : op.inputs) {
    cost.activation_bytes += 4.0 * RowsOf(program, input, size) * program.info(input).width;
  }
  cost.activation_bytes += 4.0 * rows * width;
  return cost;
}

Cost TotalCost(const Program& program, const StepSize& size) {
  Cost total;
  for (const Operation& op : program.operations) total += CostOf(program, op, size);
  return total;
}

std::string ShapeOf(const Program& program, Value value) {
  const ValueInfo& info = program.info(value);
  return fmt::format("[{}, {}]", info.rows == Rows::kTokens ? 'T' : 'S', info.width);
}

}  // namespace cairn::program
