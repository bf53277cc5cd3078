// SPDX-License-Identifier: Apache-2.0
// Operations of heads: matmuls of each, rotary angles, attention.
#include <algorithm>
#include <cmath>
#include <limits>

#include "testing/reference_math.h"
#include "testing/reference_walk.h"

namespace cairn::testing {

using program::Operation;

Result<Rows> ReferenceWalk::HeadMatmul(const Operation& op) {
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

Rows ReferenceWalk::Join(const Operation& op) {
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

Rows ReferenceWalk::Rotate(const Operation& op) {
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

namespace {

// T5's buckets, with its logarithm.
int BucketOf(int ahead, int buckets) {
  const int half = buckets / 2, single = half / 2, distance = std::abs(ahead);
  const int side = ahead > 0 ? half : 0;
  if (distance < single) return side + distance;
  const double ranges = std::log(double{1} * distance / single) / std::log(128.0 / single);
  return side + std::min(half - 1, single + static_cast<int>(ranges * (half - single) + 1e-9));
}

}  // namespace

void ReferenceWalk::AttendHead(const Operation& op, int head, const std::vector<float>& sinks,
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

Result<Rows> ReferenceWalk::Attend(const Operation& op) {
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

}  // namespace cairn::testing
