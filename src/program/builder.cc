// SPDX-License-Identifier: Apache-2.0
#include "program/builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace cairn::program {
namespace {
constexpr int kAnySize = -1;
}  // namespace

std::string Builder::LayerWeight(std::string_view name) const {
  return fmt::format("blk.{}.{}.weight", layer_, name);
}

Value Builder::Emit(OpKind kind, std::vector<Value> inputs, ValueInfo info, int weight,
                    Attributes attributes) {
  const bool keeps_parts = kind == OpKind::kExperts || kind == OpKind::kCombine ||
                           kind == OpKind::kGate || kind == OpKind::kActivate;
  for (const Value input : inputs) {
    Require(keeps_parts || Parts(input) == 0,
            "only gates and activations work on parts of experts");
  }
  if (error_) return {};
  const Value output{static_cast<int>(program_.values.size())};
  program_.values.push_back(info);
  program_.operations.push_back({kind, std::move(inputs), output, weight, attributes, layer_});
  return output;
}

std::string Builder::LayerBias(std::string_view name) const {
  std::string bias = fmt::format("blk.{}.{}.bias", layer_, name);
  return Has(bias) ? bias : std::string();
}

int Builder::Use(const WeightRows& weight, int rows, int cols) {
  if (error_ || weight.name.empty()) return -1;
  std::optional<Weight> found = catalog_.Find(weight.name);
  if (!found) {
    error_ = Error{ErrorCode::kCorrupt, fmt::format("tensor '{}' is missing", weight.name)};
    return -1;
  }
  found->experts = 1;  // rows are rows, whatever the tensor's dimensions
  // All of its rows are there, whichever are taken.
  if (weight.rows >= 0) {
    if (weight.first < 0 || weight.rows < 1 || weight.rows > found->rows - weight.first) {
      error_ = Error{
          ErrorCode::kCorrupt,
          fmt::format("tensor '{}' has {} rows where rows {} to {} are needed", weight.name,
                      found->rows, weight.first, std::int64_t{weight.first} + weight.rows - 1)};
      return -1;
    }
    found->first = weight.first;
    found->rows = weight.rows;
  }
  const bool fits = (rows == kAnySize || found->rows == rows) && found->cols == cols;
  if (!fits) {
    error_ = Error{
        ErrorCode::kCorrupt,
        fmt::format("tensor '{}' has {} rows of {} values where {} rows of {} were expected",
                    weight.name, found->rows, found->cols,
                    rows == kAnySize ? std::string("any number of") : std::to_string(rows), cols)};
    return -1;
  }
  return Keep(*std::move(found));
}

int Builder::UseVector(const WeightRows& weight, int size) {
  if (error_ || weight.name.empty()) return -1;
  std::optional<Weight> found = catalog_.Find(weight.name);
  const bool part = weight.rows >= 0;
  const std::int64_t values = found ? std::int64_t{found->rows} * found->cols : 0;
  const bool fits = part ? weight.first >= 0 && weight.rows == size && size <= values - weight.first
                         : values == size;
  if (!found || !fits) {
    error_ = Error{ErrorCode::kCorrupt,
                   found ? fmt::format("tensor '{}' has {} values where {} from value {} on were "
                                       "expected",
                                       weight.name, values, size, part ? weight.first : 0)
                         : fmt::format("tensor '{}' is missing", weight.name)};
    return -1;
  }
  found->experts = 1;
  found->rows = 1;
  found->cols = size;
  found->first = part ? weight.first : 0;
  return Keep(*std::move(found));
}

int Builder::Keep(Weight weight) {
  const auto same = [&](const Weight& w) {
    return w.name == weight.name && w.first == weight.first && w.rows == weight.rows &&
           w.cols == weight.cols && w.expert_stride == weight.expert_stride &&
           w.apart == weight.apart;
  };
  const auto known = std::ranges::find_if(program_.weights, same);
  if (known != program_.weights.end()) return static_cast<int>(known - program_.weights.begin());
  program_.weights.push_back(std::move(weight));
  return static_cast<int>(program_.weights.size()) - 1;
}

bool Builder::Require(bool condition, const char* what) {
  if (!condition && !error_) {
    error_ = Error{ErrorCode::kCorrupt, fmt::format("layer {}: {}", layer_, what)};
  }
  return !error_;
}

