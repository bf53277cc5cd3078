// SPDX-License-Identifier: Apache-2.0
#include "apps/bench_limits.h"

#include <algorithm>

namespace cairn::apps {

double OperationsPerToken(const program::Program& program) {
  double operations = 0;
  for (const program::Operation& op : program.operations) {
    if (program.info(op.output).rows != program::Rows::kTokens) continue;
    using program::OpKind;
    if (op.kind != OpKind::kMatmul && op.kind != OpKind::kHeadMatmul &&
        op.kind != OpKind::kExperts) {
      continue;
    }
    // Outputs of a row: of experts only those that it has chosen.
    const program::Weight& weight = program.weights[static_cast<std::size_t>(op.weight)];
    operations += 2.0 * program.info(op.output).width * weight.cols;
  }
  return operations;
}

double KvBytesPerStep(const engine::Engine& engine, std::int64_t depth, std::int64_t tokens) {
  double bytes = 0;
  for (const program::KvLayer& layer : engine.model().program().kv_layers) {
    double positions = 0;
    for (std::int64_t t = 0; t < tokens; ++t) {
      const std::int64_t before = depth + t + 1;  // the token sees itself
      positions += static_cast<double>(
          layer.window > 0 ? std::min<std::int64_t>(before, layer.window) : before);
    }
    const double of_tile =
        static_cast<double>(kernels::KvLayerBytes(engine.kv_format(), layer.head_dim, layer.heads));
    const double read = positions / static_cast<double>(std::max<std::int64_t>(1, tokens));
    bytes += (read + 1) * of_tile / kernels::kTilePositions;
  }
  // Read and written anew.
  for (const program::StateLayer& state : engine.model().program().states) {
    bytes += 2.0 * sizeof(float) * state.rows * state.width;
  }
  return bytes;
}

}  // namespace cairn::apps
