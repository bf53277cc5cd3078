// SPDX-License-Identifier: Apache-2.0
// Which experts a row goes to, and with which weights (docs/canonical.md, section 8a).
// Threads: pure functions.
#pragma once

#include "kernels/kernels.h"

namespace cairn::kernels {

// Caps, far above any real model.
inline constexpr int kMostExperts = 1024;
inline constexpr int kMostExpertsOfRow = 64;

// kNearest: softmax among those experts that come near the chosen one and are left.
enum class Scoring { kSoftmax, kSigmoid, kNearest };

struct Routing {
  Scoring scoring = Scoring::kSoftmax;
  int experts = 0;  // E, up to kMostExperts
  int used = 0;     // k, up to kMostExpertsOfRow and no more than the groups in use have
  // Groups of experts / groups experts; 1: none. The value of a group is the sum of its
  // `group_largest` (1 or 2) largest.
  int groups = 1;
  int groups_used = 1;
  int group_largest = 1;
  bool normalise = false;  // weights are divided by their sum
  float scale = 1;         // of the weights
  bool operator==(const Routing&) const = default;
};

// Chooses for one row: `logits` has a value for each expert, `bias` too or is null. Writes the
// indices of the chosen by rank, then their weights: 2 * used floats. The indices are always those
// of experts, whatever the logits hold. Cost: used times a look at all experts.
void Route(const Kernels& kernels, const Routing& routing, const float* logits, const float* bias,
           float* out);

}  // namespace cairn::kernels
