// SPDX-License-Identifier: Apache-2.0
// What a model computes, as a number: equal where the program and its weights are.
// Threads: a pure function.
#pragma once

#include <array>
#include <cstddef>

#include "model/model.h"

namespace cairn::model {

// Of the hyper-parameters (what the metadata says under the architecture's name) and the weights
// as they lie in memory. Names, vocabulary and chat template are not in it: they decide which
// tokens are asked for, not what a token computes. No protection against forgery (XXH3, 128 bits).
// Cost: a pass over the weights.
std::array<std::byte, 16> DigestOf(const Model& model);

}  // namespace cairn::model
