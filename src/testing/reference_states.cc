// SPDX-License-Identifier: Apache-2.0
// Operations with a state: convolutions and walks, from the first row of the sequence on.
#include <algorithm>
#include <cmath>

#include "testing/reference_walk.h"

namespace cairn::testing {

using program::Operation;

Result<Rows> ReferenceWalk::Convolve(const Operation& op) {
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

Result<Rows> ReferenceWalk::Scan(const Operation& op) {
  const auto& a = op.as<program::ScanAttributes>();
  const program::Weight& weight = WeightOf(op);
  const std::vector<float> rates =
      a.apart ? OR_RETURN(ReadRows(weight, 0, weight.rows)) : OR_RETURN(ReadVector(op.weight));
  const std::vector<float> skips = OR_RETURN(ReadVector(op.bias));
  const Rows &x = in(op, 0), &dt = in(op, 1), &b = in(op, 2), &c = in(op, 3);
  const int channels = a.blocks * a.channels;
  Rows out(x.count, channels);
  if (op.inputs.size() > 4) {
    ScanByDelta(op, rates, out);
    return out;
  }
  team_.ForEach(channels, [&](std::int64_t index) {
    const auto channel = static_cast<int>(index);
    const int block = channel / a.channels, own = a.apart ? channel : block;
    const int group = a.group_of(block) * a.size;
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

void ReferenceWalk::ScanByDelta(const Operation& op, const std::vector<float>& rates, Rows& out) {
  const auto& a = op.as<program::ScanAttributes>();
  const Rows &x = in(op, 0), &dt = in(op, 1), &b = in(op, 2), &c = in(op, 3), &share = in(op, 4);
  team_.ForEach(out.width, [&](std::int64_t index) {
    const auto channel = static_cast<int>(index);
    const int block = channel / a.channels, group = a.group_of(block) * a.size;
    std::vector<double> state(static_cast<std::size_t>(a.size));
    for (int r = 0; r < x.count; ++r) {
      const double decay = std::exp(dt.row(r)[block] * rates[static_cast<std::size_t>(block)]);
      const double *key = b.row(r) + a.b + group, *query = c.row(r) + a.c + group;
      double known = 0;
      for (std::size_t n = 0; n < state.size(); ++n) known += (state[n] *= decay) * key[n];
      const double learnt = (x.row(r)[a.x + channel] - known) * share.row(r)[block];
      for (std::size_t n = 0; n < state.size(); ++n) {
        state[n] += learnt * key[n];
        out.row(r)[channel] += state[n] * query[n];
      }
    }
  });
}

}  // namespace cairn::testing