Value Builder::EmitTable(OpKind kind, std::string_view weight, float scale) {
  const std::optional<Weight> table = catalog_.Find(weight);
  const int index = Use(std::string(weight), kAnySize, table ? table->cols : kAnySize);
  if (error_) return {};
  return Emit(kind, {}, {Rows::kTokens, table->cols}, index, ScaleAttributes{scale});
}

Value Builder::Embed(std::string_view weight, float scale) {
  Require(program_.vocabulary == 0 || program_.vocabulary == RowsOfWeight(weight),
          "the tables of tokens differ in their rows");
  program_.vocabulary = RowsOfWeight(weight);
  return EmitTable(OpKind::kEmbed, weight, scale);
}

Value Builder::Position(std::string_view weight) {
  program_.most_positions = RowsOfWeight(weight);
  return EmitTable(OpKind::kPosition, weight, 1);
}

Value Builder::TokenType(std::string_view weight) {
  return EmitTable(OpKind::kTokenType, weight, 1);
}

Value Builder::Vector(const std::string& weight) {
  const std::optional<Weight> found = catalog_.Find(weight);
  const std::int64_t size = found ? std::int64_t{found->rows} * found->cols : 0;
  constexpr std::int64_t kMostValues = 1 << 24;
  Require(size <= kMostValues, "a vector is too long");
  const int index = UseVector(weight, static_cast<int>(std::min(size, kMostValues)));
  return Emit(OpKind::kVector, {}, {Rows::kTokens, static_cast<int>(size)}, index);
}

Value Builder::Norm(OpKind kind, Value x, const WeightRows& weight, const WeightRows& bias,
                    NormAttributes attributes) {
  if (!Require(attributes.size > 0 && Width(x) % attributes.size == 0,
               "a norm of heads does not divide its input")) {
    return {};
  }
  const std::optional<Weight> found = catalog_.Find(weight.name);
  const bool of_row = found && std::int64_t{found->rows} * found->cols == Width(x);
  const int index = UseVector(weight, of_row ? Width(x) : attributes.size);
  const int bias_index = UseVector(bias, of_row ? Width(x) : attributes.size);
  const Value y = Emit(kind, {x}, {RowsOf(x), Width(x)}, index, attributes);
  if (!error_) program_.operations.back().bias = bias_index;
  return y;
}

Value Builder::RmsNorm(Value x, const WeightRows& weight, float epsilon) {
  return Norm(OpKind::kRmsNorm, x, weight, kNoWeight, {epsilon, Width(x)});
}

Value Builder::LayerNorm(Value x, const WeightRows& weight, const WeightRows& bias, float epsilon) {
  return Norm(OpKind::kLayerNorm, x, weight, bias, {epsilon, Width(x)});
}

Value Builder::HeadNorm(Value x, const WeightRows& weight, float epsilon, int head_dim) {
  const std::optional<Weight> found = catalog_.Find(weight.name);
  const int size = head_dim > 0 ? head_dim : found ? found->cols : 0;
  return Norm(OpKind::kRmsNorm, x, weight, kNoWeight, {epsilon, size});
}

Value Builder::HeadLayerNorm(Value x, const WeightRows& weight, float epsilon, int head_dim) {
  return Norm(OpKind::kLayerNorm, x, weight, kNoWeight, {epsilon, head_dim});
}

Value Builder::Matmul(Value x, const WeightRows& weight, const WeightRows& bias) {
  const int index = Use(weight, kAnySize, Width(x));
  if (error_) return {};
  const int outputs = program_.weights[static_cast<std::size_t>(index)].rows;
  const int bias_index = UseVector(bias, outputs);
  const Value y = Emit(OpKind::kMatmul, {x}, {RowsOf(x), outputs}, index);
  if (!error_) program_.operations.back().bias = bias_index;
  return y;
}

// --- heads by parts -------------------------------------------------------------------------

bool Builder::Fits(Value x, int heads, const HeadSlice& slice) const {
  return heads > 0 && slice.first >= 0 && slice.count > 0 && slice.stride >= 0 &&
         std::int64_t{slice.stride} * (heads - 1) + slice.first + slice.count <= Width(x);
}

Value Builder::HeadMatmul(Value x, int heads, const HeadSlice& slice, const std::string& weight) {
  Require(Fits(x, heads, slice) && slice.first % 16 == 0 && slice.stride % 16 == 0,
          "heads and their input do not fit");
  const int index = UseExperts(weight, heads, slice.count);
  if (error_) return {};
  const int outputs = program_.weights[static_cast<std::size_t>(index)].rows;
  return Emit(OpKind::kHeadMatmul, {x}, {RowsOf(x), outputs}, index, HeadAttributes{heads, slice});
}

