// SPDX-License-Identifier: Apache-2.0
// A model as a program: operations over values, in single-assignment form.
//
// Rows of a value are symbolic: T tokens of a step or S sampled rows; sequences and positions are
// data of a step. A program knows the shapes and formats of weights, not where they come from. It
// has several readers (the fusion into stages, the cost table, the reference executor in testing/)
// and one author: a builder per architecture (model/architectures.h) through program/builder.h.
// Threads: a plain value, immutable once built.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/route.h"
#include "tensor/format.h"

namespace cairn::program {

// Number of rows of a value: every token of the step, or only the rows that will be sampled.
enum class Rows { kTokens, kSampled };

// Index of a value; -1: none.
struct Value {
  int id = -1;
  bool operator==(const Value&) const = default;
};

struct ValueInfo {
  Rows rows = Rows::kTokens;
  int width = 0;  // f32 values per row
  int parts = 0;  // of experts: equal parts of the width, one for each expert of the row; 0: none
};

// A weight that operations refer to by index: a tensor, or some of its rows (files hold queries,
// keys and values, or a gate and what it multiplies, in one). Vectors have rows == 1; of a vector,
// `first` and `cols` say which values.
struct Weight {
  std::string name;
  tensor::Format format{};
  int rows = 0;   // outputs
  int cols = 0;   // inputs
  int first = 0;  // row of the tensor
  // Experts, or heads: so many matrices of rows / experts rows each follow one another; in the
  // tensor they lie expert_stride rows apart, and `first` is counted inside each.
  int experts = 1;
  int expert_stride = 0;
  // Whether each of the experts is a tensor of its own, with its number in place of the "{}" of the
  // name.
  bool apart = false;

