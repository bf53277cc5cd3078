// SPDX-License-Identifier: Apache-2.0
// The rotary embedding of a file: how many values of a head rotate, in which pairs, at which
// frequencies (docs/canonical.md, section 5). Threads: pure functions.
#pragma once

#include <string_view>

#include "base/error.h"
#include "model/hyper_parameters.h"
#include "program/program.h"

namespace cairn::model {

struct RotaryDefaults {
  kernels::RotaryPairs pairs = kernels::RotaryPairs::kNeighbours;
  double base = 10000;
  bool whole_corrections = true;  // YaRN's borders are rounded to whole pairs
};

// Reads rope.dimension_count (default: the whole head), rope.freq_base, rope.scaling.* ('none',
// 'linear', 'yarn', 'longrope') and the lists of factors 'rope_freqs.weight' and
// 'rope_factors_{short,long}.weight'. Of LongRoPE's two lists it takes the long one where the
// file's context is longer than that of its training. Errors: kCorrupt; kUnsupported for other
// kinds of scaling.
[[nodiscard]] Result<program::RotateAttributes> ReadRotary(const Gguf& gguf,
                                                           const HyperParameters& h, int head_dim,
                                                           const RotaryDefaults& defaults);

}  // namespace cairn::model