Value Builder::Join(int heads, const std::vector<Part>& parts, int zeros) {
  std::vector<Value> inputs;
  JoinAttributes attributes{.heads = heads, .slices = {}, .zeros = zeros};
  std::int64_t width = zeros;
  for (const Part& part : parts) {
    Require(Fits(part.of, heads, part.slice) && RowsOf(part.of) == RowsOf(parts[0].of),
            "parts of heads and what they are of do not fit");
    inputs.push_back(part.of);
    attributes.slices.push_back(part.slice);
    width += part.slice.count;
  }
  Require(zeros >= 0 && width > 0 && width * heads < (std::int64_t{1} << 30),
          "heads that are joined are too wide");
  if (error_) return {};
  return Emit(OpKind::kJoin, std::move(inputs),
              {RowsOf(parts[0].of), static_cast<int>(width) * heads}, -1, std::move(attributes));
}

// --- experts --------------------------------------------------------------------------------

Value Builder::Route(Value logits, const kernels::Routing& r, const WeightRows& bias,
                     const WeightRows& scales) {
  const bool fits = r.experts > 0 && r.experts <= kernels::kMostExperts && r.used > 0 &&
                    r.used <= kernels::kMostExpertsOfRow && r.groups > 0 &&
                    r.experts % r.groups == 0 && r.groups_used > 0 && r.groups_used <= r.groups &&
                    r.group_largest > 0 && r.group_largest <= std::min(2, r.experts / r.groups) &&
                    r.used <= r.experts / r.groups * r.groups_used;
  Require(fits,
          "the numbers of experts, of their groups and of those in use contradict each other");
  Require(Width(logits) == r.experts, "the router does not have an output for each expert");
  const int index = UseVector(bias, r.experts);
  const RouteAttributes attributes{r, UseVector(scales, r.experts)};
  const Value routes = Emit(OpKind::kRoute, {logits}, {RowsOf(logits), 2 * r.used}, -1, attributes);
  if (!error_) program_.operations.back().bias = index;
  return routes;
}

const kernels::Routing* Builder::RoutingOf(Value routes) {
  if (error_) return nullptr;
  const auto maker = std::ranges::find(program_.operations, routes, &Operation::output);
  const bool found = maker != program_.operations.end() && maker->kind == OpKind::kRoute;
  if (!Require(found, "experts without a routing")) return nullptr;
  return &maker->as<RouteAttributes>().routing;
}

int Builder::UseExperts(const WeightRows& weight, int experts, int cols) {
  if (error_) return -1;
  std::optional<Weight> found = catalog_.Find(weight.name);
  if (!found) {
    error_ = Error{ErrorCode::kCorrupt, fmt::format("tensor '{}' is missing", weight.name)};
    return -1;
  }
  const int of_each = found->experts > 0 ? found->rows / found->experts : 0;
  if (found->experts != experts || found->cols != cols) {
    error_ =
        Error{ErrorCode::kCorrupt,
              fmt::format("tensor '{}' has {} matrices of {} rows of {} values where {} of any "
                          "number of rows of {} were expected",
                          weight.name, found->experts, of_each, found->cols, experts, cols)};
    return -1;
  }
  const int rows = weight.rows >= 0 ? weight.rows : of_each;
  if (weight.first < 0 || rows < 1 || rows > of_each - weight.first || rows % 16 != 0) {
    error_ = Error{ErrorCode::kCorrupt,
                   fmt::format("tensor '{}' has {} rows for each expert where a multiple of 16 is "
                               "needed",
                               weight.name, of_each)};
    return -1;
  }
  found->expert_stride = of_each;
  found->first = weight.first;
  found->rows = experts * rows;
  return Keep(*std::move(found));
}

Value Builder::Experts(Value x, Value routes, const WeightRows& weight, const WeightRows& bias) {
  const kernels::Routing* r = RoutingOf(routes);
  if (r == nullptr) return {};
  const int used = r->used;
  Require(RowsOf(x) == RowsOf(routes) && (Parts(x) == 0 || Parts(x) == used),
          "rows of experts and their routing differ");
  const int index = UseExperts(weight, r->experts, Parts(x) > 0 ? Width(x) / used : Width(x));
  if (error_) return {};
  const Weight& matrices = program_.weights[static_cast<std::size_t>(index)];
  const int outputs = matrices.expert_rows();
  const int bias_index = UseVector(bias, matrices.rows);
  const Value y = Emit(OpKind::kExperts, {x, routes}, {RowsOf(x), used * outputs, used}, index);
  if (!error_) program_.operations.back().bias = bias_index;
  return y;
}

