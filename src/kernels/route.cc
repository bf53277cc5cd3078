// SPDX-License-Identifier: Apache-2.0
#include "kernels/route.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace cairn::kernels {
namespace {

constexpr float kGone = -std::numeric_limits<float>::infinity();

// 16 running sums, joined by the fixed tree.
float Sum(const float* x, int n) {
  float lanes[16] = {};
  for (int i = 0; i < n; ++i) lanes[i % 16] += x[i];
  for (int half = 8; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

// How far below the best an expert may be, in parts of the larger of both, to count beside it.
constexpr float kNear = 0.02f;

// The weight of an expert among those that are left and near it.
float Nearest(const Kernels& k, const Routing& r, const float* left, int best) {
  float values[kMostExperts];
  const float m = left[best];
  for (int e = 0; e < r.experts; ++e) {
    const float size = std::max(std::fabs(left[e]), m);
    values[e] = (m - left[e]) / size > kNear ? kGone : left[e];
  }
  k.exp_shifted(values, m, r.experts, values);
  return 1.0f / Sum(values, r.experts);
}

void Score(const Kernels& k, const Routing& r, const float* logits, float* scores) {
  if (r.scoring == Scoring::kSoftmax) {
    k.exp_shifted(logits, logits[k.argmax(logits, r.experts)], r.experts, scores);
    const float sum = Sum(scores, r.experts);
    for (int e = 0; e < r.experts; ++e) scores[e] /= sum;
    return;
  }
  for (int e = 0; e < r.experts; ++e) scores[e] = -logits[e];
  k.exp_shifted(scores, 0, r.experts, scores);
  for (int e = 0; e < r.experts; ++e) scores[e] = 1.0f / (1.0f + scores[e]);
}

// Takes the experts outside the groups in use out of what decides.
void KeepGroups(const Kernels& k, const Routing& r, float* deciding) {
  const int size = r.experts / r.groups;
  float values[kMostExperts];
  for (int g = 0; g < r.groups; ++g) {
    float* group = deciding + g * size;
    const int best = k.argmax(group, size);
    values[g] = group[best];
    if (r.group_largest < 2) continue;
    const float largest = group[best];
    group[best] = kGone;
    values[g] += group[k.argmax(group, size)];
    group[best] = largest;
  }
  bool kept[kMostExperts] = {};
  for (int i = 0; i < r.groups_used; ++i) {
    const int best = k.argmax(values, r.groups);
    kept[best] = true;
    values[best] = kGone;
  }
  for (int g = 0; g < r.groups; ++g) {
    if (!kept[g]) std::fill_n(deciding + g * size, size, kGone);
  }
}

}  // namespace

void Route(const Kernels& k, const Routing& r, const float* logits, const float* bias, float* out) {
  CAIRN_CHECK(r.used > 0 && r.used <= r.experts && r.experts <= kMostExperts);
  float scores[kMostExperts], deciding[kMostExperts];
  if (r.scoring != Scoring::kNearest) Score(k, r, logits, scores);
  for (int e = 0; e < r.experts; ++e) {
    deciding[e] = bias == nullptr ? logits[e] : scores[e] + bias[e];
  }
  if (r.groups > 1) KeepGroups(k, r, deciding);
  float sum = 0;
  for (int j = 0; j < r.used; ++j) {
    const int best = k.argmax(deciding, r.experts);
    if (r.scoring == Scoring::kNearest) scores[best] = Nearest(k, r, deciding, best);
    deciding[best] = kGone;
    out[j] = static_cast<float>(best);
    out[r.used + j] = scores[best];
    sum += scores[best];
  }
  const float divisor = std::max(sum, 0x1p-64f);
  for (float* w = out + r.used; w < out + 2 * r.used; ++w) {
    if (r.normalise) *w /= divisor;
    if (r.scale != 1) *w *= r.scale;
  }
}

}  // namespace cairn::kernels
