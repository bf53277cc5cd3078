// SPDX-License-Identifier: Apache-2.0
// Writes a program. An architecture reads like its paper: one call per operation, no buffers, no
// batch, no threads, no fusion.
//
// Errors are kept, not returned one by one: after the first (a missing weight, shapes that do not
// fit) every call returns an invalid Value and Finish returns that error.
// Threads: used by one thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "program/program.h"

namespace cairn::program {

// Where a builder looks up the weights it names.
class WeightCatalog {
 public:
  virtual ~WeightCatalog() = default;
  virtual std::optional<Weight> Find(std::string_view name) const = 0;
};

class Builder {
 public:
  // The catalog must outlive the builder.
  explicit Builder(const WeightCatalog& catalog) : catalog_(catalog) {}

  // Operations that follow belong to this layer; -1: outside the layers.
  void SetLayer(int layer) { layer_ = layer; }
  // "blk.<layer>.<name>.weight"
  std::string LayerWeight(std::string_view name) const;
  bool Has(std::string_view weight) const { return catalog_.Find(weight).has_value(); }

  Value Embed(std::string_view weight, float scale = 1);            // [T, model]
  Value RmsNorm(Value x, std::string_view weight, float epsilon);   // over the whole row
  Value HeadNorm(Value x, std::string_view weight, float epsilon);  // over each head
  Value Matmul(Value x, std::string_view weight);
  // Of the queries or keys of one Attend, which is all that may read it.
  Value Rotate(Value x, const RotateAttributes& attributes);
  // q: [.., heads * d]; k, v: [T, kv.heads * d].
  Value Attend(Value q, Value k, Value v, const KvLayer& kv, int heads, float scale,
               float softcap = 0);
  // Both sides have the same rows and width.
  Value Gate(kernels::Activation activation, Value g, Value u);
  Value Add(Value a, Value b);
  Value Scale(Value x, float factor);
  Value Softcap(Value x, float cap);
  Value SampledRows(Value x);  // [S, w]

  // The program that yields `logits`. Errors: kCorrupt, naming the weight and what was expected.
  [[nodiscard]] Result<Program> Finish(Value logits);

 private:
  Value Emit(OpKind kind, std::vector<Value> inputs, ValueInfo info, int weight = -1,
             Attributes attributes = {});
  // Index of the weight, or -1 with the error kept.
  int Use(std::string_view name, int rows, int cols);
  bool Require(bool condition, const char* what);
  int Width(Value v) const { return v.id < 0 ? 0 : program_.info(v).width; }
  Rows RowsOf(Value v) const { return v.id < 0 ? Rows::kTokens : program_.info(v).rows; }

  const WeightCatalog& catalog_;
  Program program_;
  std::optional<Error> error_;
  int layer_ = -1;
};

}  // namespace cairn::program
