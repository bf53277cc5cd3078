// SPDX-License-Identifier: Apache-2.0
#include "program/pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace cairn::program {
namespace {

// Weights that no operation uses any more need not be loaded.
void DropUnusedWeights(Program& program) {
  std::vector<int> moved(program.weights.size(), -1);
  std::vector<Weight> kept;
  const auto keep = [&](int& weight) {
    if (weight < 0) return;
    int& to = moved[static_cast<std::size_t>(weight)];
    if (to < 0) {
      to = static_cast<int>(kept.size());
      kept.push_back(program.weights[static_cast<std::size_t>(weight)]);
    }
    weight = to;
  };
  for (Operation& op : program.operations) {
    keep(op.weight);
    keep(op.bias);
    if (op.kind != OpKind::kAttend) continue;
    keep(std::get<AttendAttributes>(op.attributes).sinks);
    keep(std::get<AttendAttributes>(op.attributes).relative);
  }
  program.weights = std::move(kept);
}

}  // namespace

Program HiddenOfLogits(Program program) {
  CAIRN_CHECK(program.output == Output::kLogits);
  std::vector<Operation>& operations = program.operations;
  const auto last = std::find_if(operations.rbegin(), operations.rend(),
                                 [](const Operation& op) { return op.kind == OpKind::kMatmul; });
  CAIRN_CHECK(last != operations.rend());
  program.logits = last->inputs[0];
  operations.erase(std::next(last).base(), operations.end());
  // Rows are no longer gathered: who read those of a gather reads what it gathered from.
  std::vector<Value> instead(program.values.size());
  for (std::size_t v = 0; v < instead.size(); ++v) instead[v] = Value{static_cast<int>(v)};
  const auto resolve = [&](Value& v) { v = instead[static_cast<std::size_t>(v.id)]; };
  for (Operation& op : operations) {
    std::ranges::for_each(op.inputs, resolve);
    program.values[static_cast<std::size_t>(op.output.id)].rows = Rows::kTokens;
    if (op.kind == OpKind::kGatherRows) {
      instead[static_cast<std::size_t>(op.output.id)] = op.inputs[0];
    }
  }
  resolve(program.logits);
  std::erase_if(operations, [](const Operation& op) { return op.kind == OpKind::kGatherRows; });
  DropUnusedWeights(program);
  program.output = Output::kHidden;
  return program;
}

Program PoolHidden(Program program, Pooling pooling) {
  CAIRN_CHECK(program.output == Output::kHidden);
  const Value rows = program.logits;
  const Value pooled{static_cast<int>(program.values.size())};
  program.values.push_back({Rows::kSampled, program.info(rows).width});
  const bool gathers = pooling == Pooling::kNone || pooling == Pooling::kLast;
  program.operations.push_back(
      {.kind = gathers ? OpKind::kGatherRows : OpKind::kPool,
       .inputs = {rows},
       .output = pooled,
       .attributes = gathers ? Attributes() : Attributes(PoolAttributes{pooling})});
  program.logits = pooled;
  program.output = Output::kEmbeddings;
  program.pooling = pooling;
  return program;
}

}  // namespace cairn::program
