// SPDX-License-Identifier: Apache-2.0
#include "testing/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>
#include <vector>

#include "base/checked.h"
#include "kernels/packed.h"
#include "parallel/team.h"
#include "program/stages.h"
#include "tensor/dequantise.h"
#include "testing/reference_math.h"

namespace cairn::testing {
namespace {

using program::Operation;
using program::OpKind;
using program::Program;
using program::Value;

// Rows of logits that exist at one time.
constexpr int kLogitRows = 64;

// Rows side by side.
struct Rows {
  int count = 0;
  int width = 0;
  std::vector<double> values;

  Rows() = default;
  Rows(int rows, int columns)
      : count(rows), width(columns), values(static_cast<std::size_t>(rows) * columns) {}
  double* row(int r) { return values.data() + static_cast<std::ptrdiff_t>(r) * width; }
  const double* row(int r) const { return values.data() + static_cast<std::ptrdiff_t>(r) * width; }
};

class Walk {
 public:
  Walk(const Program& program, const model::Gguf& gguf, std::span<const std::int32_t> tokens,
       int sampled, const ReferenceOptions& options)
      : program_(program),
        gguf_(gguf),
        tokens_(tokens),
        sampled_(sampled),
        options_(options),
        team_(options.threads > 0 ? options.threads : parallel::UsableCores()),
        values_(program.values.size()) {}

  Result<ReferenceReport> Run(const ReferenceSink& sink);

 private:
  Result<Rows> Evaluate(const Operation& op);
  Result<void> RunLogits(std::size_t tail, const ReferenceSink& sink);
  Result<Rows> Embed(const Operation& op);
  Result<Rows> Position(const Operation& op);
  Result<Rows> TokenType(const Operation& op);
  Rows Pool(const Operation& op);
  Result<Rows> Norm(const Operation& op);
  Result<Rows> Matmul(const Operation& op);
  Result<Rows> HeadMatmul(const Operation& op);
  Rows Join(const Operation& op);
  Result<Rows> Route(const Operation& op);
  Result<Rows> Experts(const Operation& op);
  Rows Combine(const Operation& op);
  Rows Preweigh(const Operation& op);
  Rows Grow(const Operation& op);
  Rows Weigh(const Operation& op);
  // What the rows of x lose where they meet quantised weights, applied and counted.
  void LoseActivations(const program::Weight& weight, bool two_terms, Rows& x);
  // x by rows [first, first + outputs) of a weight.
  Result<Rows> Product(const program::Weight& weight, int first, int outputs, const Rows& x);
  Rows Rotate(const Operation& op);
  Result<Rows> Attend(const Operation& op);
  void AttendHead(const Operation& op, int head, const std::vector<float>& sinks,
                  const std::vector<float>& relative, Rows& out);
  Result<Rows> Convolve(const Operation& op);
  Result<Rows> Scan(const Operation& op);
  Rows Elementwise(const Operation& op);

  Rows& in(const Operation& op, std::size_t i) {
    return values_[static_cast<std::size_t>(op.inputs[i].id)];
  }
  // The output of the matmul that makes the logits: the last one.
  Value MakerOfLogits() const {
    const auto last = std::find_if(program_.operations.rbegin(), program_.operations.rend(),
                                   [](const Operation& op) { return op.kind == OpKind::kMatmul; });
    return last == program_.operations.rend() ? Value{} : last->output;
  }
  const program::Weight& WeightOf(const Operation& op) const {
    return program_.weights[static_cast<std::size_t>(op.weight)];
  }
  // Position of the first row of a value.
  int FirstPosition(const Rows& rows) const {
    return static_cast<int>(tokens_.size()) - rows.count;
  }
  // Rows [first, first + count) of a weight, dequantised.
  Result<std::vector<float>> ReadRows(const program::Weight& weight, int first, int count) const;
  // A vector; nothing for index -1.
  Result<std::vector<float>> ReadVector(int index) const;
  void Release(std::size_t done);

