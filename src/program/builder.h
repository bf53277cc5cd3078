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
#include <utility>
#include <vector>

#include "base/error.h"
#include "program/program.h"

namespace cairn::program {

// Where a builder looks up the weights it names.
class WeightCatalog {
 public:
  virtual ~WeightCatalog() = default;
  virtual std::optional<Weight> Find(std::string_view name) const = 0;
};

// A weight by its name, or `rows` of its rows from `first` on (of a vector: values).
struct WeightRows {
  WeightRows(const char* n) : name(n) {}             // NOLINT: a name is the whole weight
  WeightRows(std::string n) : name(std::move(n)) {}  // NOLINT
  WeightRows(std::string n, int f, int r) : name(std::move(n)), first(f), rows(r) {}
  std::string name;
  int first = 0;
  int rows = -1;  // -1: all
};
// None.
inline const WeightRows kNoWeight = std::string();

// What an attention may have besides.
struct AttendOptions {
  float softcap = 0;
  std::vector<float> slopes = {};  // AlibiSlopes
  std::string sinks = {};          // a weight with a score by query head
  std::string relative = {};       // a weight with a row of scores for each bucket of distance
};

class Builder {
 public:
  // The catalog must outlive the builder.
  explicit Builder(const WeightCatalog& catalog) : catalog_(catalog) {}

  // Operations that follow belong to this layer; -1: outside the layers.
  void SetLayer(int layer) { layer_ = layer; }
  int layer() const { return layer_; }
  // "blk.<layer>.<name>.weight"
  std::string LayerWeight(std::string_view name) const;
  // "blk.<layer>.<name>.bias" where the file has it, else none.
  std::string LayerBias(std::string_view name) const;
  // 0 where the file has no such weight.
  int RowsOfWeight(std::string_view weight) const {
    const std::optional<Weight> found = catalog_.Find(weight);
    return found ? found->rows : 0;
  }
  int ColsOfWeight(std::string_view weight) const {
    const std::optional<Weight> found = catalog_.Find(weight);
    return found ? found->cols : 0;
  }
  bool Has(std::string_view weight) const { return catalog_.Find(weight).has_value(); }

  Value Embed(std::string_view weight, float scale = 1);  // [T, model]
  Value Position(std::string_view weight);                // [T, model]
  Value TokenType(std::string_view weight);               // [T, model]
  // The vector for every row, to be added to or multiplied with.
  Value Vector(const std::string& weight);
  // Over the whole row; kNoWeight: without one.
  Value RmsNorm(Value x, const WeightRows& weight, float epsilon);
  Value LayerNorm(Value x, const WeightRows& weight, const WeightRows& bias, float epsilon);
  // Over heads of head_dim values (0: of as many as the weight has). The weight is that of every
  // head, or has values for the whole row.
  Value HeadNorm(Value x, const WeightRows& weight, float epsilon, int head_dim = 0);
  Value HeadLayerNorm(Value x, const WeightRows& weight, float epsilon, int head_dim);
  Value Matmul(Value x, const WeightRows& weight, const WeightRows& bias = kNoWeight);
  // Heads that are not projected as a whole. The slice of each head by its own matrix, of which the
  // weight has as many as `heads`, each of a multiple of 16 rows.
  Value HeadMatmul(Value x, int heads, const HeadSlice& slice, const std::string& weight);
  // Slices of some values side by side, head by head, then zeros.
  struct Part {
    Value of;
    HeadSlice slice;
  };
  Value Join(int heads, const std::vector<Part>& parts, int zeros = 0);