  int expert_rows() const { return rows / experts; }
  // Which tensor has row `index` of the weight, and where in it.
  std::string TensorOf(int index) const;
  std::int64_t TensorRow(int index) const {
    if (apart) return first + index % expert_rows();
    if (experts == 1) return std::int64_t{first} + index;
    return std::int64_t{index / expert_rows()} * expert_stride + first + index % expert_rows();
  }
};

enum class OpKind {
  kEmbed,       // weight row of each token times attribute scale        () -> [T, model]
  kPosition,    // weight row of each position                           () -> [T, model]
  kTokenType,   // weight row of each token's text of a pair: 0 or 1     () -> [T, model]
  kVector,      // the weight, the same for every row                    () -> [T, w]
  kRmsNorm,     // over chunks of attribute size (a head or the row)     x -> x
  kLayerNorm,   // the same, centred first                               x -> x
  kMatmul,      // weight                                                [.., K] -> [.., N]
  kHeadMatmul,  // by heads: each has a matrix of the weight             [.., h * K] -> [.., h * N]
  kJoin,        // by heads: slices of the inputs, then zeros            -> [.., h * N]
  kGrow,        // x times a factor of the position                      x -> x
  kPreweigh,    // inputs x, routes: x times the weight of its only expert  x -> x
  kRoute,       // chooses k of E experts by their logits                [.., E] -> [.., 2 k]
  kExperts,     // inputs x, routes: the matrices of a row's experts     [.., K] -> [.., k * N]
  kCombine,     // inputs y, routes: the weighted sum over the experts   [.., k * N] -> [.., N]
  kRotate,      // rotary embedding of each head                         x -> x
  kAttend,      // inputs q, k, v; stores k and v, then attends          [.., heads * d]
  kConvolve,    // of each value the last few rows of the sequence       [T, w] -> [T, w]
  kScan,        // inputs x, dt, b, c, or with the delta rule x, dt, b, c, share: a state walks
                // through the rows                                      -> [T, blocks * channels]
  kGate,        // act(g) * u                                            g, u -> g
  kWeigh,       // x / (1 + exp(-g)) with one g for each row             x, g -> x
  kActivate,    // act(x)                                                x -> x
  kAdd,         //                                                       a, b -> a
  kScale,       //                                                       x -> x
  kResize,      // x with the mean of squares of y                       x, y -> x
  kSparsify,    // what is so many deviations above the mean, else 0     x -> x
  kBlend,       // x + f[index] * u                                      x, u, f -> x
  kSoftcap,     // cap * tanh(x / cap)                                   x -> x
  kClamp,       // held inside [-limit, limit]                           x -> x
  kGatherRows,  // the rows that will be sampled                         [T, w] -> [S, w]
  kPool,        // one row for all of a sequence, which samples one      [T, w] -> [S, w]
};

struct NormAttributes {
  float epsilon = 0;
  int size = 0;  // values per norm; divides the width. The weight has so many, or the width
  bool operator==(const NormAttributes&) const = default;
};
struct RotateAttributes {
  kernels::RotaryPairs pairs{};
  int head_dim = 0;
  int n_rot = 0;  // the first n_rot values of a head rotate
  double base = 10000;
  double position_scale = 1;    // positions are multiplied by it (linear scaling: 1 / factor)
  std::vector<double> factors;  // of the n_rot / 2 frequencies; empty: ones
  double magnitude = 1;         // of cosines and sines
  bool operator==(const RotateAttributes&) const = default;
};
struct AttendAttributes {
  int layer = 0;  // index into Program::kv_layers
  int heads = 0;  // query heads
  float scale = 1;
  float softcap = 0;               // 0: none
  std::vector<float> slopes = {};  // ALiBi, by query head; empty: none
  int sinks = -1;                  // index of the weight with a score by query head; -1: none
  // Index of the weight with what is added to scores, by bucket of relative position and query head
  // (program/relative.h); -1: none.
  int relative = -1;
  // Whether keys and values are stored, or are those that an earlier attend over the same layer has
  // stored; its inputs are named then, and not read again.
  bool stores = true;
  bool operator==(const AttendAttributes&) const = default;
};
struct ScaleAttributes {
  // Of kScale (where it has no weight, whose only value is the factor then), kEmbed and kPosition;
  // the cap of kSoftcap, the limit of kClamp, the deviations of kSparsify.
  float factor = 1;
  bool operator==(const ScaleAttributes&) const = default;
};
struct BlendAttributes {
  int index = 0;
  bool operator==(const BlendAttributes&) const = default;
};
struct GateAttributes {  // and of kActivate
  kernels::Activation activation{};
  bool operator==(const GateAttributes&) const = default;
};
// Of each of so many heads `count` values, from value `first` of the head on; heads lie `stride`
// values apart, all in the same place where that is 0.
struct HeadSlice {
  int first = 0;
  int count = 0;
  int stride = 0;
  bool operator==(const HeadSlice&) const = default;
};
// kGrow: 1 + slope * ln(1 + floor((position + 1) / length)).
struct GrowAttributes {
  double slope = 0;
  double length = 1;
  bool operator==(const GrowAttributes&) const = default;
};
// kCombine: whether by the weights, or as the outputs are.
struct CombineAttributes {
  bool weighed = true;
  bool operator==(const CombineAttributes&) const = default;
};
// kHeadMatmul: what of its input meets the head's matrix.
struct HeadAttributes {
  int heads = 0;
  HeadSlice slice;
  bool operator==(const HeadAttributes&) const = default;
};
// kJoin: of each input a slice; a head of the output has them side by side.
struct JoinAttributes {
  int heads = 0;
  std::vector<HeadSlice> slices;
  int zeros = 0;  // that follow
  bool operator==(const JoinAttributes&) const = default;
};
// How the rows of a sequence become its embedding.
enum class Pooling {
  kNone,   // every row is one
  kMean,   // their mean
  kFirst,  // the first one ("cls")
  kLast,   // the last one
};
struct PoolAttributes {
  Pooling pooling{};  // kMean or kFirst: the last row is that of kGatherRows
  bool operator==(const PoolAttributes&) const = default;
};
// Rows that a convolution is over, the last one included.
inline constexpr int kMostTaps = 16;
struct ConvolveAttributes {
  int state = 0;  // index into Program::states
  bool operator==(const ConvolveAttributes&) const = default;
};
// kScan: `blocks` of `channels` values of x from value `x` on, with as many of dt, or one for each
// block; b and c have `size` values for each of `groups`, from values `b` and `c` on. The weight
// has the rates, the bias the skips: one of each for a block, or where channels are `apart` a skip
// for each channel and a row of `size` rates. The delta rule has a share for each block, no skips
// and no channels apart.
struct ScanAttributes {
  int state = 0;  // index into Program::states
  int blocks = 0;
  int channels = 0;
  int size = 0;
  int groups = 1;           // of as many blocks each, that follow one another
  bool take_turns = false;  // or block i is of group i % groups
  bool apart = false;
  int x = 0, b = 0, c = 0;
  int group_of(int block) const { return take_turns ? block % groups : block / (blocks / groups); }
  bool operator==(const ScanAttributes&) const = default;
};
// kRoute: a row of the output has the indices of the experts by rank, then their weights.
struct RouteAttributes {
  kernels::Routing routing;
  int scales = -1;  // index of the weight with a factor of each expert's weights; -1: none
  bool operator==(const RouteAttributes&) const = default;
};
using Attributes = std::variant<std::monostate, NormAttributes, RotateAttributes, AttendAttributes,
                                ScaleAttributes, GateAttributes, PoolAttributes, RouteAttributes,
                                HeadAttributes, JoinAttributes, GrowAttributes, CombineAttributes,
                                ConvolveAttributes, ScanAttributes, BlendAttributes>;
// Least mean of squares that kResize divides by.
inline constexpr float kLeastSquare = 1e-5f;

struct Operation {
  OpKind kind{};
  std::vector<Value> inputs;
  Value output;
  int weight = -1;  // index into Program::weights
  Attributes attributes;
  int layer = -1;  // for people: which layer of the model; -1 outside the layers
  int bias = -1;   // of a matmul, a norm or a routing: index into Program::weights