  const Program& program_;
  const model::Gguf& gguf_;
  std::span<const std::int32_t> tokens_;
  int sampled_;
  ReferenceOptions options_;
  parallel::WorkerTeam team_;
  std::vector<Rows> values_;
  ReferenceReport report_;
};

Result<std::vector<float>> Walk::ReadRows(const program::Weight& weight, int first,
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

Result<std::vector<float>> Walk::ReadVector(int index) const {
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

Result<Rows> Walk::Embed(const Operation& op) {
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

Result<Rows> Walk::Position(const Operation& op) {
  const program::Weight& weight = WeightOf(op);
  Rows out(static_cast<int>(tokens_.size()), weight.cols);
  if (out.count > weight.rows) {
    return Fail(ErrorCode::kInvalidArgument, "more tokens than there are positions");
  }
  const std::vector<float> rows = OR_RETURN(ReadRows(weight, 0, out.count));
  std::copy(rows.begin(), rows.end(), out.values.begin());
  return out;
}

Result<Rows> Walk::TokenType(const Operation& op) {
  const program::Weight& weight = WeightOf(op);
  Rows out(static_cast<int>(tokens_.size()), weight.cols);
  for (int r = 0; r < out.count; ++r) {
    const int type = options_.second >= 0 && r >= options_.second ? 1 : 0;
    const std::vector<float> row = OR_RETURN(ReadRows(weight, std::min(type, weight.rows - 1), 1));
    std::copy(row.begin(), row.end(), out.row(r));
  }
  return out;
}

Rows Walk::Pool(const Operation& op) {
  const Rows& x = in(op, 0);
  Rows out(1, x.width);
  const bool mean = op.as<program::PoolAttributes>().pooling == program::Pooling::kMean;
  const int count = mean ? x.count : 1;
  for (int r = 0; r < count; ++r) {
    AddScaled(1.0 / count, x.row(r), static_cast<std::size_t>(x.width), out.row(0));
  }
  return out;
}

Result<Rows> Walk::Norm(const Operation& op) {
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

void Walk::LoseActivations(const program::Weight& weight, bool two_terms, Rows& x) {
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

Result<Rows> Walk::Product(const program::Weight& weight, int first_row, int count, const Rows& x) {
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

Result<Rows> Walk::Matmul(const Operation& op) {
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

Result<Rows> Walk::Route(const Operation& op) {
  const kernels::Routing& r = op.as<program::RouteAttributes>().routing;
  const std::vector<float> bias = OR_RETURN(ReadVector(op.bias));
  const Rows& logits = in(op, 0);
  Rows out(logits.count, 2 * r.used);
  for (int row = 0; row < logits.count; ++row) {
    RouteRow(r, {logits.row(row), static_cast<std::size_t>(r.experts)}, bias, out.row(row));
  }
  return out;
}

Result<Rows> Walk::Experts(const Operation& op) {
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

Rows Walk::Combine(const Operation& op) {
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

Rows Walk::Preweigh(const Operation& op) {
  Rows out = in(op, 0);
  for (int r = 0; r < out.count; ++r) {
    for (int i = 0; i < out.width; ++i) out.row(r)[i] *= in(op, 1).row(r)[1];
  }
  return out;
}

Rows Walk::Grow(const Operation& op) {
  const auto& grow = op.as<program::GrowAttributes>();
  Rows out = in(op, 0);
  for (int r = 0; r < out.count; ++r) {
    const double factor =
        1 + grow.slope * std::log1p(std::floor((FirstPosition(out) + r + 1) / grow.length));
    for (int i = 0; i < out.width; ++i) out.row(r)[i] *= factor;
  }
  return out;
}

Rows Walk::Weigh(const Operation& op) {
  Rows out = in(op, 0);
  for (int r = 0; r < out.count; ++r) {
    const double weight = 1 / (1 + std::exp(-in(op, 1).row(r)[0]));
    for (int i = 0; i < out.width; ++i) out.row(r)[i] *= weight;
  }
  return out;
}

// --- heads ----------------------------------------------------------------------------------

Result<Rows> Walk::HeadMatmul(const Operation& op) {
  const program::Weight& weight = WeightOf(op);
  const auto& [heads, slice] = op.as<program::HeadAttributes>();
  const Rows& x = in(op, 0);
  const int outputs = weight.expert_rows();
  Rows all(heads * x.count, slice.count);  // head by head
  for (int i = 0; i < all.count; ++i) {
    std::copy_n(x.row(i % x.count) + (i / x.count) * slice.stride + slice.first, slice.count,
                all.row(i));
  }
  LoseActivations(weight, false, all);
  Rows out(x.count, heads * outputs);
  for (int head = 0; head < heads; ++head) {
    Rows rows(x.count, slice.count);
    std::copy(all.row(head * x.count), all.row((head + 1) * x.count), rows.row(0));
    const Rows product = OR_RETURN(Product(weight, head * outputs, outputs, rows));
    for (int r = 0; r < x.count; ++r) {
      std::copy_n(product.row(r), outputs, out.row(r) + head * outputs);
    }
  }
  return out;
}

Rows Walk::Join(const Operation& op) {
  const auto& join = op.as<program::JoinAttributes>();
  Rows out(in(op, 0).count, program_.info(op.output).width);
  for (int r = 0; r < out.count; ++r) {
    double* to = out.row(r);
    for (int head = 0; head < join.heads; ++head, to += join.zeros) {
      for (std::size_t i = 0; i < join.slices.size(); ++i) {
        const program::HeadSlice& slice = join.slices[i];
        to = std::copy_n(in(op, i).row(r) + head * slice.stride + slice.first, slice.count, to);
      }
    }
  }
  return out;
}

Rows Walk::Rotate(const Operation& op) {
  const auto& rope = op.as<program::RotateAttributes>();
  Rows out = in(op, 0);
  const int pairs = rope.n_rot / 2;
  const bool neighbours = rope.pairs == kernels::RotaryPairs::kNeighbours;
  for (int i = 0; i < pairs; ++i) {
    const int a = neighbours ? 2 * i : i;
    const int b = neighbours ? 2 * i + 1 : i + pairs;
    const long double frequency =
        rope.position_scale *
        std::pow(static_cast<long double>(rope.base), -2.0L * i / rope.n_rot) *
        (rope.factors.empty() ? 1.0L : rope.factors[static_cast<std::size_t>(i)]);
    for (int r = 0; r < out.count; ++r) {
      const long double angle = frequency * (FirstPosition(out) + r);
      const auto c = static_cast<double>(rope.magnitude * std::cos(angle));
      const auto s = static_cast<double>(rope.magnitude * std::sin(angle));
      for (double* x = out.row(r); x < out.row(r) + out.width; x += rope.head_dim) {
        const double first = x[a], second = x[b];
        x[a] = first * c - second * s;
        x[b] = second * c + first * s;
      }
    }
  }
  return out;
}

// T5's buckets, with its logarithm.
int BucketOf(int ahead, int buckets) {
  const int half = buckets / 2, single = half / 2, distance = std::abs(ahead);
  const int side = ahead > 0 ? half : 0;
  if (distance < single) return side + distance;
  const double ranges = std::log(double{1} * distance / single) / std::log(128.0 / single);
  return side + std::min(half - 1, single + static_cast<int>(ranges * (half - single) + 1e-9));
}

void Walk::AttendHead(const Operation& op, int head, const std::vector<float>& sinks,
                      const std::vector<float>& relative, Rows& out) {
  const auto& attend = op.as<program::AttendAttributes>();
  const program::KvLayer& kv = program_.kv_layers[static_cast<std::size_t>(attend.layer)];
  const Rows &q = in(op, 0), &k = in(op, 1), &v = in(op, 2);
  const int d = kv.head_dim;
  const int kv_offset = head / (attend.heads / kv.heads) * d;
  // Keys turned round, so that the scores of all positions are summed side by side.
  std::vector<double> keys(static_cast<std::size_t>(d) * static_cast<std::size_t>(k.count));
  for (int j = 0; j < k.count; ++j) {
    for (int c = 0; c < d; ++c) {
      keys[static_cast<std::size_t>(c) * static_cast<std::size_t>(k.count) +
           static_cast<std::size_t>(j)] = k.row(j)[kv_offset + c];
    }
  }
  std::vector<double> p(static_cast<std::size_t>(k.count));
  for (int r = 0; r < q.count; ++r) {
    const int position = FirstPosition(q) + r;
    int first = kv.window > 0 ? std::max(0, position - kv.window + 1) : 0;
    if (kv.chunked) first = position - position % kv.window;
    int last = kv.whole ? k.count - 1 : position;
    if (kv.window > 0) last = std::min(last, position + kv.window - 1);
    const auto begin = p.begin() + first, end = p.begin() + last + 1;
    std::fill(begin, end, 0.0);
    for (int c = 0; c < d; ++c) {
      AddScaled(q.row(r)[head * d + c] * attend.scale,
                keys.data() + static_cast<std::ptrdiff_t>(c) * k.count + first,
                static_cast<std::size_t>(end - begin), &*begin);
    }
    if (attend.softcap > 0) {
      for (auto s = begin; s < end; ++s) *s = attend.softcap * std::tanh(*s / attend.softcap);
    }
    if (!attend.slopes.empty()) {
      for (int j = first; j <= last; ++j) {
        p[static_cast<std::size_t>(j)] -=
            double{attend.slopes[static_cast<std::size_t>(head)]} * std::abs(j - position);
      }
    }
    for (int j = first; j <= last && !relative.empty(); ++j) {
      const int buckets = static_cast<int>(relative.size()) / attend.heads;
      p[static_cast<std::size_t>(j)] +=
          relative[static_cast<std::size_t>(BucketOf(j - position, buckets) * attend.heads + head)];
    }
    const double sink = sinks.empty() ? -std::numeric_limits<double>::infinity()
                                      : sinks[static_cast<std::size_t>(head)];
    const double most = std::max(sink, *std::max_element(begin, end));
    double sum = std::exp(sink - most);
    for (auto s = begin; s < end; ++s) sum += * s = std::exp(*s - most);
    for (int j = first; j <= last; ++j) {
      AddScaled(p[static_cast<std::size_t>(j)] / sum, v.row(j) + kv_offset,
                static_cast<std::size_t>(d), out.row(r) + head * d);
    }
  }
}

Result<Rows> Walk::Attend(const Operation& op) {
  const std::vector<float> sinks = OR_RETURN(ReadVector(op.as<program::AttendAttributes>().sinks));
  const std::vector<float> relative =
      OR_RETURN(ReadVector(op.as<program::AttendAttributes>().relative));
  if (options_.canonical_losses && !options_.exact_kv) {
    for (double& x : in(op, 1).values) x = RoundToHalf(x);
    for (double& x : in(op, 2).values) x = RoundToHalf(x);
  }
  Rows out(in(op, 0).count, in(op, 0).width);
  team_.ForEach(op.as<program::AttendAttributes>().heads, [&](std::int64_t head) {
    AttendHead(op, static_cast<int>(head), sinks, relative, out);
  });
  return out;
}

// --- states ---------------------------------------------------------------------------------

Result<Rows> Walk::Convolve(const Operation& op) {
  const program::Weight& weight = WeightOf(op);
  const std::vector<float> w = OR_RETURN(ReadRows(weight, 0, weight.rows));
  const std::vector<float> bias = OR_RETURN(ReadVector(op.bias));
  const Rows& x = in(op, 0);
  const int taps = weight.cols;
  Rows out(x.count, x.width);
  for (int r = 0; r < x.count; ++r) {
    for (int i = 0; i < x.width; ++i) {
      double sum = bias.empty() ? 0 : bias[static_cast<std::size_t>(i)];
      for (int tap = std::max(0, taps - 1 - r); tap < taps; ++tap) {
        sum += x.row(r - taps + 1 + tap)[i] * w[static_cast<std::size_t>(i * taps + tap)];
      }
      out.row(r)[i] = sum;
    }
  }
  return out;
}

Result<Rows> Walk::Scan(const Operation& op) {
  const auto& a = op.as<program::ScanAttributes>();
  const program::Weight& weight = WeightOf(op);
  const std::vector<float> rates =
      a.apart ? OR_RETURN(ReadRows(weight, 0, weight.rows)) : OR_RETURN(ReadVector(op.weight));
  const std::vector<float> skips = OR_RETURN(ReadVector(op.bias));
  const Rows &x = in(op, 0), &dt = in(op, 1), &b = in(op, 2), &c = in(op, 3);
  const int channels = a.blocks * a.channels;
  Rows out(x.count, channels);
  team_.ForEach(channels, [&](std::int64_t index) {
    const auto channel = static_cast<int>(index);
    const int block = channel / a.channels, own = a.apart ? channel : block;
    const int group = block / (a.blocks / a.groups) * a.size;
    std::vector<double> state(static_cast<std::size_t>(a.size));
    for (int r = 0; r < x.count; ++r) {
      const double value = x.row(r)[a.x + channel], step = dt.row(r)[own];
      double y = skips[static_cast<std::size_t>(own)] * value;
      for (int n = 0; n < a.size; ++n) {
        const double rate = rates[static_cast<std::size_t>(a.apart ? channel * a.size + n : own)];
        double& s = state[static_cast<std::size_t>(n)];
        s = s * std::exp(step * rate) + step * value * b.row(r)[a.b + group + n];
        y += s * c.row(r)[a.c + group + n];
      }
      out.row(r)[channel] = y;
    }
  });
  return out;
}

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
    case Activation::kSiluClamped: break;  // of gates alone
  }
  return 0;
}

double Gate(kernels::Activation activation, double g, double u) {
  if (activation != kernels::Activation::kSiluClamped) return Activate(activation, g) * u;
  g = std::min(g, 7.0);
  return g / (1 + std::exp(-1.702 * g)) * (std::clamp(u, -7.0, 7.0) + 1);
}

Rows Walk::Elementwise(const Operation& op) {
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
      case OpKind::kScale: y = x * op.as<program::ScaleAttributes>().factor; break;
      default: {
        const double cap = op.as<program::ScaleAttributes>().factor;
        y = cap * std::tanh(x / cap);
      }
    }
  }
  return out;
}

Result<Rows> Walk::Evaluate(const Operation& op) {
  switch (op.kind) {
    case OpKind::kEmbed: return Embed(op);
    case OpKind::kPosition: return Position(op);
    case OpKind::kTokenType: return TokenType(op);
    case OpKind::kPool: return Pool(op);
    case OpKind::kRmsNorm:
    case OpKind::kLayerNorm: return Norm(op);
    case OpKind::kMatmul: return Matmul(op);
    case OpKind::kHeadMatmul: return HeadMatmul(op);
    case OpKind::kJoin: return Join(op);
    case OpKind::kRoute: return Route(op);
    case OpKind::kExperts: return Experts(op);
    case OpKind::kCombine: return Combine(op);
    case OpKind::kPreweigh: return Preweigh(op);
    case OpKind::kGrow: return Grow(op);
    case OpKind::kWeigh: return Weigh(op);
    case OpKind::kRotate: return Rotate(op);
    case OpKind::kAttend: return Attend(op);
    case OpKind::kConvolve: return Convolve(op);
    case OpKind::kScan: return Scan(op);
    case OpKind::kGatherRows: {
      const Rows& x = in(op, 0);
      Rows out(sampled_, x.width);
      std::copy(x.row(x.count - sampled_), x.row(x.count), out.values.begin());
      return out;
    }
    case OpKind::kGate:
    case OpKind::kActivate:
    case OpKind::kAdd:
    case OpKind::kScale:
    case OpKind::kClamp:
    case OpKind::kSoftcap: return Elementwise(op);
  }
  return Fail(ErrorCode::kUnsupported, "an operation that the reference does not know");
}

// Drops values that no operation after `done` reads.
void Walk::Release(std::size_t done) {
  for (const Value input : program_.operations[done].inputs) {
    const bool read_again =
        std::any_of(program_.operations.begin() + static_cast<std::ptrdiff_t>(done) + 1,
                    program_.operations.end(), [&](const Operation& op) {
                      return std::ranges::find(op.inputs, input) != op.inputs.end();
                    });
    if (!read_again) values_[static_cast<std::size_t>(input.id)] = {};
  }
}

// The operations from the logits' matmul on, for kLogitRows rows at a time.
Result<void> Walk::RunLogits(std::size_t tail, const ReferenceSink& sink) {
  const Operation& matmul = program_.operations[tail];
  const Rows all = std::move(in(matmul, 0));
  for (int first = 0; first < sampled_; first += kLogitRows) {
    Rows slice(std::min(kLogitRows, sampled_ - first), all.width);
    std::copy(all.row(first), all.row(first + slice.count), slice.values.begin());
    in(matmul, 0) = std::move(slice);
    for (std::size_t i = tail; i < program_.operations.size(); ++i) {
      const Operation& op = program_.operations[i];
      values_[static_cast<std::size_t>(op.output.id)] = OR_RETURN(Evaluate(op));
    }
    const Rows& logits = values_[static_cast<std::size_t>(program_.logits.id)];
    for (int r = 0; r < logits.count; ++r) {
      sink(first + r, {logits.row(r), static_cast<std::size_t>(logits.width)});
    }
  }
  return {};
}

Result<ReferenceReport> Walk::Run(const ReferenceSink& sink) {
  for (const std::int32_t token : tokens_) {
    if (token < 0 || token >= program_.vocabulary) {
      return Fail(ErrorCode::kInvalidArgument,
                  fmt::format("token {} is not in the vocabulary", token));
    }
  }
  if (sampled_ < 0 || static_cast<std::size_t>(sampled_) > tokens_.size()) {
    return Fail(ErrorCode::kInvalidArgument, "more rows are sampled than there are tokens");
  }
  const auto& operations = program_.operations;
  const bool logits = program_.output == program::Output::kLogits;
  const auto tail = logits ? std::ranges::find(operations, MakerOfLogits(), &Operation::output)
                           : operations.end();
  if (logits && tail == operations.end()) {
    return Fail(ErrorCode::kUnsupported, "no matmul makes the logits");
  }
  const auto count = static_cast<std::size_t>(tail - operations.begin());
  for (std::size_t i = 0; i < count; ++i) {
    values_[static_cast<std::size_t>(operations[i].output.id)] = OR_RETURN(Evaluate(operations[i]));
    Release(i);
  }
  if (logits) {
    OR_RETURN(RunLogits(count, sink));
    return report_;
  }
  const Rows& rows = values_[static_cast<std::size_t>(program_.logits.id)];
  for (int r = 0; r < rows.count; ++r) {
    sink(r, {rows.row(r), static_cast<std::size_t>(rows.width)});
  }
  return report_;
}

}  // namespace

Result<ReferenceReport> RunReference(const Program& program, const model::Gguf& gguf,
                                     std::span<const std::int32_t> tokens, int sampled,
                                     const ReferenceOptions& options, const ReferenceSink& sink) {
  return Walk(program, gguf, tokens, sampled, options).Run(sink);
}

}  // namespace cairn::testing