Value Builder::Preweigh(Value x, Value routes) {
  const kernels::Routing* r = RoutingOf(routes);
  if (r == nullptr) return {};
  Require(r->used == 1 && RowsOf(x) == RowsOf(routes), "only one expert is weighed beforehand");
  return Emit(OpKind::kPreweigh, {x, routes}, {RowsOf(x), Width(x)});
}

Value Builder::Combine(Value y, Value routes, bool weighed) {
  const kernels::Routing* r = RoutingOf(routes);
  if (r == nullptr) return {};
  Require(Parts(y) == r->used && RowsOf(y) == RowsOf(routes),
          "what is combined does not have a part for each expert of the row");
  if (error_) return {};
  return Emit(OpKind::kCombine, {y, routes}, {RowsOf(y), Width(y) / r->used}, -1,
              CombineAttributes{weighed});
}

Value Builder::Weigh(Value x, Value g) {
  Require(Width(g) == 1 && RowsOf(x) == RowsOf(g) && Parts(x) == 0,
          "a weight of rows must be one value for each");
  return Emit(OpKind::kWeigh, {x, g}, {RowsOf(x), Width(x)});
}

// --- heads and rows -------------------------------------------------------------------------

Value Builder::Rotate(Value x, const RotateAttributes& attributes) {
  Require(attributes.head_dim > 0 && Width(x) % attributes.head_dim == 0,
          "the heads of a rotary embedding do not divide its input");
  Require(
      attributes.n_rot > 0 && attributes.n_rot % 2 == 0 && attributes.n_rot <= attributes.head_dim,
      "the rotary dimension must be even and no larger than a head");
  return Emit(OpKind::kRotate, {x}, {RowsOf(x), Width(x)}, -1, attributes);
}

Value Builder::Attend(Value q, Value k, Value v, const KvLayer& kv, int heads, float scale,
                      const AttendOptions& options) {
  Require(kv.heads > 0 && kv.head_dim > 0 && kv.head_dim % 16 == 0 &&
              kv.head_dim <= kernels::kMostHeadDim,
          "the head dimension must be a multiple of 16 up to 576");
  Require(Width(k) == kv.heads * kv.head_dim && Width(v) == Width(k),
          "keys and values do not have the widths that the heads ask for");
  Require(program_.kv_layers.empty() || program_.kv_layers[0].whole == kv.whole,
          "some layers see later tokens and others do not");
  if (error_) return {};
  program_.kv_layers.push_back(kv);
  return EmitAttend(q, k, v, static_cast<int>(program_.kv_layers.size()) - 1, heads, scale, options,
                    true);
}

Value Builder::AttendAgain(Value q, Value earlier, int heads, float scale,
                           const AttendOptions& options) {
  if (error_) return {};
  const auto maker = std::ranges::find(program_.operations, earlier, &Operation::output);
  const bool found = maker != program_.operations.end() && maker->kind == OpKind::kAttend;
  if (!Require(found, "no earlier layer has keys and values to attend to again")) return {};
  return EmitAttend(q, maker->inputs[1], maker->inputs[2], maker->as<AttendAttributes>().layer,
                    heads, scale, options, false);
}

Value Builder::EmitAttend(Value q, Value k, Value v, int layer, int heads, float scale,
                          const AttendOptions& options, bool stores) {
  const KvLayer& kv = program_.kv_layers[static_cast<std::size_t>(layer)];
  Require(heads > 0 && heads % kv.heads == 0, "query heads must be a multiple of the KV heads");
  Require(Width(q) == std::int64_t{heads} * kv.head_dim,
          "queries do not have the width that the heads ask for");
  Require(options.slopes.empty() || static_cast<int>(options.slopes.size()) == heads,
          "every query head must have a slope");
  const int sinks = UseVector(options.sinks, heads);
  const int relative = UseVector(options.relative, RowsOfWeight(options.relative) * heads);
  Require(relative < 0 || kv.whole, "relative positions belong to encoders");
  if (error_) return {};
  return Emit(OpKind::kAttend, {q, k, v}, {RowsOf(q), Width(q)}, -1,
              AttendAttributes{layer, heads, scale, options.softcap, options.slopes, sinks,
                               relative, stores});
}

