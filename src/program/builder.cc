// SPDX-License-Identifier: Apache-2.0
#include "program/builder.h"

#include <fmt/format.h>

#include <algorithm>

namespace cairn::program {
namespace {
constexpr int kAnySize = -1;
}  // namespace

std::string Builder::LayerWeight(std::string_view name) const {
  return fmt::format("blk.{}.{}.weight", layer_, name);
}

Value Builder::Emit(OpKind kind, std::vector<Value> inputs, ValueInfo info, int weight,
                    Attributes attributes) {
  if (error_) return {};
  const Value output{static_cast<int>(program_.values.size())};
  program_.values.push_back(info);
  program_.operations.push_back({kind, std::move(inputs), output, weight, attributes, layer_});
  return output;
}

int Builder::Use(std::string_view name, int rows, int cols) {
  if (error_) return -1;
  const auto known = std::ranges::find(program_.weights, name, &Weight::name);
  const std::optional<Weight> found =
      known != program_.weights.end() ? *known : catalog_.Find(name);
  if (!found) {
    error_ = Error{ErrorCode::kCorrupt, fmt::format("tensor '{}' is missing", name)};
    return -1;
  }
  const bool fits = (rows == kAnySize || found->rows == rows) && found->cols == cols;
  if (!fits) {
    error_ = Error{
        ErrorCode::kCorrupt,
        fmt::format("tensor '{}' has {} rows of {} values where {} rows of {} were expected", name,
                    found->rows, found->cols,
                    rows == kAnySize ? std::string("any number of") : std::to_string(rows), cols)};
    return -1;
  }
  if (known != program_.weights.end()) {
    return static_cast<int>(known - program_.weights.begin());
  }
  program_.weights.push_back(*found);
  return static_cast<int>(program_.weights.size()) - 1;
}

bool Builder::Require(bool condition, const char* what) {
  if (!condition && !error_) {
    error_ = Error{ErrorCode::kCorrupt, fmt::format("layer {}: {}", layer_, what)};
  }
  return !error_;
}

Value Builder::Embed(std::string_view weight, float scale) {
  const std::optional<Weight> table = catalog_.Find(weight);
  const int index = Use(weight, kAnySize, table ? table->cols : kAnySize);
  if (error_) return {};
  program_.vocabulary = table->rows;
  return Emit(OpKind::kEmbed, {}, {Rows::kTokens, table->cols}, index, ScaleAttributes{scale});
}

Value Builder::RmsNorm(Value x, std::string_view weight, float epsilon) {
  const int index = Use(weight, 1, Width(x));
  return Emit(OpKind::kRmsNorm, {x}, {RowsOf(x), Width(x)}, index,
              NormAttributes{epsilon, Width(x)});
}

Value Builder::HeadNorm(Value x, std::string_view weight, float epsilon) {
  const std::optional<Weight> found = catalog_.Find(weight);
  const int size = found ? found->cols : 0;
  const int index = Use(weight, 1, size);
  if (!Require(size > 0 && Width(x) % size == 0, "a head norm does not divide its input"))
    return {};
  return Emit(OpKind::kRmsNorm, {x}, {RowsOf(x), Width(x)}, index, NormAttributes{epsilon, size});
}

Value Builder::Matmul(Value x, std::string_view weight) {
  const int index = Use(weight, kAnySize, Width(x));
  if (error_) return {};
  const int outputs = program_.weights[static_cast<std::size_t>(index)].rows;
  return Emit(OpKind::kMatmul, {x}, {RowsOf(x), outputs}, index);
}

Value Builder::Rotate(Value x, const RotateAttributes& attributes) {
  Require(attributes.head_dim > 0 && Width(x) % attributes.head_dim == 0,
          "the heads of a rotary embedding do not divide its input");
  Require(
      attributes.n_rot > 0 && attributes.n_rot % 2 == 0 && attributes.n_rot <= attributes.head_dim,
      "the rotary dimension must be even and no larger than a head");
  return Emit(OpKind::kRotate, {x}, {RowsOf(x), Width(x)}, -1, attributes);
}

Value Builder::Attend(Value q, Value k, Value v, const KvLayer& kv, int heads, float scale,
                      float softcap) {
  Require(kv.heads > 0 && heads > 0 && heads % kv.heads == 0,
          "query heads must be a multiple of the KV heads");
  Require(kv.head_dim > 0 && kv.head_dim % 16 == 0 && kv.head_dim <= 512,
          "the head dimension must be a multiple of 16 up to 512");
  Require(
      Width(q) == heads * kv.head_dim && Width(k) == kv.heads * kv.head_dim && Width(v) == Width(k),
      "queries, keys and values do not have the widths that the heads ask for");
  if (error_) return {};
  const int layer = static_cast<int>(program_.kv_layers.size());
  program_.kv_layers.push_back(kv);
  return Emit(OpKind::kAttend, {q, k, v}, {RowsOf(q), Width(q)}, -1,
              AttendAttributes{layer, heads, scale, softcap});
}

Value Builder::Gate(kernels::Activation activation, Value g, Value u) {
  Require(Width(g) == Width(u) && RowsOf(g) == RowsOf(u), "a gate and its input differ in shape");
  return Emit(OpKind::kGate, {g, u}, {RowsOf(g), Width(g)}, -1, GateAttributes{activation});
}

Value Builder::Add(Value a, Value b) {
  Require(Width(a) == Width(b) && RowsOf(a) == RowsOf(b), "the sides of a sum differ in shape");
  return Emit(OpKind::kAdd, {a, b}, {RowsOf(a), Width(a)});
}

Value Builder::Scale(Value x, float factor) {
  return Emit(OpKind::kScale, {x}, {RowsOf(x), Width(x)}, -1, ScaleAttributes{factor});
}

Value Builder::Softcap(Value x, float cap) {
  return Emit(OpKind::kSoftcap, {x}, {RowsOf(x), Width(x)}, -1, ScaleAttributes{cap});
}

Value Builder::SampledRows(Value x) {
  return Emit(OpKind::kGatherRows, {x}, {Rows::kSampled, Width(x)});
}

Result<Program> Builder::Finish(Value logits) {
  if (error_) return std::unexpected(*error_);
  program_.logits = logits;
  if (program_.info(logits).width != program_.vocabulary) {
    return Fail(ErrorCode::kCorrupt, fmt::format("the output matrix has {} rows, the embedding {}",
                                                 program_.info(logits).width, program_.vocabulary));
  }
  return std::move(program_);
}

}  // namespace cairn::program