  // Experts. A row's choice among those of `routing` by their logits; `bias` has a value for each.
  // What is made by one choice is read before the next is used.
  // `scales` has a factor of each expert's weights.
  Value Route(Value logits, const kernels::Routing& routing, const WeightRows& bias = kNoWeight,
              const WeightRows& scales = kNoWeight);
  // x by the matrices of the row's experts. The weight is a tensor of that many matrices (or of
  // each the rows [first, first + rows), a multiple of 16); the bias has values for each output of
  // each. What comes out has a part for each expert of the row, and so may what goes in: gates and
  // activations keep the parts, Combine makes one row of them.
  Value Experts(Value x, Value routes, const WeightRows& weight,
                const WeightRows& bias = kNoWeight);
  Value Combine(Value y, Value routes, bool weighed = true);
  // x times the weight of its expert, where each row has one.
  Value Preweigh(Value x, Value routes);
  // x times the sigmoid of g, which is one value wide.
  Value Weigh(Value x, Value g);
  // Of the queries or keys of one Attend, which is all that may read it.
  Value Rotate(Value x, const RotateAttributes& attributes);
  // q: [.., heads * d]; k, v: [T, kv.heads * d].
  Value Attend(Value q, Value k, Value v, const KvLayer& kv, int heads, float scale,
               const AttendOptions& options = {});
  // q attends to the keys and values of `earlier`, which Attend made.
  Value AttendAgain(Value q, Value earlier, int heads, float scale,
                    const AttendOptions& options = {});
  // States. Of each value x the weight's `cols` last rows of the sequence (kMostTaps at most, the
  // row itself is the last), weighed: the weight has a row for each value.
  Value Convolve(Value x, const WeightRows& weight, const WeightRows& bias = kNoWeight);
  // x by blocks of channels, which a state of `size` values for each channel walks through:
  // program.h has the sizes. dt has a value for each block, or where channels are apart for each
  // channel.
  Value Scan(Value x, Value dt, Value b, Value c, const ScanAttributes& sizes,
             const WeightRows& rates, const WeightRows& skips);
  // The same by the delta rule; `share` has a value for each block.
  Value ScanByDelta(Value x, Value dt, Value b, Value c, Value share, const ScanAttributes& sizes,
                    const WeightRows& rates);
  // Both sides have the same rows and width.
  Value Gate(kernels::Activation activation, Value g, Value u);
  Value Activate(kernels::Activation activation, Value x);
  Value Add(Value a, Value b);
  Value Scale(Value x, float factor);
  // By the only value of a weight.
  Value ScaleBy(Value x, const std::string& weight);
  // Each row of x by a factor with which the mean of its squares is that of `like`.
  Value Resize(Value x, Value like);
  // What of x is more than so many standard deviations above the mean of its row, else 0.
  Value Sparsify(Value x, float deviations);
  // x + factors[index] * u.
  Value Blend(Value x, Value u, Value factors, int index);
  // By a factor that grows with the position: 1 + slope * ln(1 + floor((position + 1) / length)).
  Value Grow(Value x, const GrowAttributes& attributes);
  Value Softcap(Value x, float cap);
  Value Clamp(Value x, float limit);
  Value SampledRows(Value x);  // [S, w]
  // [S, w], one row for a sequence. Requires a pooling other than kNone.
  Value Pool(Value x, Pooling pooling);

  // Files may have this tensor, which nothing reads.
  void Spare(std::string name) { program_.spare.push_back(std::move(name)); }

  // The program that yields `logits`. Errors: kCorrupt, naming the weight and what was expected.
  [[nodiscard]] Result<Program> Finish(Value logits);
  // The program that yields the last layer's rows, or the scores of pairs.
  [[nodiscard]] Result<Program> FinishHidden(Value rows);
  [[nodiscard]] Result<Program> FinishScores(Value scores);

 protected:
  // False once there is an error; where `condition` does not hold it is this one.
  bool Require(bool condition, const char* what);

 private:
  Value Emit(OpKind kind, std::vector<Value> inputs, ValueInfo info, int weight = -1,
             Attributes attributes = {});
  // Index of the weight, or -1 with the error kept; -1 without one for kNoWeight.
  int Use(const WeightRows& weight, int rows, int cols);
  // The same for a weight of so many experts.
  int UseExperts(const WeightRows& weight, int experts, int cols);
  // What all attends check of their queries and options.
  Value EmitAttend(Value q, Value k, Value v, int layer, int heads, float scale,
                   const AttendOptions& options, bool stores);
  // The routing that made a value of Route; null with the error kept.
  const kernels::Routing* RoutingOf(Value routes);
  int Keep(Weight weight);
  int NewState(std::int64_t rows, std::int64_t width);
  // The sizes with a state of their own; nothing where the inputs do not fit, with the error kept.
  std::optional<ScanAttributes> CheckScan(Value x, Value dt, Value b, Value c,
                                          const ScanAttributes& sizes);
  Value EmitTable(OpKind kind, std::string_view weight, float scale);
  [[nodiscard]] Result<Program> FinishWith(Output output, Value value);
  int UseVector(const WeightRows& weight, int size);
  Value Norm(OpKind kind, Value x, const WeightRows& weight, const WeightRows& bias,
             NormAttributes attributes);
  // Whether a value has the slice of so many heads.
  bool Fits(Value x, int heads, const HeadSlice& slice) const;
  int Width(Value v) const { return v.id < 0 ? 0 : program_.info(v).width; }
  int Parts(Value v) const { return v.id < 0 ? 0 : program_.info(v).parts; }
  Rows RowsOf(Value v) const { return v.id < 0 ? Rows::kTokens : program_.info(v).rows; }

  const WeightCatalog& catalog_;
  Program program_;
  std::optional<Error> error_;
  int layer_ = -1;
};

// Slopes of ALiBi by head (docs/canonical.md, section 6); most_bias in [1, 64], heads > 0.
std::vector<float> AlibiSlopes(int heads, int most_bias);

}  // namespace cairn::program