// --- states ---------------------------------------------------------------------------------

int Builder::NewState(std::int64_t rows, std::int64_t width) {
  constexpr std::int64_t kMostValues = std::int64_t{1} << 28;  // of one operation: a gigabyte
  Require(rows > 0 && width > 0 && width <= kMostValues && rows <= kMostValues / width,
          "a state is too large");
  if (error_) return -1;
  program_.states.push_back({static_cast<int>(rows), static_cast<int>(width)});
  return static_cast<int>(program_.states.size()) - 1;
}

Value Builder::Convolve(Value x, const WeightRows& weight, const WeightRows& bias) {
  const int taps = ColsOfWeight(weight.name);
  const int index = Use(weight, Width(x), taps);
  const int bias_index = UseVector(bias, Width(x));
  Require(taps >= 2 && taps <= kMostTaps, "a convolution must be over 2 to 16 rows");
  Require(RowsOf(x) == Rows::kTokens, "a convolution is over all rows");
  const int state = NewState(taps - 1, Width(x));
  const Value y =
      Emit(OpKind::kConvolve, {x}, {RowsOf(x), Width(x)}, index, ConvolveAttributes{state});
  if (!error_) program_.operations.back().bias = bias_index;
  return y;
}

std::optional<ScanAttributes> Builder::CheckScan(Value x, Value dt, Value b, Value c,
                                                 const ScanAttributes& sizes) {
  ScanAttributes s = sizes;
  Require(s.blocks > 0 && s.size > 0 && s.groups > 0 && s.blocks % s.groups == 0,
          "groups must divide the heads of a state");
  Require(s.channels > 0 && s.channels % 16 == 0 && (!s.apart || s.channels == 16),
          "the channels of a state's heads must be a multiple of 16");
  if (error_) return std::nullopt;
  const std::int64_t channels = std::int64_t{s.blocks} * s.channels;
  const std::int64_t values = std::int64_t{s.groups} * s.size;
  Require(s.x >= 0 && s.b >= 0 && s.c >= 0 && s.x + channels <= Width(x) &&
              s.b + values <= Width(b) && s.c + values <= Width(c) &&
              Width(dt) == (s.apart ? channels : s.blocks),
          "what a state walks through does not have the widths that its sizes ask for");
  Require(RowsOf(x) == Rows::kTokens && RowsOf(dt) == RowsOf(x) && RowsOf(b) == RowsOf(x) &&
              RowsOf(c) == RowsOf(x),
          "a state walks through all rows");
  s.state = NewState(s.blocks, std::int64_t{s.size} * s.channels);
  if (error_) return std::nullopt;
  return s;
}

Value Builder::Scan(Value x, Value dt, Value b, Value c, const ScanAttributes& sizes,
                    const WeightRows& rates, const WeightRows& skips) {
  const auto s = CheckScan(x, dt, b, c, sizes);
  if (!s) return {};
  const int channels = s->blocks * s->channels, own = s->apart ? channels : s->blocks;
  const int rate = s->apart ? Use(rates, channels, s->size) : UseVector(rates, own);
  const int skip = UseVector(skips, own);
  const Value y = Emit(OpKind::kScan, {x, dt, b, c}, {RowsOf(x), channels}, rate, *s);
  if (!error_) program_.operations.back().bias = skip;
  return y;
}

Value Builder::ScanByDelta(Value x, Value dt, Value b, Value c, Value share,
                           const ScanAttributes& sizes, const WeightRows& rates) {
  Require(!sizes.apart, "the delta rule is for heads of channels");
  Require(Width(share) == sizes.blocks && RowsOf(share) == RowsOf(x),
          "the delta rule has a share of the row for each head");
  const auto s = CheckScan(x, dt, b, c, sizes);
  if (!s) return {};
  return Emit(OpKind::kScan, {x, dt, b, c, share}, {RowsOf(x), s->blocks * s->channels},
              UseVector(rates, s->blocks), *s);
}

Value Builder::Gate(kernels::Activation activation, Value g, Value u) {
  Require(Width(g) == Width(u) && RowsOf(g) == RowsOf(u) && Parts(g) == Parts(u),
          "a gate and its input differ in shape");
  return Emit(OpKind::kGate, {g, u}, {RowsOf(g), Width(g), Parts(g)}, -1,
              GateAttributes{activation});
}