  template <typename T>
  const T& as() const {
    return std::get<T>(attributes);
  }
};

// What one layer keeps of each token.
struct KvLayer {
  int heads = 0;
  int head_dim = 0;
  int window = 0;        // 0: sees everything
  bool chunked = false;  // the window begins at its multiples and does not slide
  // Rows see later ones too, so that all of a sequence come in one step; nothing is kept after it.
  bool whole = false;
};

// What an operation keeps of a whole sequence: so many rows of f32, which every row of the sequence
// changes. Of a convolution the rows before the next one, of a scan a row for each block.
struct StateLayer {
  int rows = 0;
  int width = 0;
  // Floats from one row to the next: kernels write whole groups of 16.
  std::ptrdiff_t stride() const { return (width + 15) / 16 * 16; }
};

// What a program yields.
enum class Output {
  kLogits,      // [S, vocabulary]
  kHidden,      // [T, width]: on the way to the others (program/pool.h)
  kEmbeddings,  // [S, width]
  kScores,      // [S, 1 or more]: how well the texts of a pair fit, one row for a sequence
};

struct Program {
  std::vector<Operation> operations;  // in an order that computes inputs first
  std::vector<ValueInfo> values;
  std::vector<Weight> weights;
  std::vector<KvLayer> kv_layers;
  std::vector<StateLayer> states;
  Output output = Output::kLogits;
  Pooling pooling = Pooling::kNone;  // of embeddings; scores come from one row too
  Value logits;                      // what it yields
  int vocabulary = 0;
  int most_positions = 0;          // rows of the table of positions; 0: none
  std::vector<std::string> spare;  // tensors that files of the model may have and nothing reads

  const ValueInfo& info(Value v) const { return values[static_cast<std::size_t>(v.id)]; }
  // Values of a row that it yields.
  int width() const { return info(logits).width; }
  // Whether a sequence samples one row, which stands for all of it.
  bool pools() const {
    return output == Output::kScores ||
           (output == Output::kEmbeddings && pooling != Pooling::kNone);
  }
  // Whether all rows of a sequence must come in one step.
  bool whole_sequences() const;
};

// The einsum that an operation is, e.g. "tk,nk->tn", for tables and cost.
const char* EinsumOf(const Operation& operation);
const char* OpName(OpKind kind);

// Moves kGatherRows as far up as it goes, so that the last layer works only for sampled rows: its
// queries, attention output and feed-forward; keys and values stay with all tokens.
Program MoveSampledRowsUp(Program program);

}  // namespace cairn::program