Value Builder::Activate(kernels::Activation activation, Value x) {
  Require(activation != kernels::Activation::kSiluClamped, "an activation of gates alone");
  return Emit(OpKind::kActivate, {x}, {RowsOf(x), Width(x), Parts(x)}, -1,
              GateAttributes{activation});
}

Value Builder::Add(Value a, Value b) {
  Require(Width(a) == Width(b) && RowsOf(a) == RowsOf(b), "the sides of a sum differ in shape");
  return Emit(OpKind::kAdd, {a, b}, {RowsOf(a), Width(a)});
}

Value Builder::Scale(Value x, float factor) {
  return Emit(OpKind::kScale, {x}, {RowsOf(x), Width(x)}, -1, ScaleAttributes{factor});
}

Value Builder::ScaleBy(Value x, const std::string& weight) {
  return Emit(OpKind::kScale, {x}, {RowsOf(x), Width(x)}, UseVector(weight, 1), ScaleAttributes{});
}

Value Builder::Grow(Value x, const GrowAttributes& attributes) {
  Require(attributes.length >= 1 && std::abs(attributes.slope) <= 1e6,
          "queries must grow over a positive length");
  return Emit(OpKind::kGrow, {x}, {RowsOf(x), Width(x)}, -1, attributes);
}

Value Builder::Resize(Value x, Value like) {
  Require(Width(x) == Width(like) && RowsOf(x) == RowsOf(like),
          "rows and those whose size they get differ in shape");
  return Emit(OpKind::kResize, {x, like}, {RowsOf(x), Width(x)});
}

Value Builder::Sparsify(Value x, float deviations) {
  Require(std::abs(deviations) <= 100, "rows must be sparse by at most 100 deviations");
  return Emit(OpKind::kSparsify, {x}, {RowsOf(x), Width(x)}, -1, ScaleAttributes{deviations});
}

Value Builder::Blend(Value x, Value u, Value factors, int index) {
  Require(Width(x) == Width(u) && RowsOf(x) == RowsOf(u) && RowsOf(x) == RowsOf(factors) &&
              index >= 0 && index < Width(factors),
          "what is blended and its factors do not fit");
  return Emit(OpKind::kBlend, {x, u, factors}, {RowsOf(x), Width(x)}, -1, BlendAttributes{index});
}

Value Builder::Softcap(Value x, float cap) {
  return Emit(OpKind::kSoftcap, {x}, {RowsOf(x), Width(x)}, -1, ScaleAttributes{cap});
}

Value Builder::Clamp(Value x, float limit) {
  return Emit(OpKind::kClamp, {x}, {RowsOf(x), Width(x)}, -1, ScaleAttributes{limit});
}

Value Builder::SampledRows(Value x) {
  return Emit(OpKind::kGatherRows, {x}, {Rows::kSampled, Width(x)});
}

Value Builder::Pool(Value x, Pooling pooling) {
  if (pooling == Pooling::kLast) return SampledRows(x);
  return Emit(OpKind::kPool, {x}, {Rows::kSampled, Width(x)}, -1, PoolAttributes{pooling});
}

Result<Program> Builder::FinishWith(Output output, Value value) {
  if (error_) return std::unexpected(*error_);
  program_.output = output;
  program_.logits = value;
  return std::move(program_);
}

Result<Program> Builder::FinishHidden(Value rows) { return FinishWith(Output::kHidden, rows); }

Result<Program> Builder::FinishScores(Value scores) { return FinishWith(Output::kScores, scores); }

Result<Program> Builder::Finish(Value logits) {
  if (error_) return std::unexpected(*error_);
  program_.logits = logits;
  if (program_.info(logits).width != program_.vocabulary) {
    return Fail(ErrorCode::kCorrupt, fmt::format("the output matrix has {} rows, the embedding {}",
                                                 program_.info(logits).width, program_.vocabulary));
  }
  return std::move(program_);
}

std::vector<float> AlibiSlopes(int heads, int most_bias) {
  int powers = 1, roots = 0;  // 2^roots == powers
  while (powers * 2 <= heads) powers *= 2, ++roots;
  double root = std::ldexp(1.0, -most_bias);
  for (int i = 0; i < roots; ++i) root = std::sqrt(root);
  const double half = std::sqrt(root);
  std::vector<float> slopes;
  double slope = 1;
  for (int h = 0; h < powers; ++h) slopes.push_back(static_cast<float>(slope *= root));
  slope = half;
  for (int h = powers; h < heads; ++h, slope *= root) slopes.push_back(static_cast<float>(slope));
  return slopes;
}

}  // namespace cairn::program
